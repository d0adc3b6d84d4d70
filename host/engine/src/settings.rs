//! A plugin's settings: what is named changes, everything else stays.

use serde_json::{Map, Value};

/// A JSON merge patch (RFC 7396): `null` takes away, an object is merged member by member, anything else replaces.
pub fn merge(settings: &Value, set: &Value) -> Value {
    let Some(set) = set.as_object() else { return set.clone() };
    let mut merged: Map<String, Value> = settings.as_object().cloned().unwrap_or_default();
    for (name, value) in set {
        match value {
            Value::Null => {
                merged.remove(name);
            }
            Value::Object(_) => {
                let before = merged.get(name).unwrap_or(&Value::Null);
                let member = merge(before, value);
                merged.insert(name.clone(), member);
            }
            value => {
                merged.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn e4_what_is_not_named_stays() {
        let settings = json!({"url": "a", "spending": {"large": 5, "small": 1}});
        assert_eq!(merge(&settings, &json!({})), settings);
        let one = merge(&settings, &json!({"spending": {"large": 7}}));
        assert_eq!(one, json!({"url": "a", "spending": {"large": 7, "small": 1}}));
        assert_eq!(
            merge(&settings, &json!({"url": null, "spending": {"small": null}})),
            json!({"spending": {"large": 5}})
        );
        assert_eq!(merge(&Value::Null, &json!({"url": "b"})), json!({"url": "b"}));
    }
}
