//! The sequence leaf: A, then B within a span, without C in between.
//!
//! Events of one instant happened at the same time, whichever came first. One pass over the events, which keeps for each step the latest event with which a chain up to that step can have
//! begun: a later beginning is never worse, for the span as for the window.

use super::check::MAX_STEPS;
use super::window::Window;
use super::{Evaluation, EventFact, SequenceTest, Step, Truth};
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
        let mut begun: [Option<Timestamp>; MAX_STEPS] = [None; MAX_STEPS];
        let mut found: Option<(Timestamp, Timestamp)> = None;
        for instant in events.chunk_by(|left, right| left.at == right.at) {
            found = found.max(self.meet(instant, &mut begun));
            if let Some(without) = &self.without
                && instant.iter().any(|event| without.matches(event))
            {
                // What begins at this instant has nothing between yet.
                let at = instant[0].at;
                begun.iter_mut().for_each(|begin| *begin = begin.filter(|begin| *begin == at));
            }
        }
        found
    }

    /// The events of one instant stand in any order: each chain goes on by as many steps as there are events for.
    fn meet(
        &self,
        instant: &[EventFact],
        begun: &mut [Option<Timestamp>; MAX_STEPS],
    ) -> Option<(Timestamp, Timestamp)> {
        let at = instant[0].at;
        let steps = &self.steps;
        let mut found = None;
        for first in (0..steps.len()).rev() {
            let begin = match first {
                0 => Some(at),
                _ => begun[first - 1],
            };
            let Some(begin) = begin else { continue };
            let last = first + fitting(&steps[first..], instant);
            for (index, begun) in begun.iter_mut().enumerate().take(last).skip(first) {
                if index + 1 < steps.len() {
                    *begun = (*begun).max(Some(begin));
                } else if self.within.is_none_or(|within| at <= begin + within) {
                    found = found.max(Some((begin, at)));
                }
            }
        }
        found
    }
}

/// How many of these steps, from the first on, have each an event of its own.
fn fitting(steps: &[Step], instant: &[EventFact]) -> usize {
    if let [event] = instant {
        return usize::from(steps[0].matches(event));
    }
    let mut taken: Vec<Option<usize>> = vec![None; instant.len()];
    (0..steps.len()).take_while(|step| seat(*step, steps, instant, &mut taken, &mut vec![false; instant.len()])).count()
}

/// Gives a step an event, and whoever had it another one, if need be.
fn seat(step: usize, steps: &[Step], instant: &[EventFact], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for place in 0..instant.len() {
        if tried[place] || !steps[step].matches(&instant[place]) {
            continue;
        }
        tried[place] = true;
        if taken[place].is_none_or(|other| seat(other, steps, instant, taken, tried)) {
            taken[place] = Some(step);
            return true;
        }
    }
    false
}
