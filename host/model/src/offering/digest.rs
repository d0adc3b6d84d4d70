//! The digest of a document: the same whatever the order of its members was when it was sent.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// SHA-256 of the JSON text without spaces whose members are sorted by name: `sha256:` and 64 hex digits.
pub fn digest(document: &impl Serialize) -> String {
    let sorted = sorted(serde_json::to_value(document).unwrap_or_default());
    let digits: String = Sha256::digest(sorted.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>())
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_members_does_not_matter_and_that_of_items_does() {
        let one = json!({"a": 1, "b": {"x": [1, 2], "y": null}});
        let other = json!({"b": {"y": null, "x": [1, 2]}, "a": 1});
        assert_eq!(digest(&one), digest(&other));
        assert_ne!(digest(&one), digest(&json!({"a": 1, "b": {"x": [2, 1], "y": null}})));
    }
}
