//! The built component, in the hub's own runtime.

use openhub_sdk_testing::{Hub, json};

#[openhub_sdk_testing::test]
fn recency_frequency_and_money(hub: Hub) {
    let effects = hub.rule("rfm").row(json!({"total": 11.77, "at": "1997-01-01T12:00:00Z"}));
    assert_eq!(effects.counter("spent_cents"), 1177);
    assert_eq!(effects.counter("orders"), 1);
    assert_eq!(effects.attribute("last_order_at"), "1997-01-01T12:00:00Z");
}

#[openhub_sdk_testing::test]
fn a_free_order_counts(hub: Hub) {
    let effects = hub.rule("rfm").row(json!({"total": "0.00"}));
    assert_eq!((effects.counter("spent_cents"), effects.counter("orders")), (0, 1));
}
