//! How objects of one version of a type become objects of the next, where they would not fit it as they are.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::Declaration;
use crate::fault::there_are;
use crate::limits::step;
use crate::manifest::{Field, Type};
use crate::{Fault, decimal};

/// By field, of this version or of the one before. Empty: objects are to fit as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Migration(pub BTreeMap<String, FieldMigration>);

/// What becomes of a field's values, in this order: taken `from` another field, mapped, converted, and a default where there is
/// none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMigration {
    /// The field is gone, with its values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
    /// The field of the version before that had the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// By the text of the value before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub map: BTreeMap<String, Value>,
    /// Whether values become of the new type where that can be done without a loss: `"12"` and `12`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub convert: bool,
    /// For objects without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

impl Migration {
    /// All that is wrong with it between these versions, with pointers below `pointer`.
    pub fn faults(&self, before: &Declaration, after: &Declaration, pointer: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, how) in &self.0 {
            let at = step(pointer, name);
            let mut fault = |member: &str, code: &str, message: String| {
                faults.push(Fault::new(format!("{at}/{member}"), code, message));
            };
            match (after.field(name), before.field(name)) {
                (None, None) => {
                    let mut known: Vec<&String> = after.fields.iter().map(|field| &field.name).collect();
                    let gone = before.fields.iter().map(|field| &field.name);
                    known.extend(gone.filter(|name| after.field(name).is_none()));
                    let known = there_are(known);
                    faults.push(Fault::new(at, "unknown-field", format!("There is no field `{name}`. {known}")));
                }
                (None, Some(_))
                    if !how.drop || *how != (FieldMigration { drop: true, ..FieldMigration::default() }) =>
                {
                    let message = format!("`{name}` is gone: only `drop` can be said of it.");
                    faults.push(Fault::new(at, "unexpected-value", message));
                }
                (None, Some(_)) => {}
                (Some(_), _) if how.drop => {
                    fault(
                        "drop",
                        "unexpected-value",
                        format!("`{name}` is there in the new version: it cannot be dropped."),
                    );
                }
                (Some(field), _) => {
                    let names_others = matches!(field.of, Type::Customer | Type::Object(_));
                    if names_others && (how.convert || !how.map.is_empty() || how.default.is_some()) {
                        let message =
                            format!("`{name}` names customers or objects: its values can only come `from` a field.");
                        faults.push(Fault::new(at.clone(), "unexpected-value", message));
                    }
                    if let Some(default) = &how.default {
                        faults.extend(field.faults(default, &format!("{at}/default")));
                    }
                    if let Some(from) = how.from.as_ref().filter(|from| before.field(from).is_none()) {
                        let known = there_are(before.fields.iter().map(|field| &field.name));
                        let message = format!("The version before has no field `{from}`. {known}");
                        faults.push(Fault::new(format!("{at}/from"), "unknown-field", message));
                    }
                }
            }
        }
        for (index, field) in after.fields.iter().enumerate() {
            let was = |from: &str| before.field(from).is_none_or(|old| old.of != field.of);
            let from = self.0.get(&field.name).and_then(|how| how.from.as_deref()).unwrap_or(&field.name);
            if matches!(field.of, Type::Customer | Type::Object(_)) && before.field(from).is_some() && was(from) {
                let message = format!("Values cannot become {}.", field.of.in_words());
                faults.push(Fault::new(format!("/fields/{index}/type"), "narrows", message));
            }
        }
        faults
    }

    /// An object's fields as they are under the version `after`; what does not fit it stays as it is.
    pub fn apply(&self, after: &Declaration, fields: &Value) -> Value {
        let old = fields.as_object().cloned().unwrap_or_default();
        let mut new = Map::new();
        for (name, value) in &old {
            let is_taken = after.field(name).is_none()
                && (self.0.get(name).is_some_and(|how| how.drop)
                    || self.0.values().any(|how| how.from.as_ref() == Some(name)));
            if after.field(name).is_none() && !is_taken {
                new.insert(name.clone(), value.clone());
            }
        }
        let nothing = FieldMigration::default();
        for field in &after.fields {
            let how = self.0.get(&field.name).unwrap_or(&nothing);
            let from = how.from.as_ref().unwrap_or(&field.name);
            let value = old.get(from).filter(|value| !value.is_null()).map(|value| how.value(field, value));
            let default = how.default.as_ref().or(field.default.as_ref().filter(|_| field.required));
            if let Some(value) = value.filter(|value| !value.is_null()).or(default.cloned()) {
                new.insert(field.name.clone(), value);
            }
        }
        Value::Object(new)
    }
}

