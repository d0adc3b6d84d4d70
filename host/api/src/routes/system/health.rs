//! `GET /healthz`: the process lives.

use crate::openapi::Problems;

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "hub", responses((status = 200, body = String), Problems))]
pub(crate) async fn health() -> &'static str {
    "ok\n"
}
