//! A version that is tried beside the active one.

use openhub_store::{Canary, Shadow};
use serde::Serialize;
use utoipa::ToSchema;

/// The candidate serves a part of the customers.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginCanary)]
pub(crate) struct CanaryView {
    /// Of the candidate.
    digest: String,
    /// How many of a hundred customers it serves.
    percent: u8,
    /// Where in the log it began to serve so many.
    position: i64,
}

impl From<Canary> for CanaryView {
    fn from(canary: Canary) -> CanaryView {
        let Canary { digest, percent, position, .. } = canary;
        CanaryView { digest, percent, position }
    }
}

/// The candidate is called beside the active version, and changes nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginShadow)]
pub(crate) struct ShadowView {
    /// Of the candidate.
    digest: String,
    /// Where in the log it began.
    position: i64,
}

impl From<Shadow> for ShadowView {
    fn from(shadow: Shadow) -> ShadowView {
        let Shadow { digest, position } = shadow;
        ShadowView { digest, position }
    }
}
