//! Objects: what the plugin's check makes of a change.

use serde_json::{Value, json};

use crate::Timestamp;
use crate::hub::Hub;
use crate::rule::Caused;
use crate::told::{CallFault, Fault, text};

/// A change of an object in the making.
pub struct ObjectCase<'h> {
    hub: &'h Hub,
    kind: String,
    key: Option<String>,
    customer: Option<String>,
    at: Timestamp,
    seed: u64,
}

/// An object as the check lets it be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub key: String,
    pub fields: Value,
    pub events: Vec<Caused>,
}

impl<'h> ObjectCase<'h> {
    pub(crate) fn new(hub: &'h Hub, kind: &str) -> Self {
        ObjectCase { hub, kind: kind.to_owned(), key: None, customer: None, at: hub.now(), seed: 1 }
    }

    /// The key of the object that changes.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Whose it is, by id.
    #[must_use]
    pub fn customer(mut self, id: &str) -> Self {
        self.customer = Some(id.to_owned());
        self
    }

    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = at;
        self
    }

    /// The only randomness that the check has; 1 if a test gives none.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    #[track_caller]
    pub fn create(&self, fields: Value) -> Result<Stored, Vec<Fault>> {
        self.check(&[self.change(self.seed, &Value::Null, &fields)]).remove(0)
    }

    #[track_caller]
    pub fn update(&self, old: &Value, new: &Value) -> Result<Stored, Vec<Fault>> {
        self.check(&[self.change(self.seed, old, new)]).remove(0)
    }

    #[track_caller]
    pub fn delete(&self, old: &Value) -> Result<Stored, Vec<Fault>> {
        self.check(&[self.change(self.seed, old, &Value::Null)]).remove(0)
    }

    /// Creates several in one call, with the seeds `seed`, `seed + 1`, …
    #[track_caller]
    pub fn create_all(&self, fields: &[Value]) -> Vec<Result<Stored, Vec<Fault>>> {
        let changes = fields.iter().zip(self.seed..);
        self.check(&changes.map(|(fields, seed)| self.change(seed, &Value::Null, fields)).collect::<Vec<_>>())
    }

    fn change(&self, seed: u64, old: &Value, new: &Value) -> Value {
        let (key, customer, at) = (&self.key, &self.customer, self.at.micros());
        json!({"key": key, "customer": customer, "at": at, "seed": seed, "old": old, "new": new})
    }

    #[track_caller]
    fn check(&self, changes: &[Value]) -> Vec<Result<Stored, Vec<Fault>>> {
        let object = json!({"name": self.kind, "settings": self.hub.settings(), "changes": changes});
        let answer = self.hub.ask(&json!({"object": object}));
        if let Some(fault) = CallFault::of(&answer["fault"]) {
            panic!("the check of `{}` failed: {fault}", self.kind);
        }
        answer["answers"].as_array().into_iter().flatten().map(stored).collect()
    }
}

fn stored(told: &Value) -> Result<Stored, Vec<Fault>> {
    match told["faults"].as_array() {
        Some(faults) => Err(faults.iter().map(Fault::of).collect()),
        None => {
            Ok(Stored { key: text(&told["key"]), fields: told["fields"].clone(), events: Caused::all(&told["events"]) })
        }
    }
}
