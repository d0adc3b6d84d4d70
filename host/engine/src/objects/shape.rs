//! What every writer of objects shares: the shape that a plugin declares, whose an object is, and its unique values.

use openhub_model::fault::there_are;
use openhub_model::manifest::{Field, ObjectShape, Type};
use openhub_model::object::Object;
use openhub_model::{Fault, PartId, Timestamp, limits};
use serde_json::{Map, Value};

/// `null` in the patch removes a field.
pub fn merge(fields: &Value, patch: &Value) -> Value {
    let mut merged: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
    for (name, value) in patch.as_object().into_iter().flatten() {
        if value.is_null() {
            merged.remove(name);
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    Value::Object(merged)
}

/// The part whose the object is, whoever writes it: by its owner field; of a type without one, the part that it was made
/// for stays, whoever changes it later.
pub fn belongs_to(
    shape: &ObjectShape,
    fields: &Value,
    stored: Option<&Object>,
    maker: Option<PartId>,
) -> Option<PartId> {
    match (&shape.owner, stored) {
        (Some(_), _) => owner(shape, fields),
        (None, Some(stored)) => stored.part,
        (None, None) => maker,
    }
}

/// The part that an owner field names.
pub fn owner(shape: &ObjectShape, fields: &Value) -> Option<PartId> {
    fields[shape.owner.as_ref()?].as_str()?.parse().ok()
}

/// Unique fields that have a value, as texts.
pub fn uniques(shape: &ObjectShape, fields: &Value) -> Vec<(String, String)> {
    let unique = shape.fields.iter().filter(|field| field.unique);
    let values = unique.filter_map(|field| match &fields[&field.name] {
        Value::Null => None,
        Value::String(text) => Some((field.name.clone(), text.clone())),
        other => Some((field.name.clone(), other.to_string())),
    });
    values.collect()
}

/// What a plugin accepted must have the declared shape: the plugin's own code is not trusted with it.
pub fn conform(shape: &ObjectShape, fields: &Value) -> Vec<Fault> {
    let Some(map) = fields.as_object() else {
        return vec![Fault::new("", "not-an-object", "The fields must be a JSON object.")];
    };
    if let Some(fault) = limits::value(fields, "") {
        return vec![fault];
    }
    let mut faults: Vec<Fault> =
        shape.fields.iter().filter_map(|field| fault_of(field, map.get(&field.name))).collect();
    faults.extend(unknown_fields(shape, map));
    faults
}

/// A fault at each member that is no field of the type. What a caller asks for is held to this before the plugin sees it: what
/// the plugin does not know, it would drop without a word. A `null` takes a field away, and may name one that is gone.
pub fn unknown_fields(shape: &ObjectShape, fields: &Map<String, Value>) -> Vec<Fault> {
    let is_unknown = |name: &String| shape.fields.iter().all(|field| field.name != *name);
    let unknown = fields.iter().filter(|(name, value)| !value.is_null() && is_unknown(name));
    let fault = |(name, _): (&String, &Value)| {
        let known = there_are(shape.fields.iter().map(|field| &field.name));
        let message = format!("The object type `{}` has no field `{name}`. {known}", shape.name);
        Fault::new(format!("/{}", pointer(name)), "unknown-field", message)
    };
    unknown.map(fault).collect()
}

fn fault_of(field: &Field, value: Option<&Value>) -> Option<Fault> {
    let at = || format!("/{}", pointer(&field.name));
    match value.filter(|value| !value.is_null()) {
        None if field.required => Some(Fault::new(at(), "required", format!("`{}` is required: set it.", field.name))),
        None => None,
        Some(value) if has_type(&field.of, value) => {
            let text = value.as_str().filter(|_| field.unique)?;
            limits::length(text, limits::UNIQUE, at).err()
        }
        Some(_) => Some(Fault::new(at(), "wrong-type", format!("`{}` must be {}.", field.name, field.of.in_words()))),
    }
}

fn has_type(of: &Type, value: &Value) -> bool {
    match of {
        Type::Boolean => value.is_boolean(),
        Type::Integer => value.is_i64(),
        Type::Number => value.is_number(),
        Type::Text => value.is_string(),
        Type::Timestamp => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        Type::Decimal(scale) => openhub_model::decimal::from_json(value, *scale).is_some(),
        Type::Enum(values) => value.as_str().is_some_and(|text| values.iter().any(|known| known == text)),
        Type::Customer => value.as_str().is_some_and(|text| text.parse::<PartId>().is_ok()),
    }
}

/// A name as a token of a JSON pointer (RFC 6901).
pub(super) fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Id;
    use serde_json::json;

    fn shape() -> ObjectShape {
        let field =
            |name: &str, of: Type, required: bool, unique: bool| Field { name: name.into(), of, required, unique };
        ObjectShape {
            name: "coupon".into(),
            version: 1,
            fields: vec![
                field("code", Type::Text, true, true),
                field("percent", Type::Integer, true, false),
                field("owner", Type::Customer, false, false),
            ],
            owner: Some("owner".into()),
        }
    }

    #[test]
    fn each_fault_has_its_pointer() {
        assert_eq!(conform(&shape(), &json!({ "code": "A", "percent": 10 })), []);
        let faults = conform(&shape(), &json!({ "code": 1, "other/field": true, "owner": "nobody" }));
        let found: Vec<(&str, &str)> = faults.iter().map(|f| (f.pointer.as_str(), f.code.as_str())).collect();
        let expected = [
            ("/code", "wrong-type"),
            ("/percent", "required"),
            ("/owner", "wrong-type"),
            ("/other~1field", "unknown-field"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_field_is_told() {
        let asked = json!({ "code": "A", "staus": "x", "gone": null });
        let faults = unknown_fields(&shape(), asked.as_object().unwrap());
        let found: Vec<(&str, &str)> = faults.iter().map(|f| (f.pointer.as_str(), f.code.as_str())).collect();
        assert_eq!(found, [("/staus", "unknown-field")]);
    }

    #[test]
    fn a1_a_unique_value_is_as_long_as_an_index_takes() {
        let of = |length: usize| conform(&shape(), &json!({ "code": "x".repeat(length), "percent": 1 }));
        assert_eq!(of(limits::UNIQUE), []);
        let faults = of(limits::UNIQUE + 1);
        assert_eq!((faults[0].pointer.as_str(), faults[0].code.as_str()), ("/code", limits::TOO_LONG));
    }

    #[test]
    fn merge_removes_nulls() {
        let merged = merge(&json!({ "a": 1, "b": 2 }), &json!({ "b": null, "c": 3 }));
        assert_eq!(merged, json!({ "a": 1, "c": 3 }));
    }

    #[test]
    fn b6_an_object_without_an_owner_field_stays_with_whom_it_was_made_for() {
        let (mine, theirs) = (Id::named(&[b"mine"]), Id::named(&[b"theirs"]));
        let unowned = ObjectShape { owner: None, ..shape() };
        let fields = json!({ "owner": theirs.to_string() });
        assert_eq!(belongs_to(&unowned, &fields, None, Some(mine)), Some(mine));
        let stored = Object {
            kind: "coupon".into(),
            key: "A".into(),
            part: Some(mine),
            version: 1,
            fields: json!({}),
            created_at: Timestamp::MIN,
            updated_at: Timestamp::MIN,
            cause: String::new(),
        };
        assert_eq!(belongs_to(&unowned, &fields, Some(&stored), Some(theirs)), Some(mine));
        assert_eq!(belongs_to(&unowned, &fields, Some(&stored), None), Some(mine));
        let nobodys = Object { part: None, ..stored.clone() };
        assert_eq!(belongs_to(&unowned, &fields, Some(&nobodys), Some(theirs)), None);
        assert_eq!(belongs_to(&shape(), &fields, Some(&stored), Some(mine)), Some(theirs), "its field says so");
    }

    #[test]
    fn unique_values_are_texts() {
        assert_eq!(uniques(&shape(), &json!({ "code": "A", "percent": 10 })), [("code".into(), "A".into())]);
        assert_eq!(uniques(&shape(), &json!({})), []);
    }
}
