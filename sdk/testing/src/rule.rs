//! Rules by rows: JSON in, the effects of each row out.

use std::collections::BTreeMap;

use openhub_model::manifest::RuleShape;
use openhub_runtime::{Action, CallFault, Outcome, Reason};
use serde_json::{Value, json};

use crate::columns;
use crate::hub::Hub;

/// A call of a rule in the making.
pub struct RuleCase<'h> {
    hub: &'h Hub,
    shape: &'h RuleShape,
    params: Value,
}

/// What a rule did to one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// By path: `customer.attributes.tier`.
    written: BTreeMap<String, Written>,
    pub events: Vec<Caused>,
    pub objects: Vec<ObjectWrite>,
    /// Why the row failed, if it did; then it has no other effects.
    pub fault: Option<Reason>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    To(Value),
    Unset,
}

/// An event that a rule or an object's change caused.
#[derive(Clone, Debug, PartialEq)]
pub struct Caused {
    pub name: String,
    pub properties: Value,
}

/// An object that a rule made, changed or deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectWrite {
    pub action: Action,
    pub kind: String,
    pub key: String,
    pub fields: Value,
}

impl<'h> RuleCase<'h> {
    pub(crate) fn new(hub: &'h Hub, shape: &'h RuleShape) -> Self {
        let params = hub.settings().get(&shape.name).cloned().unwrap_or_else(|| json!({}));
        RuleCase { hub, shape, params }
    }

    /// The rule's parameters, instead of those in the hub's settings.
    #[must_use]
    pub fn params(mut self, params: Value) -> Self {
        self.params = params;
        self
    }

    /// Runs it on one row: a JSON object by the names of the rule's reads. `row.at`, `row.seed` and `row.customer`
    /// have values of their own if the row gives none.
    #[track_caller]
    pub fn row(&self, row: Value) -> Effects {
        let mut effects = self.rows(&[row]);
        effects.remove(0)
    }

    /// Runs it on several rows in one call; one answer a row, in order.
    #[track_caller]
    pub fn rows(&self, rows: &[Value]) -> Vec<Effects> {
        match self.try_rows(rows) {
            Ok(effects) => effects,
            Err(fault) => panic!("the rule `{}` failed: {fault}", self.shape.name),
        }
    }

    /// Like `rows`, for tests of calls that fail as a whole.
    #[track_caller]
    pub fn try_rows(&self, rows: &[Value]) -> Result<Vec<Effects>, CallFault> {
        let batch = columns::batch(&self.shape.reads, rows);
        let (call, params) = (self.hub.call(), self.params.to_string());
        let evaluated = self.hub.plugin().evaluate(&call, &self.shape.name, &params, &batch)?;
        Ok(self.by_row(evaluated.outcome, rows.len()))
    }

    fn by_row(&self, outcome: Outcome, rows: usize) -> Vec<Effects> {
        let mut effects = vec![Effects::default(); rows];
        for write in outcome.writes {
            let target = &self.shape.writes[write.target as usize];
            for (row, value) in write.rows.iter().zip(columns::values(&target.of, &write.values)) {
                effects[*row as usize].written.insert(target.path.clone(), Written::To(value));
            }
            for row in write.unset {
                effects[row as usize].written.insert(target.path.clone(), Written::Unset);
            }
        }
        for event in outcome.events {
            let caused = Caused { name: event.name, properties: json_of(&event.properties) };
            effects[event.row as usize].events.push(caused);
        }
        for object in outcome.objects {
            let fields = json_of(&object.fields);
            let written = ObjectWrite { action: object.action, kind: object.kind, key: object.key, fields };
            effects[object.row as usize].objects.push(written);
        }
        for fault in outcome.faults {
            effects[fault.row as usize] = Effects { fault: Some(fault.reason), ..Effects::default() };
        }
        effects
    }
}

impl Effects {
    /// The new value of an attribute; null if it stays as it is or is taken away.
    pub fn attribute(&self, name: &str) -> Value {
        self.value(&format!("customer.attributes.{name}"))
    }

    /// What is added to a counter; 0 if nothing.
    pub fn counter(&self, name: &str) -> i64 {
        self.value(&format!("customer.counters.{name}")).as_i64().unwrap_or(0)
    }

    /// Whether a tag is put on (true) or off (false), or stays as it is.
    pub fn tag(&self, name: &str) -> Option<bool> {
        match self.write(&format!("customer.tags.{name}"))? {
            Written::To(value) => value.as_bool(),
            Written::Unset => Some(false),
        }
    }

    /// The value of a decision; null if there is none.
    pub fn decision(&self) -> Value {
        self.value("decision")
    }

    /// What was written to a path, if anything was.
    pub fn write(&self, path: &str) -> Option<&Written> {
        self.written.get(path)
    }

    /// Names of the events that it caused.
    pub fn event_names(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.name.as_str()).collect()
    }

    fn value(&self, path: &str) -> Value {
        match self.write(path) {
            Some(Written::To(value)) => value.clone(),
            Some(Written::Unset) | None => Value::Null,
        }
    }
}

/// The runtime has checked that this is a JSON object.
pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
