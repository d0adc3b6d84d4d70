//! Webhooks, what is sent to them, and how that went.

use openhub_model::{Id, PartId, Timestamp};
use openhub_store::{Attempt, Delivery, DeliveryState, Webhook};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether a webhook is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WebhookStatus {
    Enabled,
    Failing,
    Disabled,
}

impl WebhookStatus {
    pub const ALL: [WebhookStatus; 3] = [WebhookStatus::Enabled, WebhookStatus::Failing, WebhookStatus::Disabled];
}

#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView {
    name: String,
    url: String,
    description: String,
    /// Types of events, and beginnings of them with `*`.
    events: Vec<String>,
    /// The scopes of whoever set it up, as far as they matter: it is sent no event that needs another one.
    sees: Vec<String>,
    /// `enabled`, `failing` (the last attempt failed) or `disabled`.
    #[schema(value_type = String)]
    status: WebhookStatus,
    /// Why it is disabled: `asked`, `gone` (the receiver answered 410) or `failing` (it failed for five days).
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_for: Option<String>,
    /// Since when every attempt has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// It is left alone until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    rests_until: Option<Timestamp>,
    /// Until then the secret before the present one signs, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    old_secret_until: Option<Timestamp>,
    /// Also the `ETag`.
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// What its signatures are made with. Shown once: keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookList {
    pub webhooks: Vec<WebhookView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl WebhookView {
    /// As it is at this time.
    pub fn of(webhook: Webhook, now: Timestamp) -> WebhookView {
        let status = match (webhook.enabled, webhook.failing_since) {
            (false, _) => WebhookStatus::Disabled,
            (true, Some(_)) => WebhookStatus::Failing,
            (true, None) => WebhookStatus::Enabled,
        };
        WebhookView {
            name: webhook.name,
            url: webhook.url,
            description: webhook.description,
            events: webhook.events,
            sees: webhook.sees,
            status,
            disabled_for: webhook.disabled_for,
            failing_since: webhook.failing_since,
            rests_until: webhook.rests_until.filter(|until| *until > now && webhook.enabled),
            old_secret_until: webhook.old_until.filter(|until| *until > now),
            version: webhook.version,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
            secret: None,
        }
    }

    /// With the secret, for its owner's eyes.
    pub fn with_secret(self, secret: String) -> WebhookView {
        WebhookView { secret: Some(secret), ..self }
    }
}

/// What is sent to a webhook of one event.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct DeliveryView {
    /// The `webhook-id` of each attempt.
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// The type of the event.
    r#type: String,
    /// The event's place in the log.
    position: i64,
    /// Whose event it is.
    #[schema(value_type = Option<String>, format = "uuid")]
    customer: Option<PartId>,
    /// `waiting`, `delivered` or `failed`.
    #[schema(value_type = String)]
    state: DeliveryState,
    /// So many attempts were made.
    attempts: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it is sent, if the receiver is not left alone until later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<Timestamp>,
    /// What the receiver answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i64>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> DeliveryView {
        DeliveryView {
            id: delivery.id,
            r#type: delivery.r#type,
            position: delivery.position,
            customer: delivery.customer,
            state: delivery.state,
            attempts: delivery.attempts,
            created_at: delivery.created_at,
            next_attempt_at: delivery.due_at,
            settled_at: delivery.settled_at,
            status: delivery.status,
            error: delivery.error,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryList)]
pub(crate) struct DeliveryList {
    pub deliveries: Vec<DeliveryView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// A delivery with its last attempts, the latest first.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryWhole)]
pub(crate) struct DeliveryWhole {
    #[serde(flatten)]
    pub delivery: DeliveryView,
    /// The last 20.
    pub tries: Vec<AttemptView>,
}

/// One attempt to send something.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(crate) struct AttemptView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// How long it took.
    duration_ms: i64,
    /// What the receiver answered. Absent: it gave no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The first 1,024 bytes of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> AttemptView {
        let Attempt { at, duration_ms, status, error, answer } = attempt;
        AttemptView { at, duration_ms, status, error, answer }
    }
}

/// What is sent again.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookReplayed)]
pub(crate) struct ReplayedView {
    /// So many deliveries.
    pub replayed: i64,
}
