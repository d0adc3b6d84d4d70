//! A rule that never ends. Its fuel does.

use std::hint::black_box;

use openhub_sdk::prelude::*;

#[derive(Reads)]
pub struct Row {
    #[read("row.at")]
    pub at: Timestamp,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.turns")]
    pub turns: Set<i64>,
}

#[rule(on = "Order Completed")]
pub fn spinner(row: Row) -> Effects {
    let mut turns = row.at.micros();
    while black_box(true) {
        turns = black_box(turns.wrapping_add(1));
    }
    Effects { turns: To(turns) }
}

openhub_sdk::plugin! { rules: [spinner] }
