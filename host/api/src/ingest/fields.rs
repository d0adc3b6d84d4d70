//! What the fields of an event have to be: each answers what it reads, or the fault with its code and pointer.

use openhub_model::customer::consent_faults;
use openhub_model::fault::{nearest, syntax, there_are};
use openhub_model::{EventKind, Fault, Identity, Timestamp, limits, once};
use serde_json::Value;

use super::item::{Item, Scalar};
use super::misspelt::hint;
use super::split::no_number;
use super::time::read_time;

/// An empty list is an empty map, as PHP writes it.
pub(super) fn map<'a>(value: &'a Value, pointer: &str) -> Result<Option<&'a serde_json::Map<String, Value>>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::Array(items) if items.is_empty() => Ok(None),
        Value::Object(members) => Ok(Some(members)),
        _ => Err(Fault::new(pointer, "wrong-type", "This must be a JSON object.")),
    }
}

/// Only an `identify` sets tags; of other calls they are looked at no further.
pub(super) fn tags(kind: Option<EventKind>, tags: &Value, pointer: &str, faults: &mut Vec<Fault>) {
    let tags = map(tags, pointer).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    for (name, present) in tags.filter(|_| kind == Some(EventKind::Identify)).into_iter().flatten() {
        if let Err(fault) = limits::name(name, || limits::step(pointer, name)) {
            faults.push(fault);
        } else if !present.is_boolean() && !present.is_null() {
            let message = "A tag must be true (set it) or false (remove it).";
            faults.push(Fault::new(limits::step(pointer, name), "wrong-type", message));
        }
    }
}

/// Whatever call they come by: who withdraws something is not to be misheard.
pub(super) fn consents(consents: &Value, pointer: &str, faults: &mut Vec<Fault>) {
    match map(consents, pointer) {
        Ok(None) => {}
        Ok(Some(consents)) => faults.extend(consent_faults(consents, pointer)),
        Err(fault) => faults.push(fault),
    }
}

/// Each item is a kind and a value, and what cannot be read is refused: behind the door it would be nobody's, and no
/// suppression would find it.
pub(super) fn identities(identities: &Value, pointer: &str, faults: &mut Vec<Fault>) {
    let items = match identities {
        Value::Null => return,
        Value::Object(members) if members.is_empty() => return,
        Value::Array(items) => items,
        _ => return faults.push(Fault::new(pointer, "wrong-type", "This must be an array of identities.")),
    };
    if items.len() > limits::IDENTITIES {
        let message = format!("There are too many identities: at most {}.", limits::IDENTITIES);
        return faults.push(Fault::new(pointer, "too-many", message));
    }
    for (index, item) in items.iter().enumerate() {
        let at = format!("{pointer}/{index}");
        match Identity::read(item) {
            Some(identity) => faults.extend(limits::identity(&identity, &at).err()),
            None => {
                let message = "An identity must be `{\"kind\": …, \"value\": …}`, both strings.";
                faults.push(Fault::new(at, "invalid-identity", message));
            }
        }
    }
}

const TYPES: [(&str, EventKind); 6] = [
    ("identify", EventKind::Identify),
    ("track", EventKind::Track),
    ("page", EventKind::Page),
    ("screen", EventKind::Screen),
    ("group", EventKind::Group),
    ("alias", EventKind::Alias),
];

fn types() -> String {
    there_are(TYPES.map(|(name, _)| name))
}

pub(super) fn kind_of(item: &Item<'_>, pointer: &str) -> Result<EventKind, Fault> {
    match &item.kind {
        Scalar::Text(text) => match TYPES.iter().find(|(name, _)| name == text) {
            Some((_, kind)) => Ok(*kind),
            None => {
                let meant = nearest(text, TYPES.map(|(name, _)| name));
                let meant = meant.map(|meant| format!(" Did you mean `{meant}`?")).unwrap_or_default();
                Err(Fault::new(pointer, "unknown-type", format!("There is no such event type.{meant} {}", types())))
            }
        },
        Scalar::Absent | Scalar::Null => {
            let hint = hint(item, &["type"]);
            Err(Fault::new(pointer, "missing-type", format!("The event has no type: set `type`. {}{hint}", types())))
        }
        _ => Err(Fault::new(pointer, "wrong-type", format!("The type must be a string. {}", types()))),
    }
}

