//! A rule that panics on one row: the amount 13.

use openhub_sdk::prelude::*;

#[derive(Reads)]
pub struct Row {
    #[read("event.properties.amount")]
    pub amount: i64,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.amount")]
    pub amount: Set<i64>,
}

#[rule(on = "Order Completed")]
pub fn poison(row: Row) -> Effects {
    assert_ne!(row.amount, 13, "this row is poison");
    Effects { amount: To(row.amount) }
}

openhub_sdk::plugin! { rules: [poison] }
