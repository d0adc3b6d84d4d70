//! Messages, to read, and what can be done about those that were given up or parked.

use axum::Json;
use axum::extract::State;
use openhub_model::message::MessageStatus;
use openhub_store::MessageFilter;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, MessagesRead, MessagesWrite};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path, id_in_query};
use crate::problem::{CONFLICT, Problem};
use crate::views::{MessageList, MessageView};

const LIST: &str = "messages";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `pending`, `sending`, `accepted`, `failed`, `parked` or `dropped`.
    #[param(value_type = Option<String>)]
    status: Option<MessageStatus>,
    /// Only messages to this customer, by id.
    customer: Option<String>,
    /// Only messages of this journey.
    journey: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Messages, by id.
#[utoipa::path(get, path = "/api/v1/messages", tag = "messages", params(Parameters),
    security(("api_key" = ["messages:read"])),
    responses((status = 200, body = MessageList), Problems))]
pub(crate) async fn list_messages(
    State(app): State<Arc<App>>,
    access: Authorized<MessagesRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<MessageList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let filter = MessageFilter {
        status: parameters.status,
        part: id_in_query("customer", parameters.customer.as_deref())?,
        journey: parameters.journey,
        after: cursor::read(LIST, "after", parameters.after.as_deref())?,
        limit: limit + 1,
    };
    let messages = app.store.messages(&access.scope, &filter).await?;
    let (messages, next) = cursor::page(LIST, messages, limit, |row| row.message.id);
    Ok(Json(MessageList { messages: messages.into_iter().map(Into::into).collect(), next }))
}

/// One message.
#[utoipa::path(get, path = "/api/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    security(("api_key" = ["messages:read"])),
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

/// Tries a message again that waits for its next attempt, failed, was parked or was dropped: at once, under the same key, with its attempts counted anew.
/// The gate is asked as ever.
#[utoipa::path(post, path = "/api/v1/messages/{id}/retry", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    security(("api_key" = ["messages:write"])),
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
        return Err(Problem::new(
            CONFLICT,
            "A message that is being sent, was accepted or waits for its journey cannot be retried.",
        ));
    }
    Ok(Json(message.into()))
}

/// Gives a message up that failed or was parked, or takes one back that waits. What is being sent, or was accepted, stays.
#[utoipa::path(post, path = "/api/v1/messages/{id}/discard", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    security(("api_key" = ["messages:write"])),
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
        return Err(Problem::new(
            CONFLICT,
            "A message that is being sent, was accepted or was dropped cannot be discarded.",
        ));
    }
    Ok(Json(message.into()))
}
