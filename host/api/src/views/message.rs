//! Messages.

use openhub_model::message::MessageStatus;
use openhub_model::{Id, PartId, Timestamp};
use openhub_store::{MadeAttempt, MessageRow};
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
    /// Each attempt, the oldest first. Attempts of before a retry by hand are there, too.
    attempts_made: Vec<MadeAttemptView>,
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

/// An attempt to send a message.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageAttempt)]
pub(crate) struct MadeAttemptView {
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    outcome: Outcome,
    /// The channel's reason, if it was not accepted: a code, and words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The digest of the component that was called. Absent if the hub stopped while it sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_digest: Option<String>,
}

/// What came of an attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = MessageAttemptOutcome)]
pub(crate) enum Outcome {
    /// The provider took it.
    Accepted,
    /// It is tried again.
    Retried,
    Failed,
    /// It may have arrived or not, and is not tried again by itself.
    Parked,
}

impl From<MadeAttempt> for MadeAttemptView {
    fn from(made: MadeAttempt) -> Self {
        let outcome = match made.status {
            MessageStatus::Accepted => Outcome::Accepted,
            MessageStatus::Failed | MessageStatus::Dropped => Outcome::Failed,
            MessageStatus::Parked => Outcome::Parked,
            MessageStatus::Pending | MessageStatus::Sending | MessageStatus::Held => Outcome::Retried,
        };
        let reason = made.fault.filter(|fault| !fault.is_empty());
        MadeAttemptView { at: made.at, outcome, reason, plugin_digest: made.digest }
    }
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
            attempts_made: row.attempts_made.into_iter().map(Into::into).collect(),
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
