//! What a run may see of the world: the event that moves it, and its customer.

use openhub_model::{Customer, Identity, TenantId, Timestamp, condition};
use serde_json::Value;

/// An event, as a run sees it.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub message_id: &'a str,
    pub name: &'a str,
    pub at: Timestamp,
    pub properties: &'a Value,
}

/// What a step may know beside the run. `now` is the tenant's clock.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    pub tenant: TenantId,
    pub customer: &'a Customer,
    /// All that the customer is known by, the oldest first.
    pub identities: &'a [&'a Identity],
    pub now: Timestamp,
    /// What the conditions of branches ask about.
    pub known: condition::Facts<'a>,
}

impl<'a> StepContext<'a> {
    pub fn of(tenant: TenantId, identities: &'a [&'a Identity], known: condition::Facts<'a>) -> StepContext<'a> {
        StepContext { tenant, customer: known.customer, identities, now: known.now, known }
    }
}
