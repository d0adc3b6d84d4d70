//! The sequence leaf: A, then B within a span, without C in between.
//!
//! One pass over the events, which keeps for each step the latest event with which a chain up to that step can have
//! begun: a later beginning is never worse, for the span as for the window.

use super::check::MAX_STEPS;
use super::window::Window;
use super::{Evaluation, EventFact, SequenceTest, Truth};
use crate::time::Timestamp;

impl SequenceTest {
    pub(super) fn evaluate(&self, now: Timestamp, events: &[EventFact]) -> Evaluation {
        let window = Window::sliding(now, self.during);
        let (present, coming) = window.split(events, |event| event.at);
        let Some(last) = self.steps.last().filter(|_| self.steps.len() <= MAX_STEPS) else {
            return Evaluation { truth: Truth::Unknown, until: None };
        };
        match self.latest(present) {
            Some((begin, _)) => Evaluation { truth: Truth::True, until: window.leaves(begin) },
            None => {
                let next = coming.iter().find(|event| last.matches(event)).map(|event| event.at);
                Evaluation { truth: Truth::False, until: next }
            }
        }
    }

    /// The times of the first and last event of the completed chain that began last.
    pub(super) fn latest(&self, events: &[EventFact]) -> Option<(Timestamp, Timestamp)> {
        let steps = self.steps.len();
        let mut begun: [Option<Timestamp>; MAX_STEPS] = [None; MAX_STEPS];
        let mut found: Option<(Timestamp, Timestamp)> = None;
        for event in events {
            for (index, step) in self.steps.iter().enumerate().rev() {
                let begin = match index {
                    0 => None,
                    _ => begun[index - 1],
                };
                let Some(begin) = begin.filter(|_| step.matches(event)) else { continue };
                if index + 1 < steps {
                    begun[index] = begun[index].max(Some(begin));
                } else if self.within.is_none_or(|within| event.at <= begin + within) {
                    found = found.max(Some((begin, event.at)));
                }
            }
            if self.without.as_ref().is_some_and(|without| without.matches(event)) {
                begun = [None; MAX_STEPS];
            }
            if self.steps[0].matches(event) {
                match steps {
                    1 => found = Some((event.at, event.at)),
                    _ => begun[0] = Some(event.at),
                }
            }
        }
        found
    }
}
