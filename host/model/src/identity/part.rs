//! A part: one identity, with the customer that it belongs to now and the state that is its own.

use super::Identity;
use crate::customer::Customer;
use crate::id::PartId;

/// Orders parts by when they were first seen. A customer is called by its oldest part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Age {
    /// Of the event that first named the identity.
    pub position: i64,
    /// Whether it was a claim that named it; the subject of the same event is older.
    pub claimed: bool,
    pub id: PartId,
}

/// The stored row of an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub age: Age,
    /// The customer that it belongs to: the id of its component's oldest part.
    pub customer: PartId,
    pub identity: Identity,
    /// `message_id` of the event that first named it.
    pub source: String,
    /// Whether events have it as their subject: only such a part has state.
    pub seen: bool,
    /// Its own state, while its customer has several seen parts; else the customer's row is its state.
    pub state: Option<Box<Customer>>,
}

impl Part {
    pub fn id(&self) -> PartId {
        self.age.id
    }
}
