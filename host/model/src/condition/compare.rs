//! Comparisons of single values; the table of their meanings is in the parent's docs.

use serde_json::Value;
use std::cmp::Ordering;

use super::{Comparison, FieldTest, PropertyTest, Truth};

/// Greatest magnitude of a number in a sum, in whole units.
pub const MICROS_LIMIT: f64 = 9e12;

/// A number in millionths, halves rounded away from zero, as sums and averages take it.
pub fn micros(number: f64) -> i64 {
    let number = number.clamp(-MICROS_LIMIT, MICROS_LIMIT);
    (number * 1e6 + if number < 0.0 { -0.5 } else { 0.5 }) as i64
}

/// Whether two JSON values are equal as conditions compare them: `1` and `1.0` are, `1` and `"1"` are not.
pub fn same(left: &Value, right: &Value) -> bool {
    compare(left, Comparison::Eq, right).holds()
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

/// The truth of a test for a number. `scale` is what the condition's own numbers go through first.
pub(super) fn test_number(found: f64, is: Comparison, value: &Value, scale: impl Fn(f64) -> f64 + Copy) -> Truth {
    match (is, value) {
        (Comparison::Exists, _) => Truth::True,
        (Comparison::Missing, _) => Truth::False,
        (Comparison::In, _) => one_of(value, |value| test_number(found, Comparison::Eq, value, scale)),
        (is, Value::Number(number)) => {
            ordered(is, number.as_f64().and_then(|number| found.partial_cmp(&scale(number))))
        }
        _ => Truth::Unknown,
    }
}

/// Whether all tests on an event's properties are true.
/// Whether an event's properties pass all of these tests.
pub fn properties_match(tests: &[PropertyTest], properties: &Value) -> bool {
    tests.iter().all(|each| test(properties.get(&each.property), each.is, &each.value).holds())
}

/// Whether all tests on an object's fields are true.
pub(super) fn fields_match(tests: &[FieldTest], fields: &Value) -> bool {
    tests.iter().all(|each| test(fields.get(&each.field), each.is, &each.value).holds())
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
        (Value::Number(left), Value::Number(right)) => {
            left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right))
        }
        (Value::String(left), Value::String(right)) => return texts(left, is, right),
        (Value::Bool(left), Value::Bool(right)) if matches!(is, Comparison::Eq | Comparison::Ne) => {
            Some(left.cmp(right))
        }
        _ => None,
    };
    ordered(is, order)
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
