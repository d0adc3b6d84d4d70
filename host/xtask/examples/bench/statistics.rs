//! Medians and percentiles of measured values, and lines through them.

use serde_json::{Value, json};
use std::fmt;

/// The value below which `share` (0 to 1) of the values lie; 0 without any.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// Keeps four digits: more of a measurement mean nothing.
pub fn digits(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// A line `a + b·x` through points, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    pub a: f64,
    pub b: f64,
}

impl Fit {
    pub fn of(points: &[(f64, f64)]) -> Fit {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count.max(1.0);
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let b = if spread == 0.0 { 0.0 } else { together / spread };
        Fit { a: y - b * x, b }
    }

    pub fn json(&self) -> Value {
        json!({"a": digits(self.a), "b": digits(self.b)})
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a = {}, b = {}", digits(self.a), digits(self.b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!((median(&values), percentile(&values, 0.99), percentile(&values, 0.0)), (3.0, 5.0, 1.0));
        assert_eq!(median(&[]), 0.0);
        assert_eq!(digits(123_456.0), 123_500.0);
        assert_eq!(digits(0.0123456), 0.01235);
    }

    #[test]
    fn a_line_goes_through_its_points() {
        assert_eq!(Fit::of(&[(4.0, 9.0), (5.0, 11.0), (6.0, 13.0)]), Fit { a: 1.0, b: 2.0 });
        assert_eq!(Fit::of(&[(4.0, 9.0)]), Fit { a: 9.0, b: 0.0 });
    }
}
