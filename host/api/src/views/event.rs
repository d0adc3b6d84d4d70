//! Events.

use crate::ingest::{MOVED, ORIGINAL};
use openhub_engine::SERVED_BY;
use openhub_model::{Event, EventKind, Origin, PartId, Principal, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An accepted event.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    position: i64,
    message_id: String,
    #[schema(value_type = String)]
    r#type: EventKind,
    name: String,
    /// Whose it was when it came. Customers who turned out to be one are found under each of their ids.
    #[schema(value_type = Option<String>, format = "uuid")]
    customer: Option<PartId>,
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    /// The time that the event came with, if the hub moved it: from the future to the present, or, of a page's key, to 14 days before.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_from: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// `arrived` from outside, or `caused` by a rule or a journey.
    #[schema(value_type = String)]
    origin: Origin,
    historical: bool,
    /// `message_id` of the event that caused it.
    cause: Option<String>,
    /// The version of a plugin that caused it: the plugin, its rule or object type, and the digest of its component.
    #[serde(skip_serializing_if = "Option::is_none")]
    served_by: Option<ServedBy>,
    /// Who made the change, if it is one of the hub's own: `{"kind": "key", "id": "…"}`, or `person`, `plugin`, `partner`,
    /// `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    principal: Option<Principal>,
    /// The event as it came.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
}

/// A version of a plugin.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ServedBy {
    plugin: String,
    /// Of the rule, or of the object type that was checked.
    name: String,
    digest: String,
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
        let served_by = served_by(&event);
        let own = matches!(event.kind, EventKind::Control | EventKind::Object | EventKind::Update);
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
            served_by,
            principal,
            body,
        }
    }
}

/// Only what came by a door at the very present can have been moved there. Events that were stored before say it in a member that
/// libraries use, too.
fn moved_from(event: &Event) -> Option<String> {
    let says = |name: &str| event.origin == Origin::Arrived && event.body.contains(name);
    let name = match (says(MOVED), says(ORIGINAL) && event.occurred_at == event.received_at) {
        (true, _) => MOVED,
        (false, true) => ORIGINAL,
        (false, false) => return None,
    };
    let said: serde_json::Map<String, Value> = serde_json::from_str(&event.body).ok()?;
    said.get(name)?.as_str().map(str::to_owned)
}

/// No door takes an event with a cause: what one says is the hub's own word.
fn served_by(event: &Event) -> Option<ServedBy> {
    #[derive(Deserialize)]
    struct Caused {
        served_by: ServedBy,
    }
    let says = event.cause.is_some() && event.body.contains(SERVED_BY);
    let caused: Option<Caused> = says.then(|| serde_json::from_str(&event.body).ok()).flatten();
    caused.map(|caused| caused.served_by)
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
