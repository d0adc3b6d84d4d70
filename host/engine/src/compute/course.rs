//! How far COMPUTE goes in one attempt, and in which order.
//!
//! What is over its budget is left for the next attempt, after a commit: the batch is cut between two items such that all
//! before the cut are handled and none behind it, in the order of the log.

use std::time::Duration;

use openhub_model::PartId;

/// What an attempt may do before it commits.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Events and timers, caused ones included.
    pub items: u64,
    /// Of plugins.
    pub fuel: u64,
    /// Of what is caused: events, messages and objects.
    pub bytes: u64,
    /// Since the attempt began to compute.
    pub time: Duration,
}

impl Budget {
    /// Above what a batch of the usual size needs: who meets it has caused much, or runs through a long time.
    pub const BATCH: Budget = Budget { items: 50_000, fuel: 5_000_000_000, bytes: 64 << 20, time: Duration::MAX };
    /// Of an attempt that takes its items one at a time.
    pub const SERIAL: Budget = Budget { items: 5_000, fuel: 1_000_000_000, bytes: 16 << 20, time: Duration::MAX };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Customers who have nothing to do with each other side by side.
    #[default]
    Waves,
    /// One item at a time: it can be cut anywhere.
    Serial,
}

pub struct Course<'a> {
    pub order: Order,
    pub budget: Budget,
    /// Customers whom an earlier attempt saw touch the same object: their items are taken in the order of the log.
    pub links: &'a [(PartId, PartId)],
    /// Whether the attempt is given up.
    pub is_cancelled: &'a dyn Fn() -> bool,
    pub time: Time<'a>,
}

/// What of an attempt's time is its own: where it is cut by it makes no difference to what is computed in the end.
pub struct Time<'a> {
    /// After so long it ends at the next place where it can.
    pub slice: Duration,
    /// For how long it has been computing.
    pub elapsed: &'a dyn Fn() -> Duration,
}

impl<'a> Course<'a> {
    pub fn of(
        order: Order,
        links: &'a [(PartId, PartId)],
        is_cancelled: &'a dyn Fn() -> bool,
        time: Time<'a>,
    ) -> Course<'a> {
        let budget = match order {
            Order::Waves => Budget { time: time.slice, ..Budget::BATCH },
            Order::Serial => Budget { time: time.slice / 2, ..Budget::SERIAL },
        };
        Course { order, budget, links, is_cancelled, time }
    }

    /// Without an end: of what has no items.
    pub fn endless() -> Course<'static> {
        let time = Time { slice: Duration::MAX, elapsed: &|| Duration::ZERO };
        Course::of(Order::Waves, &[], &|| false, time)
    }
}

/// What an attempt has used up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub items: u64,
    pub fuel: u64,
    pub bytes: u64,
    pub time: Duration,
}

impl Spent {
    /// Whether so much has been spent that the attempt ends at the next place where it can.
    pub fn is_over(&self, budget: &Budget) -> bool {
        self.items >= budget.items || self.fuel >= budget.fuel || self.bytes >= budget.bytes || self.is_late(budget)
    }

    /// Whether time is what was spent.
    pub fn is_late(&self, budget: &Budget) -> bool {
        self.time >= budget.time
    }

    /// Whether it has to end at once.
    pub fn is_far_over(&self, budget: &Budget) -> bool {
        let Budget { items, fuel, bytes, time } = *budget;
        self.is_over(&Budget { items: 2 * items, fuel: 2 * fuel, bytes: 2 * bytes, time: time.saturating_mul(2) })
    }
}
