//! A change that is written and not yet computed.

use serde::Serialize;
use utoipa::ToSchema;

/// A write that is stored, but that the engine has not reached yet.
#[derive(Serialize, ToSchema)]
#[schema(as = Pending)]
pub(crate) struct PendingView {
    /// The write is visible when the checkpoint of `/api/v1/status` reaches this position.
    pub position: i64,
}
