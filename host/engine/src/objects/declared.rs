//! The check of objects whose type an admin declares: nobody's code is asked. Their fields are held to the declaration, and each has
//! the key that the declaration, the caller or, if neither says it, the hub gives it.

use openhub_model::manifest::ObjectShape;
use openhub_model::{Fault, Id, limits};
use openhub_runtime::{Accepted, Change, Checked, Operation, Receipt};
use serde_json::Value;

use super::shape::{conform, pointer};

/// What a plugin would answer.
pub fn check(shape: &ObjectShape, key: Option<&str>, changes: Vec<Change>) -> Checked {
    let answers = changes.into_iter().map(|change| one(shape, key, change)).collect();
    Checked { answers, receipt: Receipt::default() }
}

fn one(shape: &ObjectShape, key: Option<&str>, change: Change) -> Result<Accepted, Vec<Fault>> {
    let (fields, is_delete) = match &change.operation {
        Operation::Create(fields) | Operation::Update(_, fields) => (fields, false),
        Operation::Delete(fields) => (fields, true),
    };
    let values: Value = serde_json::from_str(fields).unwrap_or_default();
    if !is_delete {
        let faults = conform(shape, &values);
        if !faults.is_empty() {
            return Err(faults);
        }
    }
    let named = key.filter(|_| !is_delete).map(|field| (field, &values[field]));
    let key = match (named, change.key) {
        (Some((_, Value::String(text))), _) => text.clone(),
        (Some((_, value)), _) => value.to_string(),
        (None, Some(key)) => key,
        (None, None) => {
            Id::named(&[b"object-key", shape.name.as_bytes(), b"\0", &change.seed.to_le_bytes()]).to_string()
        }
    };
    if !(1..=limits::OBJECT_KEY).contains(&key.len()) || key.contains('\0') {
        let at = named.map(|(field, _)| format!("/{}", pointer(field))).unwrap_or_default();
        let message = format!("An object's key must have 1 to {} bytes, and no U+0000.", limits::OBJECT_KEY);
        return Err(vec![Fault::new(at, "bad-key", message)]);
    }
    Ok(Accepted { key, fields: fields.clone(), events: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Timestamp;
    use openhub_model::manifest::{Field, Type};
    use serde_json::json;

    fn shape() -> ObjectShape {
        let code = Field { required: true, ..Field::new("code", Type::Text) };
        let number = Field::new("number", Type::Integer);
        ObjectShape { name: "store".into(), version: 1, fields: vec![code, number], owner: None }
    }

    fn asked(key: Option<&str>, given: Option<&str>, seed: u64, fields: Value) -> Result<String, Vec<String>> {
        let operation = Operation::Create(fields.to_string());
        let change = Change { key: given.map(str::to_owned), customer: None, at: Timestamp::MIN, seed, operation };
        let mut answers = check(&shape(), key, vec![change]).answers;
        let answer = answers.remove(0);
        answer.map(|accepted| accepted.key).map_err(|faults| faults.into_iter().map(|fault| fault.code).collect())
    }

    #[test]
    fn a_key_comes_from_the_declared_field_or_the_caller_or_the_seed() {
        let fields = json!({"code": "A1", "number": 7});
        assert_eq!(asked(Some("code"), Some("other"), 1, fields.clone()), Ok("A1".into()));
        assert_eq!(asked(Some("number"), None, 1, fields.clone()), Ok("7".into()));
        assert_eq!(asked(None, Some("other"), 1, fields.clone()), Ok("other".into()));
        let drawn = asked(None, None, 1, fields.clone()).expect("a key");
        assert_eq!(asked(None, None, 1, fields.clone()), Ok(drawn.clone()));
        assert_ne!(asked(None, None, 2, fields.clone()), Ok(drawn), "another seed, another key");
        let long = json!({"code": "x".repeat(limits::OBJECT_KEY + 1)});
        assert_eq!(asked(Some("code"), None, 1, long), Err(vec!["bad-key".into()]));
    }

    #[test]
    fn all_faults_of_the_fields_are_told() {
        let found = asked(None, None, 1, json!({"number": "x", "colour": 1}));
        assert_eq!(found, Err(vec!["required".into(), "wrong-type".into(), "unknown-field".into()]));
    }
}
