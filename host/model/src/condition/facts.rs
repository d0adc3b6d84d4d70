//! What a condition is evaluated over: everything that it may ask about one customer, loaded before.

use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::history::{History, NO_HISTORY};
use crate::customer::Customer;
use crate::event::Origin;
use crate::identity::Identity;
use crate::message::MessageStatus;
use crate::run::RunStatus;
use crate::time::Timestamp;

/// One customer at one moment. Only what the condition's [`Needs`](super::Needs) name has to be there.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub now: Timestamp,
    /// `customer.customer` is the id.
    pub customer: &'a Customer,
    pub identities: &'a [Identity],
    /// Events after `now` do not count yet.
    pub history: &'a History,
    /// Of which the customer is a member.
    pub segments: &'a BTreeSet<String>,
    pub runs: &'a [RunFact],
    /// Ascending by `at`.
    pub messages: &'a [MessageFact],
    pub objects: &'a [ObjectFact],
}

static NO_SEGMENTS: BTreeSet<String> = BTreeSet::new();

impl<'a> Facts<'a> {
    /// A customer of whom nothing but the profile is known.
    pub fn of(customer: &'a Customer, now: Timestamp) -> Facts<'a> {
        Facts {
            now,
            customer,
            identities: std::slice::from_ref(&customer.identity),
            history: &NO_HISTORY,
            segments: &NO_SEGMENTS,
            runs: &[],
            messages: &[],
            objects: &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct EventFact {
    pub name: Arc<str>,
    /// Event time.
    pub at: Timestamp,
    /// Of several at one instant, those that arrived come before those that were caused.
    pub origin: Origin,
    pub position: i64,
    /// `null` where no condition needs properties.
    pub properties: Value,
}

impl EventFact {
    pub fn order(&self) -> (Timestamp, Origin, i64) {
        (self.at, self.origin, self.position)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFact {
    pub journey: Arc<str>,
    pub status: RunStatus,
    /// It ended at an exit whose reason is `converted`.
    pub converted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFact {
    /// When it was made, by the tenant's clock.
    pub at: Timestamp,
    pub channel: Arc<str>,
    pub journey: Arc<str>,
    pub status: MessageStatus,
    pub attempts: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ObjectFact {
    pub kind: Arc<str>,
    pub key: String,
    pub fields: Value,
}
