//! `GET /api/v1/messages/{id}`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, MessagesRead};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::Problem;
use crate::views::MessageView;

/// One message.
#[utoipa::path(get, path = "/api/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    responses((status = 200, body = MessageView), Problems))]
pub(crate) async fn get_message(
    State(app): State<Arc<App>>,
    access: Authorized<MessagesRead>,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, Problem> {
    let id = id_in_path(&id, "message")?;
    let message = app.store.message(&access.scope, id).await?.ok_or_else(|| Problem::not_found("message"))?;
    Ok(Json(message.into()))
}
