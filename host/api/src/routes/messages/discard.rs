//! `POST /api/v1/messages/{id}/discard`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, MessagesWrite};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::{CONFLICT, Problem};
use crate::views::MessageView;

/// Gives a message up that failed or was parked, or takes one back that waits. What is being sent, or was accepted, stays.
#[utoipa::path(post, path = "/api/v1/messages/{id}/discard", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    responses((status = 200, body = MessageView), Problems))]
pub(crate) async fn discard_message(
    State(app): State<Arc<App>>,
    access: Authorized<MessagesWrite>,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, Problem> {
    let id = id_in_path(&id, "message")?;
    let done = app.store.discard_message(&access.scope, id, app.now()).await?;
    let message = app.store.message(&access.scope, id).await?.ok_or_else(|| Problem::not_found("message"))?;
    if !done {
        return Err(Problem::new(CONFLICT, "What is being sent, accepted or dropped already is not discarded."));
    }
    Ok(Json(message.into()))
}
