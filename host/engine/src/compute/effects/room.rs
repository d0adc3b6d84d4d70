//! How much room the changes of one write leave of what one customer may have.

use openhub_model::{Customer, limits};

/// What the changes of one write have taken of a customer's room.
#[derive(Default)]
pub struct Room {
    /// New attributes, tags, and consents.
    pub added: usize,
    pub tags: usize,
    pub consents: usize,
    /// Bytes that pages have set of the customer, once they were counted.
    pub said: Option<usize>,
}

impl Room {
    pub fn said(&mut self, customer: &Customer) -> usize {
        let said = customer.attributes.values().filter(|held| held.cause.is_page());
        *self.said.get_or_insert_with(|| said.map(|held| limits::size(&held.value)).sum())
    }
}
