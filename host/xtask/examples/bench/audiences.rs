//! Segments to measure with: the five of the standard mix, and crowds that mention what events bring, or never do.

use serde_json::{Value, json};

use crate::hub::Segment;

pub const ORDER: &str = "Order Completed";

/// One of each kind that the standard events move: counts, sums, absence, what a rule keeps, what an `identify` says.
pub fn standard() -> Vec<Segment> {
    let orders = |within: &str, at_least: i64| json!({"event": {"name": ORDER, "within": within, "is": "ge", "value": at_least}});
    let sum = json!({"aggregate": "sum", "of": "total", "name": ORDER, "within": "45d", "is": "ge", "value": 1_000});
    [
        ("two-orders", orders("30d", 2)),
        ("quiet", json!({"not": orders("60d", 1)})),
        ("big-sum", json!({"event": sum})),
        ("spent", json!({"attribute": {"name": "spent_cents", "is": "ge", "value": 20_000}})),
        ("gold", json!({"attribute": {"name": "plan", "is": "eq", "value": "gold"}})),
    ]
    .map(|(name, condition)| (name.to_owned(), condition))
    .into()
}

/// Whether a crowd mentions what the events bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    Irrelevant,
    Relevant,
}

impl Crowd {
    pub fn name(self) -> &'static str {
        match self {
            Crowd::Irrelevant => "irrelevant",
            Crowd::Relevant => "relevant",
        }
    }

    /// So many segments, each with a condition of its own.
    pub fn segments(self, count: usize) -> Vec<Segment> {
        let condition = |number| match self {
            Crowd::Irrelevant => irrelevant(number),
            Crowd::Relevant => relevant(number),
        };
        (0..count).map(|number| (format!("{}-{number}", self.name()), condition(number))).collect()
    }
}

/// Names and attributes that no event brings.
fn irrelevant(number: usize) -> Value {
    match number % 3 {
        0 => json!({"event": {"name": format!("Other {number}"), "within": "30d", "is": "ge", "value": 2}}),
        1 => json!({"attribute": {"name": format!("other_{number}"), "is": "ge", "value": number}}),
        _ => json!({"tag": format!("other-{number}")}),
    }
}

/// Each order asks all of these; their bounds are spread, so that an order moves its customer through few of them.
fn relevant(number: usize) -> Value {
    let (within, bound) = (format!("{}d", 7 + number % 84), 3 + number);
    match number % 4 {
        0 => json!({"event": {"name": ORDER, "within": within, "is": "ge", "value": bound}}),
        1 => json!({"event": {"name": ORDER, "within": within, "aggregate": "sum", "of": "total", "is": "ge",
            "value": 250 * bound}}),
        2 => json!({"not": {"event": {"name": ORDER, "within": within, "is": "lt", "value": bound}}}),
        _ => json!({"event": {"name": ORDER, "where": [{"property": "quantity", "is": "ge", "value": 3}],
            "within": within, "is": "ge", "value": bound}}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Condition;

    #[test]
    fn all_are_conditions() {
        let all = [standard(), Crowd::Irrelevant.segments(6), Crowd::Relevant.segments(8)].concat();
        for (name, condition) in all {
            let condition: Condition = serde_json::from_value(condition).unwrap();
            assert!(condition.faults("").is_empty(), "{name}");
        }
    }
}
