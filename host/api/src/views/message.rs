//! Messages.

use openhub_model::message::MessageStatus;
use openhub_model::{Id, PartId, Timestamp};
use openhub_store::MessageRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A message on its way, or how it ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageView {
    /// Also the idempotency key of its sends.
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    #[schema(value_type = String, format = "uuid")]
    customer: PartId,
    channel: String,
    address: String,
    /// `pending`, `sending`, `accepted`, `failed`, `parked`, `dropped`, or `held` while its journey is paused.
    #[schema(value_type = String)]
    status: MessageStatus,
    attempts: i64,
    journey: String,
    #[schema(value_type = String, format = "uuid")]
    run: Id,
    node: String,
    #[schema(value_type = Object)]
    content: Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    provider_id: Option<String>,
    fault: Option<String>,
    /// The digest of the component that sent it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_digest: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MessageList {
    pub messages: Vec<MessageView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl From<MessageRow> for MessageView {
    fn from(row: MessageRow) -> Self {
        let message = row.message;
        MessageView {
            id: message.id,
            customer: message.part,
            channel: message.channel,
            address: message.address,
            status: row.status,
            attempts: row.attempts,
            journey: message.journey,
            run: message.run,
            node: message.node,
            content: serde_json::from_str(&message.content).unwrap_or(Value::Null),
            created_at: message.created_at,
            next_attempt_at: row.next_attempt_at,
            provider_id: row.provider_id,
            fault: row.fault,
            plugin_digest: row.digest,
        }
    }
}
