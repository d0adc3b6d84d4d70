//! A channel that fails trips its own breaker, and slows no other.

use openhub_model::{Span, Timestamp};

/// Calls in a row without a single accepted message that trip it.
const TRIPS_AT: u32 = 5;
const FIRST_PAUSE: Span = Span::from_micros(1_000_000);
const LONGEST_PAUSE: i64 = 60_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u32,
    open_until: Option<Timestamp>,
}

impl Breaker {
    /// When the next call may be made, if not now.
    pub fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.open_until.filter(|until| *until > now)
    }

    pub fn succeeded(&mut self) {
        *self = Breaker::default();
    }

    /// After the pause one call is let through; if it fails too, the pause doubles.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= TRIPS_AT {
            let doublings = (self.failures - TRIPS_AT).min(16);
            let pause = (FIRST_PAUSE.micros() << doublings).min(LONGEST_PAUSE);
            self.open_until = Some(now + Span::from_micros(pause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_doubles_and_closes() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(at(0));
            assert_eq!(breaker.opens_at(at(0)), None);
        }
        breaker.failed(at(0));
        assert_eq!(breaker.opens_at(at(0)), Some(at(1)));
        assert_eq!(breaker.opens_at(at(1)), None);
        breaker.failed(at(1));
        assert_eq!(breaker.opens_at(at(1)), Some(at(3)));
        breaker.succeeded();
        assert_eq!(breaker.opens_at(at(1)), None);
    }
}
