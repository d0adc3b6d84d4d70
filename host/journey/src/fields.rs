//! Written fields against the shape that a plugin declares for them: a channel's content, an object's fields.
//!
//! A text with a template is typed when it is rendered; here only what stands in the definition is looked at.

use openhub_model::Fault;
use openhub_model::fault::instead_of;
use openhub_model::manifest::Field;
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
                let known = instead_of(name, shape.iter().map(|field| &field.name));
                let message = format!("There is no field `{name}`. {known}");
                faults.push(Fault::new(at(name), "unknown-field", message));
            }
            Some(_) if owner == Some(name) => {
                faults.push(Fault::new(at(name), "reserved-field", format!("The hub sets `{name}`: remove it.")));
            }
            Some(field) if value.is_null() && field.required && field.default.is_none() => {
                faults.push(missing(at(name), name))
            }
            Some(field) if !value.is_null() => faults.extend(fixed(field, value, &at(name))),
            Some(_) => {}
        }
    }
    let needed = shape.iter().filter(|field| field.required && field.default.is_none() && owner != Some(&field.name));
    for field in needed.filter(|field| !fields.contains_key(&field.name)) {
        faults.push(missing(at(&field.name), &field.name));
    }
}

fn missing(pointer: String, name: &str) -> Fault {
    Fault::new(pointer, "missing-field", format!("`{name}` is required: set it."))
}

/// What is wrong with a value that stands there as it is; what a template makes is typed when it is rendered.
fn fixed(field: &Field, value: &Value, pointer: &str) -> Vec<Fault> {
    let is_made = |value: &Value| value.as_str().is_some_and(is_template);
    match value {
        value if is_made(value) && !field.list => Vec::new(),
        Value::Array(items) if field.list => {
            let known: Vec<Value> = items.iter().filter(|item| !is_made(item)).cloned().collect();
            field.faults(&Value::Array(known), pointer)
        }
        value => field.faults(value, pointer),
    }
}
