//! `POST /v1/identify`: one event of this call.

use axum::Json;
use axum::extract::State;
use openhub_model::EventKind;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{KeyCache, WriteAccess};
use crate::body::EventBody;
use crate::ingest::{Receipt, accept_one};
use crate::openapi::Problems;
use crate::problem::Problem;

/// Says who a customer is, with traits.
///
/// Answered once the event is stored for good; a repeated `messageId` is answered alike and changes nothing.
#[utoipa::path(post, path = "/v1/identify", tag = "segment", request_body = Value,
    security(("write_key" = ["events:write"])),
    responses((status = 200, body = Receipt), Problems))]
pub(crate) async fn identify(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: WriteAccess,
    EventBody(body): EventBody,
) -> Result<Json<Receipt>, Problem> {
    accept_one(&app, &keys, access, EventKind::Identify, &body).await
}
