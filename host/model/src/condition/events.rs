//! The event leaf: an aggregate over the matching events of a window.
//!
//! Allocates only for `distinct`.

use serde_json::Value;

use super::compare::{properties_match, test, test_number};
use super::history::History;
use super::number::Number;
use super::window::{Window, earlier};
use super::{Aggregate, Evaluation, EventFact, EventTest, Step, Truth};
use crate::time::Timestamp;

impl EventTest {
    pub(super) fn matches(&self, event: &EventFact) -> bool {
        *event.name == *self.name && properties_match(&self.tests, &event.properties)
    }

    pub(super) fn window(&self, now: Timestamp) -> Window {
        Window { now, within: self.within, from: self.from, to: self.to }
    }

    pub(super) fn evaluate(&self, now: Timestamp, history: &History) -> Evaluation {
        if let Some(evaluation) = self.evaluate_series(now, history) {
            return evaluation;
        }
        let window = self.window(now);
        let (present, coming) = window.split(history.events(), |event| event.at);
        let next = coming.iter().find(|event| self.matches(event)).map(|event| event.at);
        let matching = present.iter().filter(|event| self.matches(event));
        if self.aggregate == Aggregate::Count {
            let place = |place: usize| matching.clone().nth(place).map(|event| event.at);
            return window.count(matching.clone().count(), place, next, self.is, &self.value);
        }
        // A part of them may leave without a change; that is then found out at that moment.
        let leaving = match (self.within, self.aggregate) {
            (None, _) => None,
            (_, Aggregate::Last) => matching.clone().next_back(),
            _ => matching.clone().next(),
        };
        let until = earlier(leaving.and_then(|event| window.leaves(event.at)), next);
        Evaluation { truth: self.aggregated(matching), until }
    }

    /// The aggregate itself, for a reader; `null` if there is none.
    pub(super) fn value_of<'a, I>(&self, mut matching: I) -> Value
    where
        I: DoubleEndedIterator<Item = &'a EventFact> + Clone,
    {
        let of = self.of.as_deref().unwrap_or_default();
        let value = |event: Option<&EventFact>| event.and_then(|event| event.properties.get(of)).cloned();
        match self.aggregate {
            Aggregate::Count => matching.count().into(),
            Aggregate::Sum => Sum::of(numbers(matching, of)).total().map(|total| total / 1e6).into(),
            Aggregate::Avg => Sum::of(numbers(matching, of)).average().map(|average| average / 1e6).into(),
            Aggregate::Min => numbers(matching, of).reduce(Number::lesser).map(Value::from).into(),
            Aggregate::Max => numbers(matching, of).reduce(Number::greater).map(Value::from).into(),
            Aggregate::First => value(matching.next()).into(),
            Aggregate::Last => value(matching.next_back()).into(),
            Aggregate::Distinct => distinct(matching, of).into(),
        }
    }

    /// How many of the numbers to add up are too great for a sum.
    pub(super) fn beyond<'a>(&self, matching: impl Iterator<Item = &'a EventFact>) -> u32 {
        match self.aggregate {
            Aggregate::Sum | Aggregate::Avg => {
                Sum::of(numbers(matching, self.of.as_deref().unwrap_or_default())).beyond
            }
            _ => 0,
        }
    }

    fn aggregated<'a, I>(&self, mut matching: I) -> Truth
    where
        I: DoubleEndedIterator<Item = &'a EventFact> + Clone,
    {
        let of = self.of.as_deref().unwrap_or_default();
        let number = |found: Option<Number>, scale: fn(Number) -> Number| match found {
            Some(found) => test_number(found, self.is, &self.value, scale),
            None => Truth::Unknown,
        };
        let value = |event: Option<&EventFact>| match event {
            Some(event) => test(event.properties.get(of), self.is, &self.value),
            None => Truth::Unknown,
        };
        match self.aggregate {
            Aggregate::Count => number(Some(Number::count(matching.count())), plain),
            Aggregate::Sum => number(Sum::of(numbers(matching, of)).total().map(Number::Double), scaled),
            Aggregate::Avg => number(Sum::of(numbers(matching, of)).average().map(Number::Double), scaled),
            Aggregate::Min => number(numbers(matching, of).reduce(Number::lesser), plain),
            Aggregate::Max => number(numbers(matching, of).reduce(Number::greater), plain),
            Aggregate::First => value(matching.next()),
            Aggregate::Last => value(matching.next_back()),
            Aggregate::Distinct => number(Some(Number::count(distinct(matching, of))), plain),
        }
    }
}

