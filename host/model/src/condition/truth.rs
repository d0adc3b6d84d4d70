//! In-memory evaluation of a condition over one loaded customer.
//!
//! The table of meanings is in the parent's docs. This module is its executable form, and the reference that
//! the SQL form is tested against; it checks nothing and never fails.

use serde_json::Value;
use std::cmp::Ordering;
use std::ops::Not;

use super::{AttributeTest, Comparison, Condition};
use crate::customer::Customer;

/// Kleene's three-valued truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    True,
    False,
    /// A comparison with something absent or of another type.
    Unknown,
}

impl Truth {
    pub const fn of(holds: bool) -> Truth {
        if holds { Truth::True } else { Truth::False }
    }

    /// Whether it is `True`: what is unknown does not hold.
    pub const fn holds(self) -> bool {
        matches!(self, Truth::True)
    }

    pub const fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::True, Truth::True) => Truth::True,
            _ => Truth::Unknown,
        }
    }

    pub const fn or(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::True, _) | (_, Truth::True) => Truth::True,
            (Truth::False, Truth::False) => Truth::False,
            _ => Truth::Unknown,
        }
    }
}

impl Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
        }
    }
}

impl Condition {
    /// The truth of this condition for a customer.
    pub fn holds(&self, customer: &Customer) -> Truth {
        match self {
            Condition::All(parts) => fold(parts, customer, Truth::True, Truth::and, Truth::False),
            Condition::Any(parts) => fold(parts, customer, Truth::False, Truth::or, Truth::True),
            Condition::Not(part) => !part.holds(customer),
            Condition::Attribute(test) => test.holds(customer.attribute(&test.name)),
            Condition::Tag(name) => Truth::of(customer.has_tag(name)),
        }
    }
}

/// Stops at the first part that decides.
fn fold(
    parts: &[Condition],
    customer: &Customer,
    empty: Truth,
    join: fn(Truth, Truth) -> Truth,
    decides: Truth,
) -> Truth {
    let mut truth = empty;
    for part in parts {
        truth = join(truth, part.holds(customer));
        if truth == decides {
            break;
        }
    }
    truth
}

impl AttributeTest {
    /// The truth for an attribute's value; `None` if it is absent or `null`.
    fn holds(&self, attribute: Option<&Value>) -> Truth {
        match (self.is, attribute) {
            (Comparison::Exists, found) => Truth::of(found.is_some()),
            (Comparison::Missing, found) => Truth::of(found.is_none()),
            (_, None) => Truth::Unknown,
            (Comparison::In, Some(found)) => match &self.value {
                Value::Array(values) => {
                    values.iter().fold(Truth::False, |truth, value| truth.or(compare(found, Comparison::Eq, value)))
                }
                _ => Truth::Unknown,
            },
            (is, Some(found)) => compare(found, is, &self.value),
        }
    }
}

/// Whether two JSON values are equal as conditions compare them: `1` and `1.0` are, `1` and `"1"` are not.
pub fn same(left: &Value, right: &Value) -> bool {
    compare(left, Comparison::Eq, right).holds()
}

fn compare(left: &Value, is: Comparison, right: &Value) -> Truth {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right))
        }
        (Value::String(left), Value::String(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Value::Bool(left), Value::Bool(right)) if matches!(is, Comparison::Eq | Comparison::Ne) => {
            Some(left.cmp(right))
        }
        _ => None,
    };
    let Some(order) = order else { return Truth::Unknown };
    match is {
        Comparison::Eq => Truth::of(order == Ordering::Equal),
        Comparison::Ne => Truth::of(order != Ordering::Equal),
        Comparison::Lt => Truth::of(order == Ordering::Less),
        Comparison::Le => Truth::of(order != Ordering::Greater),
        Comparison::Gt => Truth::of(order == Ordering::Greater),
        Comparison::Ge => Truth::of(order != Ordering::Less),
        Comparison::In | Comparison::Exists | Comparison::Missing => Truth::Unknown,
    }
}