/// The name that rules and journeys know the event by: needed for `track`, optional for `page` and `screen`.
pub(super) fn event_name<'a>(kind: EventKind, item: &'a Item<'_>, pointer: &str) -> Result<&'a str, Fault> {
    let (name, value) = match kind {
        EventKind::Track => ("event", &item.event),
        EventKind::Page | EventKind::Screen => ("name", &item.name),
        _ => return Ok(""),
    };
    let pointer = format!("{pointer}/{name}");
    let found = text_field(value, &pointer, limits::EVENT_NAME)?;
    if kind == EventKind::Track && found.is_none() {
        let message = format!("The event has no name: set `event`.{}", hint(item, &["event"]));
        return Err(Fault::new(pointer, "missing-event", message));
    }
    Ok(found.unwrap_or_default())
}

/// An id: a text or a number; an empty text is none.
pub(super) fn id<'a>(value: &'a Scalar<'_>, pointer: &str) -> Result<Option<&'a str>, Fault> {
    match value {
        Scalar::Number(number) => Ok(Some(number)),
        Scalar::Absent | Scalar::Null | Scalar::Text(_) => text_field(value, pointer, limits::IDENTITY),
        _ => Err(Fault::new(pointer, "wrong-type", "An id must be a string or a number.")),
    }
}

pub(super) fn text_field<'a>(value: &'a Scalar<'_>, pointer: &str, most: usize) -> Result<Option<&'a str>, Fault> {
    match value {
        Scalar::Absent | Scalar::Null => Ok(None),
        Scalar::Text(text) if text.len() > most => {
            Err(Fault::new(pointer, limits::TOO_LONG, format!("This is too long: at most {most} bytes.")))
        }
        Scalar::Text(text) if text.is_empty() => Ok(None),
        Scalar::Text(text) => Ok(Some(text)),
        _ => Err(Fault::new(pointer, "wrong-type", "This must be a string.")),
    }
}

pub(super) fn instant(value: &Scalar<'_>, pointer: &str) -> Result<Option<Timestamp>, Fault> {
    match value {
        Scalar::Absent | Scalar::Null => Ok(None),
        Scalar::Text(text) if text.trim().is_empty() => Ok(None),
        other => {
            let message =
                "A time must be a string like 2026-01-31T12:00:00Z, or the seconds or milliseconds since 1970.";
            let read = other.text().and_then(read_time);
            read.map(Some).ok_or_else(|| Fault::new(pointer, "invalid-timestamp", message))
        }
    }
}

/// Why a text that is JSON by its syntax is still not readable. Off the hot path.
pub(super) fn unsound(raw: &str, pointer: &str, error: &serde_json::Error) -> Fault {
    match once::from_slice(raw.as_bytes()) {
        Ok((value, repeated)) => limits::value(&value, pointer).unwrap_or_else(|| match repeated {
            Some(at) => {
                let message = "This member is written twice in one object, and only one of them could count.";
                Fault::new(format!("{pointer}{at}"), "repeated-field", message)
            }
            None => Fault::new(pointer, "invalid-event", format!("{error}.")),
        }),
        Err(error) => Fault::new(pointer, "invalid-json", no_json(raw, &error)),
    }
}

/// Why a text is no JSON.
pub(super) fn no_json(text: &str, error: &serde_json::Error) -> String {
    match no_number(text) {
        Some(word) => format!("{error}: JSON has no `{word}`. Send null, or leave the member out."),
        None => syntax(error),
    }
}
