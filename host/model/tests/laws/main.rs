//! Laws of the shared words, on random data.

mod condition;
mod customer;
mod decimal;
mod fold;
mod id;
mod identity;

use openhub_model::{Cause, Customer, Identity, TenantId, Timestamp};

fn somebody() -> Customer {
    let identity = Identity::new(Identity::USER_ID, "1");
    Customer::new(identity.part(TenantId(1)), identity, Timestamp::from_micros(0))
}

fn cause(at: i64) -> Cause {
    Cause { at: Timestamp::from_micros(at), event: format!("event-{at}").into(), plugin: None, rule: None }
}
