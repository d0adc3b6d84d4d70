//! A rule that tries to remember: it counts its calls in a static. An instance that is fresh for every call answers 1.
//!
//! It exports by hand, because `plugin!` gives a rule no sight of the call around its rows.

use std::sync::atomic::{AtomicI64, Ordering};

use openhub_sdk::prelude::*;

/// The calls that this instance has seen.
static CALLS: AtomicI64 = AtomicI64::new(0);

#[derive(Reads)]
pub struct Row {
    #[read("row.at")]
    pub at: Timestamp,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.calls")]
    pub calls: Set<i64>,
}

#[rule(on = "Order Completed")]
pub fn counter(_row: Row) -> Effects {
    Effects { calls: To(CALLS.load(Ordering::Relaxed)) }
}

#[cfg(target_arch = "wasm32")]
mod export {
    use super::*;
    use openhub_sdk::rule::{Batch, Guest, Outcome, run};

    enum Counting {}

    impl Guest for Counting {
        fn evaluate(_rule: String, input: Batch) -> Result<Outcome, Reason> {
            CALLS.fetch_add(1, Ordering::Relaxed);
            run::<counter>(&input)
        }
    }

    openhub_sdk::bindings::rule::export_rule!(Counting with_types_in openhub_sdk::bindings::rule);
}
