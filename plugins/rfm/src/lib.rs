//! Recency, frequency and monetary value from orders: when the last one was, how many there were, what they summed to.
//!
//! It reads no state, so that orders of one customer need no order among themselves: counters add up, and the hub
//! never lets an older event's value replace a newer one. An order with a negative total lowers the sum, as a
//! correction would, and counts.

use openhub_sdk::prelude::*;

#[derive(Clone, Copy, Debug, Reads)]
pub struct Order {
    #[read("row.at")]
    pub at: Timestamp,
    #[read("event.properties.total", bind)]
    pub total: Decimal<2>,
}

#[derive(Debug, Default, PartialEq, Writes)]
pub struct Effects {
    /// Monetary value.
    #[write("customer.counters.spent_cents")]
    pub spent_cents: Add,
    /// Frequency.
    #[write("customer.counters.orders")]
    pub orders: Add,
    /// Recency.
    #[write("customer.attributes.last_order_at")]
    pub last_order_at: Set<Timestamp>,
}

/// Counts an order.
#[rule(on = "Order Completed")]
pub fn rfm(order: Order) -> Effects {
    Effects { spent_cents: Add(order.total.units()), orders: Add(1), last_order_at: To(order.at) }
}

openhub_sdk::plugin! { rules: [rfm] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_counts_its_cents() {
        let at = Timestamp::parse("1997-01-01T12:00:00Z").expect("a time");
        let effects = rfm(Order { at, total: Decimal::parse("11.77").expect("an amount") });
        assert_eq!(effects, Effects { spent_cents: Add(1177), orders: Add(1), last_order_at: To(at) });
    }
}
