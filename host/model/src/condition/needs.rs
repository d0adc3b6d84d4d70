//! What has to be loaded to evaluate a condition, and what can change its answer.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use super::instant::Relative;
use super::{Condition, EventTest, Step};
use crate::time::Span;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub events: BTreeMap<String, EventNeed>,
    pub attributes: BTreeSet<String>,
    pub tags: BTreeSet<String>,
    pub consents: bool,
    pub identities: bool,
    pub segments: BTreeSet<String>,
    pub journeys: BTreeSet<String>,
    pub messages: Option<MessageNeed>,
    /// Object types.
    pub objects: BTreeSet<String>,
    /// The answer may change by time alone.
    pub clock: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNeed {
    /// How far back; `None`: all of the history.
    pub window: Option<Span>,
    /// Those of its properties that are asked about.
    pub properties: BTreeSet<String>,
}

impl EventNeed {
    /// An event's properties without those that nobody asks about.
    pub fn asked(&self, properties: &Value) -> Value {
        let mut asked = Map::with_capacity(self.properties.len());
        for name in &self.properties {
            if let Some(value) = properties.get(name) {
                asked.insert(name.clone(), value.clone());
            }
        }
        if asked.is_empty() { Value::Null } else { Value::Object(asked) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageNeed {
    /// How far back; `None`: all of the history.
    pub window: Option<Span>,
}

impl Condition {
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        needs.add(self);
        needs
    }
}

impl Needs {
    /// Widens these needs by those of another condition.
    pub fn add(&mut self, condition: &Condition) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| self.add(part)),
            Condition::Not(part) => self.add(part),
            Condition::Attribute(test) => {
                self.clock |= Relative::of(&test.value).is_some();
                insert(&mut self.attributes, &test.name);
            }
            Condition::Tag(name) => insert(&mut self.tags, name),
            Condition::Identity(_) => self.identities = true,
            Condition::Consent(_) => self.consents = true,
            Condition::Segment(name) => insert(&mut self.segments, name),
            Condition::Bucket(_) => {}
            Condition::Journey(test) => insert(&mut self.journeys, &test.name),
            Condition::Message(test) => {
                self.clock |= test.within.is_some();
                let window = self.messages.map_or(test.within, |need| wider(need.window, test.within));
                self.messages = Some(MessageNeed { window });
            }
            Condition::Event(test) => self.event_test(test),
            Condition::Sequence(test) => {
                self.clock |= test.during.is_some();
                for Step { name, tests } in test.steps.iter().chain(&test.without) {
                    self.event(name, test.during, tests.iter().map(|test| &test.property));
                }
            }
            Condition::Object(test) => {
                self.clock |= test.tests.iter().any(|test| Relative::of(&test.value).is_some());
                insert(&mut self.objects, &test.kind);
            }
        }
    }

    /// Widens these needs by others.
    pub fn merge(&mut self, other: &Needs) {
        for (name, need) in &other.events {
            self.event(name, need.window, &need.properties);
        }
        for (all, more) in [
            (&mut self.attributes, &other.attributes),
            (&mut self.tags, &other.tags),
            (&mut self.segments, &other.segments),
            (&mut self.journeys, &other.journeys),
            (&mut self.objects, &other.objects),
        ] {
            all.extend(more.iter().cloned());
        }
        self.consents |= other.consents;
        self.identities |= other.identities;
        self.clock |= other.clock;
        self.messages = match (self.messages, other.messages) {
            (Some(left), Some(right)) => Some(MessageNeed { window: wider(left.window, right.window) }),
            (left, right) => left.or(right),
        };
    }

    fn event_test(&mut self, test: &EventTest) {
        self.clock |= test.within.is_some();
        self.event(&test.name, test.within, test.tests.iter().map(|test| &test.property).chain(&test.of));
    }

    fn event<'a>(&mut self, name: &str, window: Option<Span>, properties: impl IntoIterator<Item = &'a String>) {
        let need = match self.events.get_mut(name) {
            Some(need) => {
                need.window = wider(need.window, window);
                need
            }
            None => {
                let need = EventNeed { window, properties: BTreeSet::new() };
                self.events.entry(name.to_owned()).or_insert(need)
            }
        };
        properties.into_iter().for_each(|property| insert(&mut need.properties, property));
    }
}

fn wider(left: Option<Span>, right: Option<Span>) -> Option<Span> {
    left.zip(right).map(|(left, right)| left.max(right))
}

fn insert(names: &mut BTreeSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}
