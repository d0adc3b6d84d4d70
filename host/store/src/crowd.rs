//! Whether callers who append crowd the writer: then each of the engine's commits is what they wait for.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// So many callers, who wait at the same time,
const CALLERS: usize = 2;
/// with so many events.
const EVENTS: usize = 500;
/// For so long the crowd may be on its way back with more.
const RETURN: Duration = Duration::from_millis(25);

#[derive(Default)]
pub(crate) struct Crowd(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    callers: usize,
    events: usize,
    /// When there was a crowd last.
    seen: Option<Instant>,
}

impl Waiting {
    fn is_crowd(&self) -> bool {
        self.callers >= CALLERS && self.events >= EVENTS
    }

    fn note(&mut self, now: Instant) {
        if self.is_crowd() {
            self.seen = Some(now);
        }
    }
}

impl Crowd {
    /// A caller with so many events waits from now on until the answer is dropped.
    pub(crate) fn join(&self, events: usize) -> Joined<'_> {
        self.change(|waiting| {
            waiting.callers += 1;
            waiting.events += events;
        });
        Joined { crowd: self, events }
    }

    pub(crate) fn is_there(&self, now: Instant) -> bool {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_crowd() || waiting.seen.is_some_and(|seen| now < seen + RETURN)
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        waiting.note(now);
        change(&mut waiting);
        waiting.note(now);
    }
}

/// A caller among those who wait.
pub(crate) struct Joined<'c> {
    crowd: &'c Crowd,
    events: usize,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.crowd.change(|waiting| {
            waiting.callers -= 1;
            waiting.events -= self.events;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_events_of_several_callers_are_a_crowd_and_a_while_after() {
        let crowd = Crowd::default();
        let now = Instant::now();
        let large = crowd.join(2_000);
        assert!(!crowd.is_there(now), "one caller's request waits for the next by itself");
        let small = crowd.join(1);
        assert!(crowd.is_there(Instant::now()));
        drop(large);
        assert!(crowd.is_there(Instant::now()), "they may come back");
        let later = Instant::now() + RETURN;
        assert!(!crowd.is_there(later));
        let others: Vec<Joined<'_>> = (0..400).map(|_| crowd.join(1)).collect();
        assert!(!crowd.is_there(later), "401 events are one small commit");
        let enough = crowd.join(99);
        assert!(crowd.is_there(later), "as long as they wait");
        drop((small, others, enough));
        assert!(!crowd.is_there(Instant::now() + RETURN));
    }
}
