//! Where an item stands in the order in which batches of one would handle all items, whatever customer they are of.
//!
//! An event stands at its bound, a timer at its due time; an event at the very instant of a timer goes first. What an item
//! causes, and a timer that it arms for a time gone by, follow it before anything else: they share its place.

use openhub_model::timer::Timer;
use openhub_model::{Id, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    at: Timestamp,
    rank: Rank,
    /// How many items have followed the one whose place it is.
    step: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// By position.
    Event(i64),
    Timer(Id),
}

impl Default for Place {
    fn default() -> Place {
        Place::FIRST
    }
}

impl Place {
    /// Before everything.
    pub const FIRST: Place = Place { at: Timestamp::MIN, rank: Rank::Event(i64::MIN), step: 0 };

    pub fn event(bound: Timestamp, position: i64) -> Place {
        Place { at: bound, rank: Rank::Event(position), step: 0 }
    }

    pub fn timer(timer: &Timer) -> Place {
        Place { at: timer.due, rank: Rank::Timer(timer.id), step: 0 }
    }

    /// The next item of who handled `self` last.
    pub fn then(self, next: Place) -> Place {
        if next > self { next } else { self.follows() }
    }

    /// The place of what this causes.
    pub fn follows(self) -> Place {
        Place { step: self.step.saturating_add(1), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_before_a_timer_of_its_instant_and_what_is_overdue_follows_who_armed_it() {
        let id = Id::named(&[b"run"]);
        let timer = |due| Place::timer(&Timer::run(id, id, Timestamp::from_micros(due)));
        let event = |bound, position| Place::event(Timestamp::from_micros(bound), position);
        assert!(timer(9) < event(10, 1) && event(10, 1) < event(10, 2) && event(10, 2) < timer(10));
        let armed = event(10, 1).then(timer(5));
        assert!(event(10, 1) < armed && armed < event(10, 2));
        assert_eq!(event(10, 1).then(event(10, 2)), event(10, 2));
    }
}
