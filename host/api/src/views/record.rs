//! Events, messages, objects, the clock and the tenant's standing as the API shows them.

use openhub_engine::catalog::EntryFault;
use openhub_model::message::MessageStatus;
use openhub_model::object::Object;
use openhub_model::{ClockKind, Event, EventKind, Id, Origin, PartId, Principal, TenantId, Timestamp};
use openhub_store::{FaultKind, MessageRow, Standing};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::ingest::ORIGINAL;

/// One fault of an input.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultView {
    /// JSON pointer (RFC 6901) into the input.
    pointer: String,
    /// Stable, kebab-case.
    code: String,
    message: String,
}

/// A write that is stored and that the engine has yet to pass.
#[derive(Serialize, ToSchema)]
#[schema(as = Pending)]
pub(crate) struct PendingView {
    /// The write shows once the checkpoint of `/api/v1/status` has reached this.
    pub position: i64,
}

/// An accepted event.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    position: i64,
    message_id: String,
    #[schema(value_type = String)]
    r#type: EventKind,
    name: String,
    #[schema(value_type = Option<String>, format = "uuid")]
    customer: Option<PartId>,
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    /// The time that it came with, if that lay behind the present and it was moved there.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_from: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// `arrived` by a door, or `caused` by a rule or a journey.
    #[schema(value_type = String)]
    origin: Origin,
    historical: bool,
    /// `message_id` of the event that caused it.
    cause: Option<String>,
    /// Who made the change, if it is one of the hub's own: `{"kind": "key", "id": "…"}`, or `person`, `plugin`, `partner`,
    /// `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    principal: Option<Principal>,
    /// As it came.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EventList {
    pub events: Vec<EventView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        let moved_from = moved_from(&event);
        let principal = principal(&event);
        let own = matches!(event.kind, EventKind::Control | EventKind::Object);
        let body = if own { without_principal(event.body) } else { event.body };
        // The door let in nothing but JSON; were something else stored, it would show as nothing.
        let body = RawValue::from_string(body).unwrap_or_else(|_| RawValue::NULL.to_owned());
        EventView {
            position: event.position,
            message_id: event.message_id,
            r#type: event.kind,
            name: event.name,
            customer: event.part,
            occurred_at: event.occurred_at,
            moved_from,
            received_at: event.received_at,
            origin: event.origin,
            historical: event.historical,
            cause: event.cause,
            principal,
            body,
        }
    }
}

/// Only what came by a door at the very present can have been moved there.
fn moved_from(event: &Event) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Moved {
        original_timestamp: String,
    }
    let may_be = event.origin == Origin::Arrived && event.body.contains(ORIGINAL);
    let moved: Moved = may_be.then(|| serde_json::from_str(&event.body).ok()).flatten()?;
    Some(moved.original_timestamp)
}

/// What a control event says; who says it is shown beside it.
fn without_principal(body: String) -> String {
    match serde_json::from_str::<serde_json::Map<String, Value>>(&body) {
        Ok(mut said) => match said.shift_remove("principal") {
            Some(_) => Value::Object(said).to_string(),
            None => body,
        },
        Err(_) => body,
    }
}

/// What a page sends is not believed about who sent it.
fn principal(event: &Event) -> Option<Principal> {
    #[derive(Deserialize)]
    struct Made {
        principal: Option<Principal>,
        asked_by: Option<String>,
    }
    match event.kind {
        EventKind::Control | EventKind::Update | EventKind::Object => {
            let made: Made = serde_json::from_str(&event.body).ok()?;
            made.principal.or_else(|| made.asked_by.map(Principal::key))
        }
        _ => None,
    }
}

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
    /// `pending`, `sending`, `accepted`, `failed`, `parked` or `dropped`.
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
        }
    }
}

/// A record of a custom type.
#[derive(Serialize, ToSchema)]
#[schema(as = Object)]
pub(crate) struct ObjectView {
    kind: String,
    key: String,
    #[schema(value_type = Option<String>, format = "uuid")]
    customer: Option<PartId>,
    /// For `If-Match`.
    version: i64,
    #[schema(value_type = Object)]
    fields: Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ObjectList {
    pub objects: Vec<ObjectView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl From<Object> for ObjectView {
    fn from(object: Object) -> Self {
        ObjectView {
            kind: object.kind,
            key: object.key,
            customer: object.part,
            version: object.version,
            fields: object.fields,
            created_at: object.created_at,
            updated_at: object.updated_at,
        }
    }
}

/// A tenant's clock.
#[derive(Serialize, ToSchema)]
#[schema(as = Clock)]
pub(crate) struct ClockView {
    /// `live` or `replay`.
    #[schema(value_type = String)]
    pub kind: ClockKind,
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
}

/// Where a tenant's work stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(crate) struct StatusView {
    #[schema(value_type = i64)]
    tenant: TenantId,
    /// The log's last position.
    head: i64,
    /// The position up to which the engine is done.
    checkpoint: i64,
    /// Events that wait for the engine.
    behind: i64,
    /// Messages that wait to be sent.
    unsent: i64,
    /// Events that the engine passed although they failed.
    set_aside: i64,
    waiting_runs: i64,
    #[schema(value_type = String, format = DateTime)]
    clock: Timestamp,
    /// What is not in force though it was asked for: all else is. Known to the node that moves the tenant.
    faults: Vec<CatalogFaultView>,
    /// How many open faults the list has, by kind: what did not go through. See `/api/v1/faults`.
    open_faults: BTreeMap<&'static str, i64>,
}

/// An entry of the catalog that is not in force.
#[derive(Serialize, ToSchema)]
#[schema(as = CatalogFault)]
pub(crate) struct CatalogFaultView {
    /// `plugin`, `journey`, `segment`, `attribute`, `identity-kinds`, or `change` for one that was refused at its place in
    /// the log.
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    reason: String,
}

impl From<&EntryFault> for CatalogFaultView {
    fn from(fault: &EntryFault) -> Self {
        let EntryFault { kind, name, version, reason } = fault.clone();
        CatalogFaultView { kind: kind.word(), name, version, reason }
    }
}

impl StatusView {
    pub fn new(tenant: TenantId, standing: Standing, clock: Timestamp) -> StatusView {
        StatusView {
            tenant,
            head: standing.head,
            checkpoint: standing.checkpoint,
            behind: standing.arrived_behind,
            unsent: standing.unsent,
            set_aside: standing.set_aside,
            waiting_runs: standing.waiting_runs,
            clock,
            faults: Vec::new(),
            open_faults: BTreeMap::new(),
        }
    }

    pub fn with_open_faults(self, counts: &[(FaultKind, i64)]) -> StatusView {
        StatusView { open_faults: counts.iter().map(|(kind, count)| (kind.name(), *count)).collect(), ..self }
    }

    pub fn with_faults(self, faults: &[EntryFault]) -> StatusView {
        StatusView { faults: faults.iter().map(Into::into).collect(), ..self }
    }
}
