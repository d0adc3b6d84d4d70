//! Comparisons of single values; the table of their meanings is in the parent's docs.

use serde_json::Value;
use std::cmp::Ordering;

use super::instant::{Relative, instant, is_date};
use super::number::Number;
use super::window::earlier;
use super::{Comparison, FieldTest, PropertyTest, Truth};
use crate::time::Timestamp;

/// Whether two JSON values are equal as conditions compare them: `1` and `1.0` are, `1` and `"1"` are not.
pub fn same(left: &Value, right: &Value) -> bool {
    compare(left, Comparison::Eq, right).holds()
}

/// The order of two numbers, as conditions compare them.
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    Some(Number::of(left)?.compare(Number::of(right)?))
}

/// The truth of a test for a value that may be absent.
pub(super) fn test(found: Option<&Value>, is: Comparison, value: &Value) -> Truth {
    let found = found.filter(|found| !found.is_null());
    match (is, found) {
        (Comparison::Exists, found) => Truth::of(found.is_some()),
        (Comparison::Missing, found) => Truth::of(found.is_none()),
        (_, None) => Truth::Unknown,
        (Comparison::In, Some(found)) => one_of(value, |value| compare(found, Comparison::Eq, value)),
        (is, Some(found)) => compare(found, is, value),
    }
}

/// The truth of a test that may compare with a time relative to `now`, and when that changes by time alone.
pub(super) fn test_at(
    found: Option<&Value>,
    is: Comparison,
    value: &Value,
    now: Timestamp,
) -> (Truth, Option<Timestamp>) {
    match Relative::of(value) {
        Some(relative) => relative.test(found, is, now),
        None => (test(found, is, value), None),
    }
}

/// The truth of a test for a number. `scale` is what the condition's own numbers go through first.
pub(super) fn test_number(
    found: Number,
    is: Comparison,
    value: &Value,
    scale: impl Fn(Number) -> Number + Copy,
) -> Truth {
    match (is, value) {
        (Comparison::Exists, _) => Truth::True,
        (Comparison::Missing, _) => Truth::False,
        (Comparison::In, _) => one_of(value, |value| test_number(found, Comparison::Eq, value, scale)),
        (is, value) => ordered(is, Number::of(value).map(|number| found.compare(scale(number)))),
    }
}

/// Whether an event's properties pass all of these tests.
pub fn properties_match(tests: &[PropertyTest], properties: &Value) -> bool {
    tests.iter().all(|each| test(properties.get(&each.property), each.is, &each.value).holds())
}

/// Whether an object's fields pass all of these tests.
pub fn object_matches(tests: &[FieldTest], fields: &Value, now: Timestamp) -> bool {
    fields_match(tests, fields, now).0
}

/// Whether all tests on an object's fields are true, and when one of them may change by time alone.
pub(super) fn fields_match(tests: &[FieldTest], fields: &Value, now: Timestamp) -> (bool, Option<Timestamp>) {
    let mut matches = (true, None);
    for each in tests {
        let (truth, until) = test_at(fields.get(&each.field), each.is, &each.value, now);
        matches = (matches.0 && truth.holds(), earlier(matches.1, until));
    }
    matches
}

/// Equal to the first, or to the second, …
fn one_of(values: &Value, equals: impl Fn(&Value) -> Truth) -> Truth {
    match values {
        Value::Array(values) => values.iter().fold(Truth::False, |truth, value| truth.or(equals(value))),
        _ => Truth::Unknown,
    }
}

fn compare(left: &Value, is: Comparison, right: &Value) -> Truth {
    let order = match (left, right) {
        (Value::Number(_), Value::Number(_)) => {
            Number::of(left).zip(Number::of(right)).map(|(left, right)| left.compare(right))
        }
        (Value::String(left), Value::String(right)) => {
            let instants = || instant(right).and_then(|right| Some(instant(left)?.cmp(&right)));
            return match is {
                Comparison::Prefix | Comparison::Contains => texts(left, is, right),
                is => match instants() {
                    Some(order) => ordered(is, Some(order)),
                    // What is no time is neither before one nor behind it.
                    None if is.is_ordering() && is_dated(right) && !is_dated(left) => Truth::Unknown,
                    None => texts(left, is, right),
                },
            };
        }
        (Value::Bool(left), Value::Bool(right)) if matches!(is, Comparison::Eq | Comparison::Ne) => {
            Some(left.cmp(right))
        }
        _ => None,
    };
    ordered(is, order)
}

/// Whether a text writes a day or an instant.
fn is_dated(text: &str) -> bool {
    is_date(text) || instant(text).is_some()
}

pub(super) fn texts(left: &str, is: Comparison, right: &str) -> Truth {
    match is {
        Comparison::Prefix => Truth::of(left.starts_with(right)),
        Comparison::Contains => Truth::of(left.contains(right)),
        is => ordered(is, Some(left.as_bytes().cmp(right.as_bytes()))),
    }
}

fn ordered(is: Comparison, order: Option<Ordering>) -> Truth {
    let Some(order) = order else { return Truth::Unknown };
    match is {
        Comparison::Eq => Truth::of(order == Ordering::Equal),
        Comparison::Ne => Truth::of(order != Ordering::Equal),
        Comparison::Lt => Truth::of(order == Ordering::Less),
        Comparison::Le => Truth::of(order != Ordering::Greater),
        Comparison::Gt => Truth::of(order == Ordering::Greater),
        Comparison::Ge => Truth::of(order != Ordering::Less),
        Comparison::In | Comparison::Prefix | Comparison::Contains | Comparison::Exists | Comparison::Missing => {
            Truth::Unknown
        }
    }
}
