//! Which events and timers an attempt takes, and in which order a customer meets them.
//!
//! An event's *bound* is the tenant's clock once the event has happened: the timers due before it fire first.
//! Timers beyond the attempt's size are cut off by `(due, id)`, and events behind the cut wait for the next attempt.

use openhub_model::event::CLOCK_ADVANCED;
use openhub_model::timer::Timer;
use openhub_model::{ClockKind, Event, EventKind, Timestamp};
use serde_json::Value;

use crate::body::Body;

/// Timers fire while `due < before` and, if the attempt was cut, not behind `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fire {
    pub before: Timestamp,
    pub upto: Option<Timer>,
}

impl Fire {
    pub fn reaches(&self, timer: &Timer) -> bool {
        timer.due < self.before && self.upto.is_none_or(|upto| (timer.due, timer.id) <= (upto.due, upto.id))
    }
}

#[derive(Clone, Debug)]
pub struct Plan {
    /// One an event taken: the tenant's clock at it, and the bound: what is due before it fires first.
    pub bounds: Vec<(Timestamp, Timestamp)>,
    pub fire: Fire,
    /// Where the tenant stands before the attempt: its clock, and its checkpoint.
    pub from: (Timestamp, i64),
    /// The tenant's clock after the attempt.
    pub clock: Timestamp,
    /// The position up to which everything is done after the attempt.
    pub checkpoint: i64,
}

/// The tenant's clock at an event: the instant it stands at, and the bound before which timers fire.
pub fn bound(kind: ClockKind, event: &Event) -> (Timestamp, Timestamp) {
    match kind {
        ClockKind::Live => (event.received_at, event.received_at),
        ClockKind::Replay => match advance(event) {
            // Every timer due at or before the target fires.
            Some(to) => (to, Timestamp::from_micros(to.micros().saturating_add(1))),
            // Of one that was erased only the machine's time is left, which is not the tenant's.
            None if matches!(event.kind, EventKind::Control | EventKind::Erased) => (Timestamp::MIN, Timestamp::MIN),
            None => (event.occurred_at, event.occurred_at),
        },
    }
}

/// The target of a clock advance.
fn advance(event: &Event) -> Option<Timestamp> {
    if event.kind != EventKind::Control || event.name != CLOCK_ADVANCED {
        return None;
    }
    let body: Value = serde_json::from_str(&event.body).ok()?;
    body["to"].as_str()?.parse().ok()
}

impl Plan {
    /// The running bounds of `events`, on a tenant whose clock stands at `clock`.
    pub fn bounds(kind: ClockKind, clock: Timestamp, events: &[Event]) -> Vec<(Timestamp, Timestamp)> {
        let mut highest = (clock, clock);
        let running = events.iter().map(|event| {
            let (now, bound) = bound(kind, event);
            highest = (highest.0.max(now), highest.1.max(bound));
            highest
        });
        running.collect()
    }

    /// Cuts `events` where the loaded timers end: at `upto` if there are more than were loaded, else after all that
    /// are due before the last bound. What lies behind the cut is left in `rest`.
    pub fn cut(
        clock: Timestamp,
        checkpoint: i64,
        until: Timestamp,
        events: &mut Vec<Event>,
        rest: &mut Vec<Event>,
        bounds: Vec<(Timestamp, Timestamp)>,
        upto: Option<Timer>,
    ) -> Plan {
        let taken = match upto {
            Some(last) => bounds.iter().take_while(|(_, bound)| *bound <= last.due).count(),
            None => events.len(),
        };
        let mut behind = events.split_off(taken);
        behind.append(rest);
        *rest = behind;
        let last = taken.checked_sub(1);
        Plan {
            from: (clock, checkpoint),
            clock: last.map_or(clock, |last| bounds[last].0),
            checkpoint: events.last().map_or(checkpoint, |event| event.position),
            fire: Fire { before: until, upto },
            bounds: bounds.into_iter().take(taken).collect(),
        }
    }
}

impl Plan {
    /// Only the events of the attempt, and no timer behind them.
    pub fn alone(&mut self) {
        let before = self.bounds.last().map_or(self.clock, |(_, bound)| *bound);
        self.fire = Fire { before, upto: None };
    }
}

/// The body of an event that COMPUTE handles; control events have none that it reads.
pub fn body(event: &Event) -> Body {
    if event.kind == EventKind::Control { Body::default() } else { Body::read(event.kind, &event.body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::{Id, Origin};

    fn event(position: i64, at: i64) -> Event {
        Event {
            position,
            origin: Origin::Arrived,
            message_id: position.to_string(),
            kind: EventKind::Track,
            name: "Order Completed".into(),
            part: None,
            occurred_at: Timestamp::from_micros(at),
            received_at: Timestamp::from_micros(1_000),
            historical: false,
            authority: Default::default(),
            cause: None,
            body: "{}".into(),
        }
    }

    fn timer(due: i64, id: u8) -> Timer {
        let id = Id::named(&[&[id]]);
        Timer::run(id, id, Timestamp::from_micros(due))
    }

    #[test]
    fn an_erased_event_does_not_move_a_replay() {
        let erased = Event { kind: EventKind::Erased, ..event(2, 1_000) };
        let bounds = Plan::bounds(ClockKind::Replay, Timestamp::from_micros(5), &[event(1, 10), erased, event(3, 20)]);
        assert_eq!(bounds.iter().map(|(now, _)| now.micros()).collect::<Vec<_>>(), [10, 10, 20]);
    }

    #[test]
    fn a_late_event_does_not_turn_the_clock_back() {
        let events = [event(1, 10), event(2, 30), event(3, 20)];
        let bounds = Plan::bounds(ClockKind::Replay, Timestamp::from_micros(5), &events);
        assert_eq!(bounds.iter().map(|(now, _)| now.micros()).collect::<Vec<_>>(), [10, 30, 30]);
    }

    #[test]
    fn an_advance_fires_what_is_due_at_its_target() {
        let mut control = event(1, 0);
        control.kind = EventKind::Control;
        control.name = "clock.advanced".into();
        control.body = r#"{"to": "1970-01-01T00:00:01Z"}"#.into();
        let (now, bound) = bound(ClockKind::Replay, &control);
        assert_eq!((now.micros(), bound.micros()), (1_000_000, 1_000_001));
    }

    #[test]
    fn events_behind_the_cut_wait() {
        let mut events = vec![event(1, 10), event(2, 30)];
        let start = Timestamp::from_micros(0);
        let bounds = Plan::bounds(ClockKind::Replay, start, &events);
        let timers = [timer(5, 1), timer(12, 2)];
        let mut rest = vec![event(3, 40)];
        let until = Timestamp::from_micros(30);
        let plan = Plan::cut(start, 0, until, &mut events, &mut rest, bounds, Some(timers[1]));
        assert_eq!((events.len(), plan.checkpoint, plan.clock.micros()), (1, 1, 10));
        assert_eq!(rest.iter().map(|event| event.position).collect::<Vec<_>>(), [2, 3]);
        assert!(plan.fire.reaches(&timers[1]));
        assert!(!plan.fire.reaches(&timer(13, 3)));
    }
}
