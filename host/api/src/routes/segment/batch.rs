//! `POST /v1/batch`: many events in one request.

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{KeyCache, WriteAccess};
use crate::body::EventBody;
use crate::ingest::{BatchMode, Receipt, accept_batch};
use crate::openapi::Problems;
use crate::problem::Problem;

/// Many events at once, of any call.
///
/// `{"batch": [{"type": "track", …}], "sentAt": "…"}`, at most 500 KB, each event at most 32 KB. An event that is
/// refused does not sink the others: the answer lists it under `refused`.
#[utoipa::path(post, path = "/v1/batch", tag = "segment", request_body = Value,
    security(("write_key" = ["events:write"])),
    responses((status = 200, body = Receipt), Problems))]
pub(crate) async fn batch(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: WriteAccess,
    EventBody(body): EventBody,
) -> Result<Json<Receipt>, Problem> {
    accept_batch(&app, &keys, access, BatchMode::Live, &body).await
}
