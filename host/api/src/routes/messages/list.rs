//! `GET /api/v1/messages`

use axum::Json;
use axum::extract::State;
use openhub_model::message::MessageStatus;
use openhub_store::MessageFilter;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, MessagesRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Query, id_in_query};
use crate::problem::Problem;
use crate::views::MessageList;

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
    /// Cursor of the page before.
    after: Option<String>,
    /// From 1 to 1000; 50 unless told.
    limit: Option<usize>,
}

/// Messages, by id.
#[utoipa::path(get, path = "/api/v1/messages", tag = "messages", params(Parameters),
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
