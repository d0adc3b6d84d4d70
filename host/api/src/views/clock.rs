//! A tenant's clock.

use openhub_model::{ClockKind, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A tenant's clock.
#[derive(Serialize, ToSchema)]
#[schema(as = Clock)]
pub(crate) struct ClockView {
    /// `live` or `replay`.
    #[schema(value_type = String)]
    pub kind: ClockKind,
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
}
