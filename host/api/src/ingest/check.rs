//! What makes an event acceptable: the first fault that is found refuses it, with a stable code and a pointer.

use openhub_model::identity::Authority;
use openhub_model::{EventKind, Fault, Identity, NewEvent, PartId, TenantId, Timestamp};
use serde_json::Value;

use super::item::{Item, Scalar};
use super::time::{is_writable, occurred_at};
use crate::text;

const ID_BYTES: usize = 255;
const NAME_BYTES: usize = 1024;
/// The hub's own events have ids of their own; nobody may take them first.
pub(crate) const RESERVED: &str = "openhub:";

/// What the events of one request share.
pub(super) struct Delivery {
    pub tenant: TenantId,
    pub received_at: Timestamp,
    /// Of the batch; an event's own goes before it.
    pub sent_at: Option<Timestamp>,
    pub historical: bool,
    pub authority: Authority,
    pub event_bytes: usize,
}

impl Delivery {
    /// Reads one event. `called` is the call that it came by, or absent in a batch, where each item says it.
    pub fn read(
        &self,
        raw: &str,
        called: Option<EventKind>,
        pointer: &str,
        fresh_id: impl FnOnce() -> String,
    ) -> Result<NewEvent, Fault> {
        let below = |name: &str| format!("{pointer}/{name}");
        let raw = raw.trim_matches([' ', '\t', '\r', '\n']);
        if raw.len() > self.event_bytes {
            let message = format!("An event has at most {} bytes.", self.event_bytes);
            return Err(Fault::new(pointer, "event-too-large", message));
        }
        if !raw.starts_with('{') {
            return Err(Fault::new(pointer, "not-an-object", "An event is a JSON object."));
        }
        let item: Item = serde_json::from_str(raw).map_err(|error| unsound(raw, pointer, &error))?;
        if let Some(name) = item.repeated {
            return Err(Fault::new(below(name), "repeated-field", "The field occurs twice."));
        }
        let kind = match called {
            Some(kind) => kind,
            None => kind_of(&item.kind, &below("type"))?,
        };
        let part = self.part(&item, pointer)?;
        for (name, value) in [("previousId", &item.previous_id), ("groupId", &item.group_id)] {
            id(value, &below(name))?;
        }
        let name = event_name(kind, &item, pointer)?;
        for (name, value) in [
            ("properties", &item.properties),
            ("traits", &item.traits),
            ("attributes", &item.attributes),
            ("tags", &item.tags),
            ("consents", &item.consents),
            ("context", &item.context),
        ] {
            if !matches!(value, Scalar::Absent | Scalar::Null | Scalar::Object) {
                return Err(Fault::new(below(name), "wrong-type", "This is to be an object."));
            }
        }
        let message_id = match text_field(&item.message_id, &below("messageId"), ID_BYTES)? {
            None => fresh_id(),
            Some(id) if id.starts_with(RESERVED) => {
                let message = format!("Ids that begin with `{RESERVED}` are the hub's own.");
                return Err(Fault::new(below("messageId"), "reserved-id", message));
            }
            Some(id) => id.to_owned(),
        };
        let timestamp = instant(&item.timestamp, &below("timestamp"))?;
        let sent_at = instant(&item.sent_at, &below("sentAt"))?.or(self.sent_at);
        let occurred_at = occurred_at(self.received_at, sent_at, timestamp);
        if !is_writable(occurred_at) {
            return Err(Fault::new(
                below("timestamp"),
                "invalid-timestamp",
                "The time lies outside the years 1 to 9999.",
            ));
        }
        let body = if item.write_key == Scalar::Absent { raw.to_owned() } else { without_write_key(raw) };
        Ok(NewEvent {
            message_id,
            kind,
            name: name.to_owned(),
            part: Some(part),
            occurred_at,
            received_at: self.received_at,
            historical: self.historical,
            authority: self.authority,
            cause: None,
            body,
        })
    }

    /// Whose event it is: its `userId`, else its `anonymousId`.
    fn part(&self, item: &Item<'_>, pointer: &str) -> Result<PartId, Fault> {
        let user = id(&item.user_id, &format!("{pointer}/userId"))?;
        let anonymous = id(&item.anonymous_id, &format!("{pointer}/anonymousId"))?;
        let identity = user
            .map(|user| Identity::new(Identity::USER_ID, user))
            .or_else(|| anonymous.map(|anonymous| Identity::new(Identity::ANONYMOUS_ID, anonymous)));
        let identity = identity.ok_or_else(|| {
            Fault::new(format!("{pointer}/userId"), "missing-identity", "A `userId` or an `anonymousId` is needed.")
        })?;
        Ok(identity.part(self.tenant))
    }
}

