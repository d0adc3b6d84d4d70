//! What is wrong with an input.

use serde::Serialize;
use utoipa::ToSchema;

/// One fault of an input.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultView {
    /// JSON pointer (RFC 6901) into the input.
    pointer: String,
    /// Stable, kebab-case.
    code: String,
    message: String,
}