impl FieldMigration {
    fn value(&self, field: &Field, value: &Value) -> Value {
        let each = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mapped = self.map.get(&text).unwrap_or(value);
            let converted = if self.convert { converted(&field.of, mapped) } else { None };
            converted.unwrap_or_else(|| mapped.clone())
        };
        match value {
            Value::Array(items) if field.list => Value::Array(items.iter().map(each).collect()),
            Value::Array(items) if self.convert => match items.as_slice() {
                [] => Value::Null,
                [only] => each(only),
                _ => value.clone(),
            },
            value if field.list && self.convert => Value::Array(vec![each(value)]),
            value => each(value),
        }
    }
}

/// A value as one of a type, if nothing is lost.
fn converted(of: &Type, value: &Value) -> Option<Value> {
    if of.holds(value) {
        return None;
    }
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return None,
    };
    match of {
        Type::Text => Some(text.into()),
        Type::Integer => {
            let whole = text.split_once('.').map_or(text.as_str(), |(whole, rest)| match rest.trim_matches('0') {
                "" => whole,
                _ => &text,
            });
            whole.parse::<i64>().ok().map(Value::from)
        }
        Type::Number => serde_json::from_str::<serde_json::Number>(&text).ok().map(Value::Number),
        Type::Decimal(scale) => decimal::parse(&text, *scale).map(|units| decimal::format(units, *scale).into()),
        Type::Boolean => text.parse::<bool>().ok().map(Value::Bool),
        Type::Timestamp | Type::Enum(_) | Type::Customer | Type::Object(_) => {
            let text = Value::from(text);
            of.holds(&text).then_some(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(fields: Value) -> Declaration {
        serde_json::from_value(json!({ "fields": fields })).expect("a declaration")
    }

    fn migration(value: Value) -> Migration {
        serde_json::from_value(value).expect("a migration")
    }

    #[test]
    fn values_are_taken_mapped_converted_and_filled_in() {
        let after = declared(json!([
            {"name": "status", "type": {"enum": ["open", "shut"]}},
            {"name": "size", "type": "integer"},
            {"name": "label", "type": "text"},
            {"name": "floor", "type": "integer", "required": true},
            {"name": "tags", "type": "text", "list": true},
            {"name": "price", "type": {"decimal": 2}},
        ]));
        let how = migration(json!({
            "status": {"map": {"closed": "shut"}}, "size": {"convert": true}, "label": {"from": "title", "convert": true},
            "floor": {"default": 0}, "tags": {"from": "tag", "convert": true}, "price": {"convert": true}, "old": {"drop": true},
        }));
        let before = json!({"status": "closed", "size": "12", "title": 7, "tag": "a", "price": 9.5, "old": true});
        let expected = json!({"status": "shut", "size": 12, "label": "7", "floor": 0, "tags": ["a"], "price": 9.5});
        assert_eq!(how.apply(&after, &before), expected);
        // What cannot be done stays, and is told by the check of the new version.
        let kept = how.apply(&after, &json!({"size": "twelve", "stray": 1}));
        assert_eq!(kept, json!({"size": "twelve", "stray": 1, "floor": 0}));
        assert_eq!(converted(&Type::Integer, &json!("12.0")), Some(json!(12)));
        assert_eq!(converted(&Type::Integer, &json!(12.5)), None);
        assert_eq!(converted(&Type::Number, &json!("1e3")), Some(json!(1e3)));
        assert_eq!(converted(&Type::Boolean, &json!("true")), Some(json!(true)));
    }

    #[test]
    fn what_it_cannot_mean_is_told() {
        let before = declared(json!([
            {"name": "gone", "type": "text"}, {"name": "a", "type": "text"}, {"name": "to", "type": "text"},
        ]));
        let after = declared(json!([
            {"name": "a", "type": "integer", "max": 5}, {"name": "to", "type": {"object": "city"}}, {"name": "new", "type": "text"},
        ]));
        let how = migration(json!({
            "none": {"drop": true}, "gone": {"convert": true}, "a": {"drop": true}, "new": {"from": "nowhere", "default": 7},
            "to": {"convert": true},
        }));
        let faults = how.faults(&before, &after, "/migrate");
        let found: Vec<(&str, &str)> =
            faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect();
        let expected = [
            ("/migrate/a/drop", "unexpected-value"),
            ("/migrate/gone", "unexpected-value"),
            ("/migrate/new/default", "wrong-type"),
            ("/migrate/new/from", "unknown-field"),
            ("/migrate/none", "unknown-field"),
            ("/migrate/to", "unexpected-value"),
            ("/fields/1/type", "narrows"),
        ];
        assert_eq!(found, expected);
        let none = faults.iter().find(|fault| fault.pointer == "/migrate/none").expect("it is told");
        assert_eq!(none.message, "There is no field `none`. There are: a, to, new, gone.");
    }
}
