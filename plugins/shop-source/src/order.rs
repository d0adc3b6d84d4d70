//! What happens to an order, as marketing calls it, and whose it is.

use openhub_sdk::prelude::*;
use serde_json::Value;

/// An order is paid.
#[derive(Clone, Debug, Event)]
pub struct OrderCompleted {
    pub order_id: String,
    pub total: Decimal<2>,
    pub currency: String,
    /// How many pieces.
    pub quantity: i64,
    /// Of the first line.
    pub sku: Option<String>,
    pub coupon: Option<String>,
}

#[derive(Clone, Debug, Event)]
pub struct OrderCancelled {
    pub order_id: String,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Event)]
pub struct OrderRefunded {
    pub order_id: String,
    pub total: Decimal<2>,
}

/// Why a call is refused that is signed and makes no sense.
pub fn malformed(what: &str) -> Failure {
    Failure::Rejected(Reason::new("malformed", format!("the order has no valid `{what}`")))
}

/// A text, or the digits of a number.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An amount, of more digits than two, too, if they are zeros.
pub fn amount(order: &Value, name: &str) -> Result<Decimal<2>, Failure> {
    text(&order[name]).and_then(|text| Decimal::parse(&text)).ok_or_else(|| malformed(name))
}

/// Adds whose an event is. An order of nobody is of no use to marketing: none.
pub fn of<E: Event>(mut event: Happened<E>, who: &[(&str, Option<String>)]) -> Option<Happened<E>> {
    let mut known = false;
    for (kind, value) in who {
        if let Some(value) = value {
            event = event.of(*kind, value);
            known = true;
        }
    }
    known.then_some(event)
}

pub fn quantity(lines: &Value) -> i64 {
    lines.as_array().into_iter().flatten().filter_map(|line| line["quantity"].as_i64()).sum()
}
