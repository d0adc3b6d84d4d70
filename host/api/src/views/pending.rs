//! A change that is written and not yet computed.

use serde::Serialize;
use utoipa::ToSchema;

/// A write that is stored and that the engine has yet to pass.
#[derive(Serialize, ToSchema)]
#[schema(as = Pending)]
pub(crate) struct PendingView {
    /// The write shows once the checkpoint of `/api/v1/status` has reached this.
    pub position: i64,
}