impl Step {
    pub(super) fn matches(&self, event: &EventFact) -> bool {
        *event.name == *self.name && properties_match(&self.tests, &event.properties)
    }
}

/// Greatest magnitude of a number in a sum, in whole units: of what has a greater one in it no sum is known.
pub const MICROS_LIMIT: f64 = 9e12;

/// A number in millionths, halves rounded away from zero, as sums and averages take it; none beyond [`MICROS_LIMIT`].
pub fn micros(number: f64) -> Option<i64> {
    let fits = number.abs() <= MICROS_LIMIT;
    fits.then(|| (number * 1e6 + if number < 0.0 { -0.5 } else { 0.5 }) as i64)
}

/// What a sum or an average is compared with, in millionths: a sum may be greater than any number in it.
pub fn scaled_operand(number: f64) -> Result<i64, f64> {
    micros(number).ok_or_else(|| (number * 1e6).clamp(f64::MIN, f64::MAX))
}

pub(super) fn plain(number: Number) -> Number {
    number
}

pub(super) fn scaled(number: Number) -> Number {
    scaled_operand(number.nearest()).map_or_else(Number::Double, Number::Integer)
}

fn numbers<'a>(events: impl Iterator<Item = &'a EventFact>, of: &str) -> impl Iterator<Item = Number> {
    events.filter_map(move |event| event.properties.get(of).and_then(Number::of))
}

/// A sum of millionths, apart in whole units and the rest, so that it does not overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    units: i64,
    rest: i64,
    terms: u32,
    /// Of the terms, those beyond [`MICROS_LIMIT`], which are not added up.
    beyond: u32,
}

impl Sum {
    pub(super) fn of(numbers: impl Iterator<Item = Number>) -> Sum {
        numbers.fold(Sum::default(), |sum, number| {
            sum.plus(match micros(number.nearest()) {
                Some(micros) => Sum { units: micros / 1_000_000, rest: micros % 1_000_000, terms: 1, beyond: 0 },
                None => Sum { terms: 1, beyond: 1, ..Sum::default() },
            })
        })
    }

    pub(super) fn plus(self, other: Sum) -> Sum {
        Sum {
            units: self.units + other.units,
            rest: self.rest + other.rest,
            terms: self.terms + other.terms,
            beyond: self.beyond + other.beyond,
        }
    }

    /// Without terms that are in it.
    pub(super) fn minus(self, other: Sum) -> Sum {
        Sum {
            units: self.units - other.units,
            rest: self.rest - other.rest,
            terms: self.terms - other.terms,
            beyond: self.beyond - other.beyond,
        }
    }

    /// None if a term lies beyond [`MICROS_LIMIT`].
    pub(super) fn total(&self) -> Option<f64> {
        (self.beyond == 0).then_some(self.units as f64 * 1e6 + self.rest as f64)
    }

    pub(super) fn average(&self) -> Option<f64> {
        self.total().filter(|_| self.terms > 0).map(|total| total / f64::from(self.terms))
    }
}

fn distinct<'a>(events: impl Iterator<Item = &'a EventFact>, of: &str) -> usize {
    let (mut texts, mut numbers, mut booleans) = (Vec::new(), Vec::new(), [false; 2]);
    for event in events {
        match event.properties.get(of) {
            Some(Value::String(text)) => texts.push(text.as_str()),
            Some(value @ Value::Number(_)) => numbers.extend(Number::of(value)),
            Some(Value::Bool(truth)) => booleans[usize::from(*truth)] = true,
            _ => {}
        }
    }
    texts.sort_unstable();
    texts.dedup();
    numbers.sort_unstable_by(|left, right| left.compare(*right));
    // Also takes the two zeros for one.
    numbers.dedup_by(|left, right| left.compare(*right).is_eq());
    texts.len() + numbers.len() + booleans.into_iter().filter(|seen| *seen).count()
}
