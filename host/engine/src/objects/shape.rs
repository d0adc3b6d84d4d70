//! What every writer of objects shares: the declared shape with its defaults, whose an object is, and its unique values.

use openhub_model::manifest::{Field, ObjectShape, OnDelete, Type};
use openhub_model::object::Object;
use openhub_model::{Fault, PartId, field, limits};
use openhub_store::{Indexed, ObjectKey, Referrer, Relation};
use serde_json::{Map, Value};
use std::collections::HashSet;

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

/// A unique field has the value that another object has.
pub fn taken_value(field: &str) -> Fault {
    let message = format!("Another object already has this `{field}`: choose another value.");
    Fault::new(format!("/{}", pointer(field)), "not-unique", message)
}

/// The fields of an object that is created: what is left out and has a default has it.
pub fn complete(shape: &ObjectShape, fields: &mut Map<String, Value>) {
    make_whole(shape, fields);
    default_of(shape, fields, |_| true);
}

/// The fields of an object that is changed: what is required cannot be taken away where it has a default, and one that was made
/// before the field was declared gets it now.
pub fn complete_required(shape: &ObjectShape, fields: &mut Value) {
    if let Some(fields) = fields.as_object_mut() {
        make_whole(shape, fields);
        default_of(shape, fields, |field| field.required);
    }
}

/// Beyond this a double skips whole numbers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Programs that keep numbers as doubles write `12.0` for 12: in a field of whole numbers it is that.
fn make_whole(shape: &ObjectShape, fields: &mut Map<String, Value>) {
    for field in shape.fields.iter().filter(|field| field.of == Type::Integer) {
        let values = match fields.get_mut(&field.name) {
            Some(Value::Array(several)) => several.as_mut_slice(),
            Some(one) => std::slice::from_mut(one),
            None => continue,
        };
        for value in values.iter_mut().filter(|value| value.is_f64()) {
            if let Some(double) = value.as_f64().filter(|double| double.fract() == 0.0 && double.abs() <= EXACT) {
                *value = Value::from(double as i64);
            }
        }
    }
}

/// Fields as JSON text in the form in which they are kept ([`Type::normal`]).
pub fn normal_form(shape: &ObjectShape, fields: &mut String) {
    if !shape.fields.iter().any(|field| matches!(field.of, Type::Decimal(_))) {
        return;
    }
    let Ok(mut values) = serde_json::from_str::<Map<String, Value>>(fields) else { return };
    if normal_fields(shape, &mut values) {
        *fields = Value::Object(values).to_string();
    }
}

/// The same of the fields themselves. Whether it changed one.
pub fn normal_fields(shape: &ObjectShape, fields: &mut Map<String, Value>) -> bool {
    let mut is_changed = false;
    for field in shape.fields.iter().filter(|field| matches!(field.of, Type::Decimal(_))) {
        let held = match fields.get_mut(&field.name) {
            Some(Value::Array(several)) => several.as_mut_slice(),
            Some(one) => std::slice::from_mut(one),
            None => continue,
        };
        for value in held {
            if let Some(normal) = field.of.normal(value) {
                (*value, is_changed) = (normal, true);
            }
        }
    }
    is_changed
}

fn default_of(shape: &ObjectShape, fields: &mut Map<String, Value>, which: impl Fn(&Field) -> bool) {
    for field in shape.fields.iter().filter(|field| which(field)) {
        if let Some(default) = field.default.as_ref().filter(|_| fields.get(&field.name).is_none_or(Value::is_null)) {
            fields.insert(field.name.clone(), default.clone());
        }
    }
}

/// What of an object is found by its value.
pub fn indexed(shape: &ObjectShape, fields: &Value) -> Indexed {
    let has_relations = shape.fields.iter().any(|field| field.relation().is_some());
    Indexed { uniques: uniques(shape, fields), relations: has_relations.then(|| relations(shape, fields)) }
}

/// What an object leads to.
pub fn relations(shape: &ObjectShape, fields: &Value) -> Vec<Relation> {
    let mut found = Vec::new();
    for (field, kind) in shape.fields.iter().filter_map(|field| Some((field, field.relation()?))) {
        let clears = field.on_delete == OnDelete::Clear;
        let relation = |key: &str| Relation { field: field.name.clone(), to: ObjectKey::new(kind, key), clears };
        match &fields[&field.name] {
            Value::Array(keys) => found.extend(keys.iter().filter_map(Value::as_str).map(relation)),
            value => found.extend(value.as_str().map(relation)),
        }
    }
    found
}

/// The fields of an object that leads to another no more: in one field, or as one of several.
pub fn without(fields: &Value, field: &str, key: &str) -> Value {
    let mut fields = fields.clone();
    match fields.get_mut(field) {
        Some(Value::Array(keys)) => keys.retain(|other| other.as_str() != Some(key)),
        Some(_) => drop(fields.as_object_mut().and_then(|fields| fields.remove(field))),
        None => {}
    }
    fields
}

