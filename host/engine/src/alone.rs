//! Which item of a batch fails: what fails is made smaller until one stands alone.

use openhub_model::Timestamp;
use openhub_model::run::Timer;

use crate::compute::Input;

/// The one item of an attempt, if it is one.
pub enum Alone {
    Event {
        position: i64,
        message_id: String,
        clock: Timestamp,
    },
    /// `until` is when the attempt ends by the tenant's clock.
    Timer {
        timer: Timer,
        until: Timestamp,
    },
}

impl Alone {
    pub fn of(input: &Input, timers: &[Timer]) -> Option<Alone> {
        match (input.events.as_slice(), timers) {
            ([event], []) => Some(Alone::Event {
                position: event.position,
                message_id: event.message_id.clone(),
                clock: input.plan.clock,
            }),
            ([], [timer]) => Some(Alone::Timer { timer: *timer, until: input.plan.fire.before }),
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
