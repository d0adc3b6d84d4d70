//! One person or company that a tenant knows.

mod consent;
mod fold;

pub use consent::{CONSENT_FIELDS, Consent, consent_faults, is_consent, purpose};
pub use fold::{Merge, Merges, Names, fold};

use litemap::LiteMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

use crate::id::PartId;
use crate::identity::Identity;
use crate::time::Timestamp;

/// Who set a value: the event, and if it was a rule, the plugin's digest and the rule's id. The texts are shared by the
/// values that have them in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Event time; a value that was set at an older event time never replaces a newer one.
    pub at: Timestamp,
    /// `message_id` of the event.
    pub event: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
}

static PAGE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("@page"));

impl Cause {
    /// The word of a page, whose key anybody can read. It stands where a rule's id does, with an `@` that no id has.
    pub fn by_page(self) -> Cause {
        Cause { rule: Some(PAGE.clone()), ..self }
    }

    pub fn is_page(&self) -> bool {
        self.plugin.is_none() && self.rule.as_deref().is_some_and(|rule| *rule == **PAGE)
    }
}

/// A value with its cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    pub value: Value,
    pub cause: Cause,
}

/// Values by name, in the order of the names. A sorted list: hubs hold many customers of few values, and a tree's nodes
/// would be half empty.
pub type Values = LiteMap<String, Attribute>;

/// The state of a customer, or of one of its parts: the former is the [`fold`] of the latter.
///
/// Attributes and counters share one namespace: a counter is an integer attribute that is added to.
#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    /// Of a customer, its oldest part.
    pub part: PartId,
    /// The customer's id: that of its oldest part.
    pub customer: PartId,
    /// The identity of `part`.
    pub identity: Identity,
    pub attributes: Values,
    pub tags: Values,
    /// By purpose, or by `purpose/channel`; see [`Consent`].
    pub consents: Values,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// How often they did something that arrived by the log and may be asked about: their history's length, about.
    pub events: i64,
    /// When a segment's answer about them may change by time alone.
    pub wake_at: Option<Timestamp>,
}

impl Customer {
    pub fn new(part: PartId, identity: Identity, at: Timestamp) -> Customer {
        Customer {
            part,
            customer: part,
            identity,
            attributes: Values::new(),
            tags: Values::new(),
            consents: Values::new(),
            first_seen_at: at,
            last_seen_at: at,
            events: 0,
            wake_at: None,
        }
    }

    pub fn saw(&mut self, at: Timestamp) {
        self.first_seen_at = self.first_seen_at.min(at);
        self.last_seen_at = self.last_seen_at.max(at);
    }

    /// They did something, then.
    pub fn did(&mut self, at: Timestamp) {
        self.saw(at);
        self.events = self.events.saturating_add(1);
    }

    /// Sets an attribute unless a newer event already did; `null` removes it. Says whether it was taken.
    pub fn set(&mut self, name: &str, value: Value, cause: Cause) -> bool {
        put(&mut self.attributes, name, value, cause)
    }

    pub fn set_tag(&mut self, name: &str, present: Value, cause: Cause) -> bool {
        put(&mut self.tags, name, present, cause)
    }

    /// Adds to a counter. Addition commutes, so late events need no order; the cause is the newest by event time.
    pub fn add(&mut self, name: &str, amount: i64, cause: Cause) {
        match self.attributes.get_mut(name) {
            Some(counter) => {
                // What a page said is no beginning of a count.
                let said = counter.cause.is_page();
                let sum = counter.value.as_i64().filter(|_| !said).unwrap_or(0).saturating_add(amount);
                counter.value = sum.into();
                if said || cause.at >= counter.cause.at {
                    counter.cause = cause;
                }
            }
            None => {
                self.attributes.insert(name.to_owned(), Attribute { value: amount.into(), cause });
            }
        }
    }

    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name).map(|attribute| &attribute.value).filter(|value| !value.is_null())
    }

    pub fn has_tag(&self, name: &str) -> bool {
        self.tags.get(name).is_some_and(|tag| tag.value == Value::Bool(true))
    }
}

/// What a page says gives way to what a server, a rule or a journey says, whichever came first; else the newer holds.
fn outranks(held: &Cause, said: &Cause) -> bool {
    (!held.is_page(), held.at) > (!said.is_page(), said.at)
}

/// A removal is kept as `null` with its cause, so that an older event cannot bring the value back.
fn put(values: &mut Values, name: &str, value: Value, cause: Cause) -> bool {
    match values.get_mut(name) {
        Some(attribute) if outranks(&attribute.cause, &cause) => false,
        Some(attribute) => {
            *attribute = Attribute { value, cause };
            true
        }
        None => {
            values.insert(name.to_owned(), Attribute { value, cause });
            true
        }
    }
}
