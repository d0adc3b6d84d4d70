//! Whose a row is: its identities on their way into it.

use openhub_model::identity::number;
use serde_json::{Map, Value, json};

/// By which a customer is known who has no id; what comes first counts.
pub const ADDRESSES: [&str; 2] = ["email", "phone"];

/// An event's word that its customer has this address.
pub fn name_besides(row: &mut Map<String, Value>, kind: &str, value: Value) {
    let identities = row.entry("identities").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(identities) = identities.as_array_mut() {
        identities.push(json!({"kind": kind, "value": value}));
    }
}

/// Who has no id is known by an address.
pub fn known_by_address(row: &mut Map<String, Value>) {
    if ["userId", "anonymousId", "identity"].iter().any(|name| row.contains_key(*name)) {
        return;
    }
    let besides = |kind: &str| {
        let identities = row.get("identities")?.as_array()?;
        identities.iter().find(|identity| identity["kind"] == kind).map(|identity| &identity["value"])
    };
    let of = |kind: &'static str| {
        // The traits of a group are the group's.
        let traits = row.get("traits").filter(|_| row.get("type").is_none_or(|kind| kind != "group"));
        let value = traits.and_then(|traits| traits.get(kind)).or_else(|| besides(kind))?;
        let text = match value {
            Value::String(text) if !text.trim().is_empty() => text.clone(),
            Value::Number(found) => number(found),
            _ => return None,
        };
        Some(json!({"kind": kind, "value": text}))
    };
    if let Some(identity) = ADDRESSES.into_iter().find_map(of) {
        row.insert("identity".to_owned(), identity);
    }
}

/// A trait says it if it can; another form of it stands beside.
pub fn identify(row: &mut Map<String, Value>, kind: &str, value: Value) {
    let traits = row.entry("traits").or_insert_with(|| Value::Object(Map::new()));
    match traits.get(kind) {
        None => {
            if let Some(traits) = traits.as_object_mut() {
                traits.insert(kind.to_owned(), value);
            }
        }
        Some(there) if *there == value => {}
        Some(_) => {
            let identities = row.entry("identities").or_insert_with(|| Value::Array(Vec::new()));
            if let Some(identities) = identities.as_array_mut() {
                identities.push(json!({"kind": kind, "value": value}));
            }
        }
    }
}
