//! Where parameters stand in an item, and the item with a subscription's values in their places.

use serde_json::{Map, Value};

use crate::limits::step;

/// The member that stands for a value.
const PARAMETER: &str = "$parameter";

/// The name in `{"$parameter": "days"}`; none of any other value.
fn named(value: &Value) -> Option<&Value> {
    value.as_object().filter(|members| members.len() == 1)?.get(PARAMETER)
}

/// Each place where a parameter stands, with its name; the name is none where it is no text.
pub fn parameters_in<'v>(value: &'v Value, pointer: &str) -> Vec<(String, Option<&'v str>)> {
    if let Some(name) = named(value) {
        return vec![(pointer.to_owned(), name.as_str())];
    }
    match value {
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, item)| parameters_in(item, &format!("{pointer}/{index}"))).collect()
        }
        Value::Object(members) => {
            members.iter().flat_map(|(name, member)| parameters_in(member, &step(pointer, name))).collect()
        }
        _ => Vec::new(),
    }
}

/// The value with those of `values` in the places of the parameters. What has none stays `null`.
pub fn substituted(value: &Value, values: &Map<String, Value>) -> Value {
    if let Some(name) = named(value) {
        return name.as_str().and_then(|name| values.get(name)).cloned().unwrap_or_default();
    }
    match value {
        Value::Array(items) => items.iter().map(|item| substituted(item, values)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), substituted(member, values))).collect()
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_stands_for_a_whole_value() {
        let item =
            json!({"wait": {"$parameter": "days"}, "list": ["a", {"$parameter": "last"}], "x": {"$parameter": 1}});
        let found = parameters_in(&item, "/items/0");
        assert_eq!(
            found,
            [
                ("/items/0/wait".to_owned(), Some("days")),
                ("/items/0/list/1".to_owned(), Some("last")),
                ("/items/0/x".to_owned(), None)
            ]
        );
        let values = json!({"days": "3d", "last": {"b": 2}});
        let put = substituted(&item, values.as_object().unwrap());
        assert_eq!(put, json!({"wait": "3d", "list": ["a", {"b": 2}], "x": null}));
        let beside = json!({"$parameter": "days", "more": 1});
        assert_eq!(substituted(&beside, values.as_object().unwrap()), beside, "it is a member like others");
    }
}