fn kind_of(value: &Scalar<'_>, pointer: &str) -> Result<EventKind, Fault> {
    match value {
        Scalar::Text(text) => match text.as_ref() {
            "identify" => Ok(EventKind::Identify),
            "track" => Ok(EventKind::Track),
            "page" => Ok(EventKind::Page),
            "screen" => Ok(EventKind::Screen),
            "group" => Ok(EventKind::Group),
            "alias" => Ok(EventKind::Alias),
            _ => Err(Fault::new(
                pointer,
                "unknown-type",
                "The type is one of identify, track, page, screen, group and alias.",
            )),
        },
        Scalar::Absent | Scalar::Null => Err(Fault::new(pointer, "missing-type", "The event's type is needed.")),
        _ => Err(Fault::new(pointer, "wrong-type", "The type is a text.")),
    }
}

/// The name that rules and journeys know the event by: needed for `track`, optional for `page` and `screen`.
fn event_name<'a>(kind: EventKind, item: &'a Item<'_>, pointer: &str) -> Result<&'a str, Fault> {
    let (name, value) = match kind {
        EventKind::Track => ("event", &item.event),
        EventKind::Page | EventKind::Screen => ("name", &item.name),
        _ => return Ok(""),
    };
    let pointer = format!("{pointer}/{name}");
    let found = text_field(value, &pointer, NAME_BYTES)?;
    if kind == EventKind::Track && found.is_none() {
        return Err(Fault::new(pointer, "missing-event", "The event's name is needed."));
    }
    Ok(found.unwrap_or_default())
}

/// An id: a text or a number; an empty text is none.
fn id<'a>(value: &'a Scalar<'_>, pointer: &str) -> Result<Option<&'a str>, Fault> {
    match value {
        Scalar::Number(number) => Ok(Some(number)),
        Scalar::Absent | Scalar::Null | Scalar::Text(_) => text_field(value, pointer, ID_BYTES),
        _ => Err(Fault::new(pointer, "wrong-type", "An id is a text or a number.")),
    }
}

fn text_field<'a>(value: &'a Scalar<'_>, pointer: &str, most: usize) -> Result<Option<&'a str>, Fault> {
    match value {
        Scalar::Absent | Scalar::Null => Ok(None),
        Scalar::Text(text) if text.len() > most => {
            Err(Fault::new(pointer, "too-long", format!("At most {most} bytes are accepted.")))
        }
        Scalar::Text(text) if text.is_empty() => Ok(None),
        Scalar::Text(text) => Ok(Some(text)),
        _ => Err(Fault::new(pointer, "wrong-type", "This is to be a text.")),
    }
}

fn instant(value: &Scalar<'_>, pointer: &str) -> Result<Option<Timestamp>, Fault> {
    match value {
        Scalar::Absent | Scalar::Null => Ok(None),
        Scalar::Text(text) => instant_text(text, pointer).map(Some),
        _ => Err(Fault::new(pointer, "wrong-type", "A time is a text, as RFC 3339 writes it.")),
    }
}

pub(super) fn instant_text(text: &str, pointer: &str) -> Result<Timestamp, Fault> {
    let wrong = || Fault::new(pointer, "invalid-timestamp", "A time is written as in 2026-01-31T12:00:00Z.");
    text.parse().map_err(|_| wrong())
}

/// Why a text that is JSON by its syntax is still not readable. Off the hot path.
fn unsound(raw: &str, pointer: &str, error: &serde_json::Error) -> Fault {
    match serde_json::from_str::<Value>(raw) {
        Ok(value) => {
            text::find_nul(&value, pointer).unwrap_or_else(|| Fault::new(pointer, "invalid-event", format!("{error}.")))
        }
        Err(error) => Fault::new(pointer, "invalid-json", format!("{error}.")),
    }
}

