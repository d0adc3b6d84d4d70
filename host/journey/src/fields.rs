//! Written fields against the shape that a plugin declares for them: a channel's content, an object's fields.
//!
//! A text with a template is typed when it is rendered; here only what stands in the definition is looked at.

use openhub_model::fault::there_are;
use openhub_model::manifest::{Field, Type};
use openhub_model::{Fault, Id, Timestamp, decimal};
use serde_json::{Map, Value};

use crate::document::escape;
use crate::template::is_template;

pub(crate) fn check(
    pointer: &str,
    fields: &Map<String, Value>,
    shape: &[Field],
    owner: Option<&str>,
    faults: &mut Vec<Fault>,
) {
    let at = |name: &str| format!("{pointer}/{}", escape(name));
    for (name, value) in fields {
        match shape.iter().find(|field| field.name == *name) {
            None => {
                let known = there_are(shape.iter().map(|field| &field.name));
                let message = format!("There is no field `{name}`. {known}");
                faults.push(Fault::new(at(name), "unknown-field", message));
            }
            Some(_) if owner == Some(name) => {
                faults.push(Fault::new(at(name), "reserved-field", format!("The hub sets `{name}`: remove it.")));
            }
            Some(field) if value.is_null() && field.required => faults.push(missing(at(name), name)),
            Some(field) if !value.is_null() && !fits(&field.of, value) => {
                faults.push(Fault::new(at(name), "wrong-type", format!("`{name}` must be {}.", field.of.in_words())));
            }
            Some(_) => {}
        }
    }
    let needed = shape.iter().filter(|field| field.required && owner != Some(&field.name));
    for field in needed.filter(|field| !fields.contains_key(&field.name)) {
        faults.push(missing(at(&field.name), &field.name));
    }
}

fn missing(pointer: String, name: &str) -> Fault {
    Fault::new(pointer, "missing-field", format!("`{name}` is required: set it."))
}

fn fits(of: &Type, value: &Value) -> bool {
    match (of, value) {
        (_, Value::String(text)) if is_template(text) => true,
        (Type::Boolean, value) => value.is_boolean(),
        (Type::Integer, value) => value.is_i64(),
        (Type::Number, value) => value.is_number(),
        (Type::Text, value) => value.is_string(),
        (Type::Timestamp, Value::String(text)) => text.parse::<Timestamp>().is_ok(),
        (Type::Decimal(scale), value) => decimal::from_json(value, *scale).is_some(),
        (Type::Enum(values), Value::String(text)) => values.contains(text),
        (Type::Customer, Value::String(text)) => text.parse::<Id>().is_ok(),
        (Type::Timestamp | Type::Enum(_) | Type::Customer, _) => false,
    }
}
