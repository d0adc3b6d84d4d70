//! Which item of a batch fails: what fails is made smaller until one stands alone.

use openhub_model::timer::Timer;
use openhub_model::{Event, PartId, Timestamp};

use crate::compute::Plan;

/// The one item of an attempt, if it is one.
pub enum Alone {
    Event {
        position: i64,
        message_id: String,
        part: Option<PartId>,
        clock: Timestamp,
    },
    /// `until` is when the attempt ends by the tenant's clock.
    Timer {
        timer: Timer,
        until: Timestamp,
    },
    Control {
        event: Box<Event>,
    },
}

impl Alone {
    pub fn of(plan: &Plan, events: &[Event], timers: &[Timer]) -> Option<Alone> {
        match (events, timers) {
            ([event], []) => Some(Alone::Event {
                position: event.position,
                message_id: event.message_id.clone(),
                part: event.part,
                clock: plan.clock,
            }),
            ([], [timer]) => Some(Alone::Timer { timer: *timer, until: plan.fire.before }),
            _ => None,
        }
    }
}

/// The size of the attempt after one of so many items that failed: smaller each time, until one item stands alone.
pub fn halved(batch: usize, limit: usize) -> usize {
    (batch.min(limit) / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::halved;

    /// A batch has more items than its limit says, since it takes timers beside its events.
    #[test]
    fn what_fails_becomes_smaller_until_it_stands_alone() {
        for limit in 2..200 {
            for batch in 2..=4 * limit {
                let smaller = halved(batch, limit);
                assert!((1..limit).contains(&smaller) && smaller < batch, "{batch} items at {limit}: {smaller}");
            }
        }
    }
}