/// The body without its credential, which must not be stored.
fn without_write_key(raw: &str) -> String {
    match serde_json::from_str::<Value>(raw) {
        Ok(Value::Object(mut fields)) => {
            fields.shift_remove("writeKey");
            Value::Object(fields).to_string()
        }
        _ => "{}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn delivery() -> Delivery {
        Delivery {
            tenant: TenantId(1),
            received_at: "2026-01-31T12:00:00Z".parse().unwrap(),
            sent_at: None,
            historical: false,
            authority: Authority::Browser,
            event_bytes: 32 * 1024,
        }
    }

    fn read(raw: &str) -> Result<NewEvent, Fault> {
        delivery().read(raw, None, "/batch/3", || "fresh".to_owned())
    }

    #[test]
    fn an_event_keeps_its_text_and_its_part() {
        let raw = r#" {"type":"track","event":"Order \"1\"","userId":42,"properties":{"total":29.330}} "#;
        let event = read(raw).unwrap();
        assert_eq!(event.body, raw.trim());
        assert_eq!(event.name, "Order \"1\"");
        assert_eq!(event.message_id, "fresh");
        assert_eq!(event.part, Some(Identity::new("user_id", "42").part(TenantId(1))));
        assert_eq!(event.occurred_at, delivery().received_at);
    }

    #[test]
    fn each_fault_has_its_code_and_pointer() {
        let long = "x".repeat(256);
        let big = json!({"type": "track", "event": "a", "userId": "1", "properties": {"p": "x".repeat(40_000)}});
        let deep = format!(r#"{{"type":"track","event":"a","userId":"1","p":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        let cases: Vec<(String, &str, &str)> = vec![
            ("7".into(), "not-an-object", ""),
            ("[1]".into(), "not-an-object", ""),
            ("{}".into(), "missing-type", "/type"),
            (json!({"type": 7}).to_string(), "wrong-type", "/type"),
            (json!({"type": "purchase", "userId": "1"}).to_string(), "unknown-type", "/type"),
            (json!({"type": "track", "userId": "1"}).to_string(), "missing-event", "/event"),
            (json!({"type": "track", "userId": "1", "event": ""}).to_string(), "missing-event", "/event"),
            (json!({"type": "track", "userId": "1", "event": {}}).to_string(), "wrong-type", "/event"),
            (json!({"type": "track", "event": "a"}).to_string(), "missing-identity", "/userId"),
            (json!({"type": "track", "event": "a", "userId": ""}).to_string(), "missing-identity", "/userId"),
            (json!({"type": "track", "event": "a", "userId": true}).to_string(), "wrong-type", "/userId"),
            (json!({"type": "page", "userId": long}).to_string(), "too-long", "/userId"),
            (json!({"type": "page", "anonymousId": long}).to_string(), "too-long", "/anonymousId"),
            (json!({"type": "page", "userId": "1", "messageId": long}).to_string(), "too-long", "/messageId"),
            (json!({"type": "page", "userId": "1", "messageId": "openhub:x"}).to_string(), "reserved-id", "/messageId"),
            (json!({"type": "alias", "userId": "1", "previousId": long}).to_string(), "too-long", "/previousId"),
            (json!({"type": "identify", "userId": "1", "traits": []}).to_string(), "wrong-type", "/traits"),
            (json!({"type": "page", "userId": "1", "properties": "x"}).to_string(), "wrong-type", "/properties"),
            (
                json!({"type": "page", "userId": "1", "timestamp": "soon"}).to_string(),
                "invalid-timestamp",
                "/timestamp",
            ),
            (json!({"type": "page", "userId": "1", "timestamp": 1}).to_string(), "wrong-type", "/timestamp"),
            (json!({"type": "page", "userId": "1", "sentAt": "x"}).to_string(), "invalid-timestamp", "/sentAt"),
            (
                json!({"type": "page", "userId": "1", "properties": {"a": ["\0"]}}).to_string(),
                "null-character",
                "/properties/a/0",
            ),
            (json!({"type": "page", "userId": "\0"}).to_string(), "null-character", "/userId"),
            (r#"{"type":"page","userId":"1","userId":"2"}"#.into(), "repeated-field", "/userId"),
            (r#"{"type":"page","userId":"1","x":"\ud800"}"#.into(), "invalid-json", ""),
            (r#"{"type":"page","userId":"1","x":1e999}"#.into(), "invalid-json", ""),
            (deep, "invalid-json", ""),
            (big.to_string(), "event-too-large", ""),
        ];
        for (raw, code, below) in cases {
            let fault = read(&raw).expect_err(&raw);
            assert_eq!((fault.code.as_str(), fault.pointer), (code, format!("/batch/3{below}")), "{raw}");
        }
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_text() {
        assert!(read(r#"{"type":"page","userId":"a\\u0000"}"#).is_ok());
    }

    #[test]
    fn a_write_key_in_the_body_is_not_stored() {
        let event = read(r#"{"type":"page","userId":"1","writeKey":"oh_live_x_y","name":"Home"}"#).unwrap();
        assert_eq!(event.body, r#"{"type":"page","userId":"1","name":"Home"}"#);
    }

    proptest! {
        /// What passes the door can be read behind it, and belongs to whom the door said.
        #[test]
        fn what_is_accepted_is_readable(raw in r#"\{"type":"(page|identify)","userId":("[a-c\\u0"{}]{0,8}"|[0-9.e+-]{1,5}|null|\[\])(,"(traits|x)":[\[{"}\]0a:,]{0,6})?\}"#) {
            if let Ok(event) = read(&raw) {
                let value: Value = serde_json::from_str(&event.body).unwrap();
                let user = match &value["userId"] {
                    Value::String(text) => text.clone(),
                    number => number.to_string(),
                };
                prop_assert_eq!(event.part, Some(Identity::new("user_id", user).part(TenantId(1))));
            }
        }
    }
}
