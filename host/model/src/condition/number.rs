//! Numbers as conditions compare them: exactly. A whole number of up to 64 bits is what it is, any other number the nearest
//! double, and the two compare by what they are worth.

use serde_json::Value;
use std::cmp::Ordering;

/// A number of JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    /// Above the greatest [`Number::Integer`].
    Natural(u64),
    /// Never NaN.
    Double(f64),
}

/// Above all whole numbers here in magnitude, and a double.
const BEYOND: f64 = 36_893_488_147_419_103_232.0;

impl Number {
    pub(super) fn of(value: &Value) -> Option<Number> {
        match value {
            Value::Number(number) => number
                .as_i64()
                .map(Number::Integer)
                .or_else(|| number.as_u64().map(Number::Natural))
                .or_else(|| number.as_f64().map(Number::Double)),
            _ => None,
        }
    }

    pub(super) fn count(count: usize) -> Number {
        Number::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// The nearest double, as sums take it.
    pub(super) fn nearest(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Natural(natural) => natural as f64,
            Number::Double(double) => double,
        }
    }

    pub(super) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Double(left), Number::Double(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
            (left, Number::Double(right)) => against(left.whole(), right),
            (Number::Double(left), right) => against(right.whole(), left).reverse(),
            (left, right) => left.whole().cmp(&right.whole()),
        }
    }

    fn whole(self) -> i128 {
        match self {
            Number::Integer(integer) => integer.into(),
            Number::Natural(natural) => natural.into(),
            Number::Double(double) => double as i128,
        }
    }

    pub(super) fn lesser(self, other: Number) -> Number {
        if other.compare(self).is_lt() { other } else { self }
    }

    pub(super) fn greater(self, other: Number) -> Number {
        if other.compare(self).is_gt() { other } else { self }
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Value {
        match number {
            Number::Integer(integer) => integer.into(),
            Number::Natural(natural) => natural.into(),
            Number::Double(double) => double.into(),
        }
    }
}

fn against(whole: i128, double: f64) -> Ordering {
    if double >= BEYOND {
        return Ordering::Less;
    }
    if double <= -BEYOND {
        return Ordering::Greater;
    }
    let cut = double.trunc();
    whole.cmp(&(cut as i128)).then(0.0_f64.partial_cmp(&(double - cut)).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_by_one_differs() {
        let order = |left: Value, right: Value| Number::of(&left).unwrap().compare(Number::of(&right).unwrap());
        let ascending = [
            json!(-1e30),
            json!(i64::MIN),
            json!(i64::MIN + 1),
            json!(-0.5),
            json!(0.0),
            json!(0.5),
            json!(1),
            json!(9_007_199_254_740_992.0),
            json!(9_007_199_254_740_993_i64),
            json!(1_610_521_604_143_693_812_i64),
            json!(1_610_521_604_143_693_813_i64),
            json!(i64::MAX),
            json!(9_223_372_036_854_775_808.0),
            json!(9_223_372_036_854_775_809_u64),
            json!(u64::MAX),
            json!(1e22),
        ];
        for (place, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(order(left.clone(), right.clone()), place.cmp(&other), "{left} and {right}");
            }
        }
        assert_eq!(order(json!(1), json!(1.0)), Ordering::Equal);
    }
}
