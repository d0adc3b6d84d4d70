//! `POST /api/v1/messages/{id}/retry`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, MessagesWrite};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::{CONFLICT, Problem};
use crate::views::MessageView;

/// Tries a message again that failed, was parked or was dropped: at once, under the same key, with its attempts counted anew.
/// The gate is asked as ever.
#[utoipa::path(post, path = "/api/v1/messages/{id}/retry", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    responses((status = 200, body = MessageView), Problems))]
pub(crate) async fn retry_message(
    State(app): State<Arc<App>>,
    access: Authorized<MessagesWrite>,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, Problem> {
    let id = id_in_path(&id, "message")?;
    let done = app.store.retry_message(&access.scope, id, app.now()).await?;
    let message = app.store.message(&access.scope, id).await?.ok_or_else(|| Problem::not_found("message"))?;
    if !done {
        return Err(Problem::new(CONFLICT, "Only what failed, was parked or was dropped is tried again."));
    }
    Ok(Json(message.into()))
}
