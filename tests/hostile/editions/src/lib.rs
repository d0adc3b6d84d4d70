//! A rule, a step and a function in editions: a test changes the last byte of `MARK` in the component, and has another version of the same plugin that
//! declares the same. 1 adds up totals, 2 adds them twice, 3 panics at the total 13, 4 adds how many rows are in its call, 5 never ends.
//!
//! It exports by hand, because `plugin!` gives a rule no sight of the call around its rows.

use std::sync::atomic::{AtomicI64, Ordering};

use openhub_sdk::prelude::*;

/// What a test looks for.
static MARK: [u8; 20] = *b"openhub-edition-is-1";
/// The rows of this call.
static ROWS: AtomicI64 = AtomicI64::new(0);

#[derive(Reads)]
pub struct Row {
    #[read("event.properties.total")]
    pub total: i64,
    #[read("customer.attributes.spent")]
    pub spent: Option<i64>,
}

#[derive(Debug, PartialEq, Event)]
pub struct TierChanged {
    pub edition: i64,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.spent")]
    pub spent: Set<i64>,
    #[write("customer.counters.orders")]
    pub orders: Add,
    #[write("customer.attributes.edition")]
    pub edition: Set<i64>,
    pub events: Option<TierChanged>,
}

fn edition() -> i64 {
    let mark = std::hint::black_box(&MARK);
    mark.last().map_or(0, |digit| i64::from(digit - b'0'))
}

#[rule(on = "Order Completed")]
pub fn editions(row: Row) -> Effects {
    let edition = edition();
    let added = match edition {
        2 => row.total * 2,
        3 => {
            assert_ne!(row.total, 13, "this row is poison");
            row.total
        }
        4 => row.total + ROWS.load(Ordering::Relaxed),
        5 => loop {
            std::hint::spin_loop();
        },
        _ => row.total,
    };
    // What is tried in a shadow differs in what it adds alone.
    let told = if edition == 2 { 2 } else { 1 };
    Effects {
        spent: To(row.spent.unwrap_or(0) + added),
        orders: Add(1),
        edition: To(told),
        events: Some(TierChanged { edition: told }),
    }
}

#[derive(Clone, Debug, Record)]
pub struct Order {
    pub total: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Way {
    First,
    Second,
}

/// The way of its edition.
#[step]
pub fn walk(_: Entry<Order>) -> Result<Next<Way>, Reason> {
    Ok(Next::Go(if edition() == 2 { Way::Second } else { Way::First }))
}

#[content]
pub fn in_edition(_: Receiver<'_>, total: i64) -> Result<String, Reason> {
    Ok(format!("{total} in {}", edition()))
}

openhub_sdk::plugin! { steps: [walk], functions: [in_edition] }

#[cfg(target_arch = "wasm32")]
mod export {
    use super::*;
    use openhub_sdk::rule::{Batch, Guest, Outcome, run};

    enum Editions {}

    impl Guest for Editions {
        fn evaluate(_rule: String, input: Batch) -> Result<Outcome, Reason> {
            ROWS.store(i64::from(input.rows), Ordering::Relaxed);
            run::<editions>(&input)
        }
    }

    openhub_sdk::bindings::rule::export_rule!(Editions with_types_in openhub_sdk::bindings::rule);
}
