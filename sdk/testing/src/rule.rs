//! Rules by rows: JSON in, the effects of each row out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::told::{CallFault, Reason, text};

/// A call of a rule in the making.
pub struct RuleCase<'h> {
    hub: &'h Hub,
    name: String,
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
    /// The other customer to whom it happens, if it does.
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Merge,
    Delete,
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
    pub(crate) fn new(hub: &'h Hub, name: &str) -> Self {
        RuleCase { hub, name: name.to_owned(), params: Value::Null }
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
            Err(fault) => panic!("the rule `{}` failed: {fault}", self.name),
        }
    }

    /// Like `rows`, for tests of calls that fail as a whole.
    #[track_caller]
    pub fn try_rows(&self, rows: &[Value]) -> Result<Vec<Effects>, CallFault> {
        let (settings, params) = (self.hub.settings(), &self.params);
        let rule = json!({"name": self.name, "settings": settings, "params": params, "rows": rows});
        let answer = self.hub.ask(&json!({"rule": rule}));
        match CallFault::of(&answer["fault"]) {
            Some(fault) => Err(fault),
            None => Ok(answer["effects"].as_array().into_iter().flatten().map(Effects::of).collect()),
        }
    }
}

impl Effects {
    fn of(told: &Value) -> Effects {
        if told["fault"].is_object() {
            return Effects { fault: Some(Reason::of(&told["fault"])), ..Effects::default() };
        }
        let written = told["written"].as_object().into_iter().flatten();
        let written = written.map(|(path, value)| {
            (path.clone(), value.get("to").map_or(Written::Unset, |value| Written::To(value.clone())))
        });
        Effects {
            written: written.collect(),
            events: Caused::all(&told["events"]),
            objects: told["objects"].as_array().into_iter().flatten().map(ObjectWrite::of).collect(),
            fault: None,
        }
    }

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

impl Caused {
    pub(crate) fn all(told: &Value) -> Vec<Caused> {
        let all = told.as_array().into_iter().flatten();
        let caused = |event: &Value| Caused {
            name: text(&event["name"]),
            properties: event["properties"].clone(),
            to: event["to"].as_str().map(str::to_owned),
        };
        all.map(caused).collect()
    }
}

impl ObjectWrite {
    fn of(told: &Value) -> ObjectWrite {
        let action = match told["action"].as_str() {
            Some("create") => Action::Create,
            Some("merge") => Action::Merge,
            _ => Action::Delete,
        };
        ObjectWrite { action, kind: text(&told["kind"]), key: text(&told["key"]), fields: told["fields"].clone() }
    }
}