/// A fault at each relation that leads to an object which is not there.
pub fn lost(shape: &ObjectShape, fields: &Value, is_there: impl Fn(&ObjectKey) -> bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut check = |kind: &str, key: &Value, pointer: String| {
        let Some(key) = key.as_str() else { return };
        if !is_there(&ObjectKey::new(kind, key)) {
            let message = format!("There is no object `{key}` of the type `{kind}`.");
            faults.push(Fault::new(pointer, "unknown-object", message));
        }
    };
    for (field, kind) in shape.fields.iter().filter_map(|field| Some((field, field.relation()?))) {
        let at = format!("/{}", pointer(&field.name));
        match &fields[&field.name] {
            Value::Array(keys) => {
                keys.iter().enumerate().for_each(|(index, key)| check(kind, key, format!("{at}/{index}")));
            }
            key => check(kind, key, at),
        }
    }
    faults
}

/// Objects that a message names.
const TOLD: usize = 20;

/// Why an object is not deleted, if others lead to it: they do not give that up, or are more than `most`.
pub fn led_to(referrers: &[Referrer], most: usize) -> Vec<Fault> {
    if referrers.len() > most {
        let message = format!("More than {most} objects lead to it: change those first.");
        return vec![Fault::new("", "in-use", message)];
    }
    // In one order, whether they are stored or of this batch.
    let mut holding: Vec<&Referrer> = referrers.iter().filter(|referrer| !referrer.clears).collect();
    holding.sort_by(|a, b| a.leads.cmp(&b.leads));
    let fault = |referrer: &Referrer| {
        let from = &referrer.leads.from;
        let message =
            format!("The object `{}` of the type `{}` leads to it in `{}`.", from.key, from.kind, referrer.leads.field);
        Fault::new(format!("/objects/{}/{}", pointer(&from.kind), pointer(&from.key)), "in-use", message)
    };
    holding.into_iter().take(TOLD).map(fault).collect()
}

/// What is to be stored must have the declared shape, whoever says so: a plugin's own code is not trusted with it.
pub fn conform(shape: &ObjectShape, fields: &Value) -> Vec<Fault> {
    let Some(map) = fields.as_object() else {
        return vec![Fault::new("", "not-an-object", "The fields must be a JSON object.")];
    };
    if let Some(fault) = limits::value(fields, "") {
        return vec![fault];
    }
    field::faults(&shape.fields, map, &named(shape))
}

/// A fault at each member that is no field of the type. What a caller asks for is held to this before the plugin sees it: what
/// the plugin does not know, it would drop without a word.
pub fn unknown_fields(shape: &ObjectShape, fields: &Map<String, Value>) -> Vec<Fault> {
    field::unknown(&shape.fields, fields, &named(shape))
}

/// Of faults at one place, the first. What may stand for a customer's id is said where there is none.
pub fn settled(shape: &ObjectShape, mut faults: Vec<Fault>) -> Vec<Fault> {
    let mut places = HashSet::new();
    faults.retain(|fault| fault.pointer.is_empty() || places.insert(fault.pointer.clone()));
    let customers = || shape.fields.iter().filter(|field| field.of == Type::Customer);
    for fault in faults.iter_mut().filter(|fault| fault.code == "wrong-type") {
        let of = fault.pointer.split('/').nth(1).unwrap_or_default();
        if customers().any(|field| pointer(&field.name) == of) {
            fault.message.push_str(" An identity, like `user_id:42`, is taken, too.");
        }
    }
    faults
}

fn named(shape: &ObjectShape) -> String {
    format!("The object type `{}`", shape.name)
}

/// A name as a token of a JSON pointer (RFC 6901).
pub(super) fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::Type;
    use openhub_model::{Id, Timestamp};
    use serde_json::json;

    fn shape() -> ObjectShape {
        let field =
            |name: &str, of: Type, required: bool, unique: bool| Field { required, unique, ..Field::new(name, of) };
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
    fn issue_14_a_whole_number_may_be_written_as_a_double() {
        let mut made = json!({ "code": "A", "percent": 12.0 }).as_object().cloned().unwrap();
        complete(&shape(), &mut made);
        assert_eq!(made["percent"].as_i64(), Some(12));
        for other in [json!(12.5), json!(1e300), json!("12.0")] {
            let mut changed = json!({ "code": "A", "percent": other });
            complete_required(&shape(), &mut changed);
            assert_eq!(changed["percent"], other);
        }
    }

    #[test]
    fn a_default_is_filled_in_at_create_and_what_is_required_keeps_one() {
        let mut shape = shape();
        shape.fields[1].default = Some(json!(10));
        shape.fields[2].default = Some(json!("x"));
        let mut made = json!({ "code": "A", "percent": null }).as_object().cloned().unwrap();
        complete(&shape, &mut made);
        assert_eq!(Value::Object(made), json!({ "code": "A", "percent": 10, "owner": "x" }));
        let mut changed = json!({ "code": "A" });
        complete_required(&shape, &mut changed);
        assert_eq!(changed, json!({ "code": "A", "percent": 10 }));
    }

    #[test]
    fn unique_values_are_texts() {
        assert_eq!(uniques(&shape(), &json!({ "code": "A", "percent": 10 })), [("code".into(), "A".into())]);
        assert_eq!(uniques(&shape(), &json!({})), []);
    }
}
