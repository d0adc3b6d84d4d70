//! Windows over facts in order of time: which facts lie in one, and when that changes by time alone.

use serde_json::Value;

use super::compare::test_number;
use super::number::Number;
use super::{Comparison, Evaluation};
use crate::time::{Span, Timestamp};

/// A part of the time line up to `now`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) now: Timestamp,
    /// (now − within, now]
    pub(super) within: Option<Span>,
    /// Included.
    pub(super) from: Option<Timestamp>,
    /// Not included.
    pub(super) to: Option<Timestamp>,
}

impl Window {
    pub(super) fn sliding(now: Timestamp, within: Option<Span>) -> Window {
        Window { now, within, from: None, to: None }
    }

    /// The facts in the window, and those that are still to come into it.
    pub(super) fn split<T>(self, facts: &[T], at: impl Fn(&T) -> Timestamp) -> (&[T], &[T]) {
        let end = facts.partition_point(|fact| self.to.is_none_or(|to| at(fact) < to));
        let present = facts[..end].partition_point(|fact| at(fact) <= self.now);
        let start = facts[..end].partition_point(|fact| {
            self.from.is_some_and(|from| at(fact) < from)
                || self.within.is_some_and(|within| at(fact) <= self.now - within)
        });
        (&facts[start.min(present)..present], &facts[start.max(present)..end])
    }

    /// When a fact leaves the window by time alone, if ever.
    pub(super) fn leaves(self, at: Timestamp) -> Option<Timestamp> {
        self.within.and_then(|within| (at + within).if_ever())
    }

    /// The truth of a comparison of how many facts are in the window: `time_of` is that of each by its place, ascending. The
    /// answer changes at the earliest when `next` comes, or when so many have left that the comparison turns.
    pub(super) fn count(
        self,
        count: usize,
        time_of: impl FnOnce(usize) -> Option<Timestamp>,
        next: Option<Timestamp>,
        is: Comparison,
        value: &Value,
    ) -> Evaluation {
        let truth_of = |count: usize| test_number(Number::count(count), is, value, |number| number);
        let truth = truth_of(count);
        let turning = match self.within {
            Some(_) => turning(count, is, |left| truth_of(left) != truth),
            None => None,
        };
        // The one whose leaving makes them `left`.
        let leaving = turning.and_then(|left| time_of(count - 1 - left));
        Evaluation { truth, until: earlier(leaving.and_then(|at| self.leaves(at)), next) }
    }
}

/// The greatest number below `count` that turns the comparison.
fn turning(count: usize, is: Comparison, turns: impl Fn(usize) -> bool) -> Option<usize> {
    match is {
        // Once turned, it stays so: halve.
        Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge => {
            let (mut turned, mut same) = (0, count);
            if count == 0 || !turns(0) {
                return None;
            }
            while same - turned > 1 {
                let middle = turned + (same - turned) / 2;
                if turns(middle) { turned = middle } else { same = middle }
            }
            Some(turned)
        }
        _ => (0..count).rev().find(|left| turns(*left)),
    }
}

pub(super) fn earlier(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}
