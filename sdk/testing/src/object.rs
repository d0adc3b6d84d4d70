//! Objects: what the plugin's check makes of a change.

use openhub_model::manifest::ObjectShape;
use openhub_model::{Fault, Timestamp};
use openhub_runtime::{Change, Operation};
use serde_json::Value;

use crate::hub::Hub;
use crate::rule::{Caused, json_of};

/// A change of an object in the making.
pub struct ObjectCase<'h> {
    hub: &'h Hub,
    shape: &'h ObjectShape,
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
    pub(crate) fn new(hub: &'h Hub, shape: &'h ObjectShape) -> Self {
        ObjectCase { hub, shape, key: None, customer: None, at: hub.now(), seed: 1 }
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
        self.one(Operation::Create(fields.to_string()))
    }

    #[track_caller]
    pub fn update(&self, old: &Value, new: &Value) -> Result<Stored, Vec<Fault>> {
        self.one(Operation::Update(old.to_string(), new.to_string()))
    }

    #[track_caller]
    pub fn delete(&self, old: &Value) -> Result<Stored, Vec<Fault>> {
        self.one(Operation::Delete(old.to_string()))
    }

    /// Creates several in one call, with the seeds `seed`, `seed + 1`, …
    #[track_caller]
    pub fn create_all(&self, fields: &[Value]) -> Vec<Result<Stored, Vec<Fault>>> {
        let changes = fields.iter().zip(self.seed..);
        let changes =
            changes.map(|(fields, seed)| Change { seed, ..self.change(Operation::Create(fields.to_string())) });
        self.check(changes.collect())
    }

    fn change(&self, operation: Operation) -> Change {
        let (key, customer) = (self.key.clone(), self.customer.clone());
        Change { key, customer, at: self.at, seed: self.seed, operation }
    }

    #[track_caller]
    fn one(&self, operation: Operation) -> Result<Stored, Vec<Fault>> {
        self.check(vec![self.change(operation)]).remove(0)
    }

    #[track_caller]
    fn check(&self, changes: Vec<Change>) -> Vec<Result<Stored, Vec<Fault>>> {
        let checked = match self.hub.plugin().check(&self.hub.call(), &self.shape.name, changes) {
            Ok(checked) => checked,
            Err(fault) => panic!("the check of `{}` failed: {fault}", self.shape.name),
        };
        let answers = checked.answers.into_iter();
        let stored = answers.map(|answer| {
            answer.map(|accepted| {
                let events = accepted.events.iter();
                let events =
                    events.map(|(name, properties)| Caused { name: name.clone(), properties: json_of(properties) });
                Stored { key: accepted.key, fields: json_of(&accepted.fields), events: events.collect() }
            })
        });
        stored.collect()
    }
}
