//! Records of typed fields: events, objects, contents, parameters, settings, what a step is given and keeps. To and from JSON.
//!
//! Fields that a record does not know are left out: the host has checked it against the declared shape.

use serde_json::{Map, Value};

use crate::field::Field;
use crate::reason::{Fault, Reason};

/// A struct with named fields; made by the derives, and by `#[derive(Record)]` alone where it is nothing else.
pub trait Record: Sized {
    fn from_fields(fields: &Map<String, Value>) -> Result<Self, Vec<Fault>>;
    fn to_fields(&self) -> Map<String, Value>;

    /// Appends the fields as a JSON object; what is absent is left out, as in [`Record::to_fields`].
    fn write(&self, out: &mut String);

    /// An empty text counts as an object without fields.
    fn parse(json: &str) -> Result<Self, Vec<Fault>> {
        if json.is_empty() {
            return Self::from_fields(&Map::new());
        }
        match serde_json::from_str(json) {
            Ok(Value::Object(fields)) => Self::from_fields(&fields),
            _ => Err(vec![Fault::new("", "not-an-object", "this is not a JSON object")]),
        }
    }
}

/// No fields.
impl Record for () {
    fn from_fields(_: &Map<String, Value>) -> Result<Self, Vec<Fault>> {
        Ok(())
    }

    fn to_fields(&self) -> Map<String, Value> {
        Map::new()
    }

    fn write(&self, out: &mut String) {
        out.push_str("{}");
    }
}

/// Settings of an installation, without its secrets; made by `#[derive(Settings)]`.
pub trait Settings: Record {}

/// Reads one field after the other and gathers their faults, for generated code.
pub struct Reader<'r> {
    fields: &'r Map<String, Value>,
    faults: Vec<Fault>,
}

impl<'r> Reader<'r> {
    pub fn new(fields: &'r Map<String, Value>) -> Self {
        Reader { fields, faults: Vec::new() }
    }

    pub fn take<T: Field>(&mut self, name: &str) -> Option<T> {
        self.take_or(name, T::absent)
    }

    /// `otherwise` is what the record holds if it lacks the field.
    pub fn take_or<T: Field>(&mut self, name: &str, otherwise: impl FnOnce() -> Option<T>) -> Option<T> {
        let (value, fault) = match self.fields.get(name) {
            None | Some(Value::Null) => (otherwise(), ("required", "this field is required: set it")),
            Some(value) => (T::of(value), ("wrong-type", "this value does not have the field's type")),
        };
        if value.is_none() {
            self.faults.push(Fault::new(format!("/{name}"), fault.0, fault.1));
        }
        value
    }

    pub fn faults(self) -> Vec<Fault> {
        self.faults
    }
}

/// Writes one field, unless it is absent, for generated code.
pub fn put(fields: &mut Map<String, Value>, name: &str, value: &impl Field) {
    let value = value.json();
    if !value.is_null() {
        fields.insert(name.to_owned(), value);
    }
}

/// Appends one field to an object that has been opened with `{`, unless it is absent, for generated code. `key` is the
/// name as JSON with its colon.
#[inline]
pub fn append(out: &mut String, key: &str, value: &impl Field) {
    if value.is_absent() {
        return;
    }
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(key);
    value.write(out);
}

/// Several faults of one input as one reason.
pub fn reason(what: &str, faults: &[Fault]) -> Reason {
    let texts: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.reason.message)).collect();
    Reason::new(format!("malformed-{what}"), texts.join("; "))
}
