//! Rules that panic on one row: the amount 13, and whoever leaves the segment `poison`.

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

#[derive(Reads)]
pub struct Left {
    #[read("event.properties.segment")]
    pub segment: String,
}

#[derive(Default, Writes)]
pub struct Parting {
    #[write("customer.attributes.left")]
    pub left: Set<bool>,
}

#[rule(on = "Segment Left")]
pub fn left(row: Left) -> Parting {
    assert_ne!(row.segment, "poison", "this segment is poison");
    Parting { left: To(true) }
}

openhub_sdk::plugin! { rules: [poison, left] }
