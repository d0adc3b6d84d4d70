//! An event that a plugin says happened by itself, held to the plugin's declaration.

use openhub_model::manifest::EventShape;
use openhub_model::{Fault, Identity, Timestamp, limits};
use serde_json::Value;

use crate::bindings::types::types::NewEvent;
use crate::objects;
use crate::receive::SourceEvent;

/// Why an event cannot be used.
pub(crate) enum Wrong {
    /// The plugin does not declare it.
    Undeclared(String),
    /// Its properties are no JSON object.
    NoObject(String),
    /// What it says cannot be stored: with a pointer into the event.
    Unfit(Fault),
}

/// Checks all but the length of an id that is empty.
pub(crate) fn event(declared: &[EventShape], event: NewEvent) -> Result<SourceEvent, Wrong> {
    let unfit = |pointer: &str, code: &str, message: String| Wrong::Unfit(Fault::new(pointer, code, message));
    let NewEvent { id, name, occurred_at, identities, properties } = event;
    let Some(declared) = declared.iter().find(|declared| declared.name == name) else {
        return Err(Wrong::Undeclared(name));
    };
    if id.len() > limits::NAME || id.contains('\0') {
        return Err(unfit("/id", "invalid-id", invalid_id()));
    }
    let Ok(Value::Object(properties)) = serde_json::from_str::<Value>(&properties) else {
        return Err(Wrong::NoObject(name));
    };
    let mut faults: Vec<Fault> = limits::value(&Value::Object(properties.clone()), "").into_iter().collect();
    objects::check_fields(&declared.fields, &properties, &mut faults);
    if let Some(Fault { pointer, code, message }) = faults.into_iter().next() {
        return Err(unfit(&format!("/properties{pointer}"), &code, message));
    }
    let occurred_at = time(occurred_at).map_err(|message| unfit("/occurred_at", "invalid-timestamp", message))?;
    let identities: Vec<Identity> =
        identities.into_iter().map(|identity| Identity::new(identity.kind, identity.value)).collect();
    let is_good = |identity: &Identity| !identity.value.is_empty() && limits::is_identity(identity);
    if identities.is_empty() || !identities.iter().all(is_good) {
        let message = "An event needs an identity, and each must have a kind and a value within the limits.";
        return Err(unfit("/identities", "invalid-identity", message.to_owned()));
    }
    Ok(SourceEvent { id, name, occurred_at, identities, properties })
}

/// What is said of an id that is too long, or empty where one is needed.
pub(crate) fn invalid_id() -> String {
    format!("An event's id must have 1 to {} bytes, without U+0000.", limits::NAME)
}

/// A time that can be written and read again.
pub(crate) fn time(micros: Option<i64>) -> Result<Option<Timestamp>, String> {
    let at = micros.map(Timestamp::from_micros);
    match at.is_none_or(Timestamp::is_writable) {
        true => Ok(at),
        false => Err("The time must be in the years 1 to 9999.".to_owned()),
    }
}
