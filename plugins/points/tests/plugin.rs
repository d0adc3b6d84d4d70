//! The built component, in the hub's own runtime.

use openhub_sdk_testing::{Hub, json};

#[openhub_sdk_testing::test]
fn gold_from_silver_is_told(hub: Hub) {
    let effects = hub.rule("points").row(json!({"total": "300.99", "points": 200, "tier": "silver"}));
    assert_eq!(effects.attribute("points"), 500);
    assert_eq!(effects.attribute("tier"), "gold");
    assert_eq!(effects.event_names(), ["Tier Changed"]);
    assert_eq!(effects.events[0].properties, json!({"from": "silver", "to": "gold", "points": 500}));
}

#[openhub_sdk_testing::test]
fn rows_keep_to_themselves(hub: Hub) {
    let rows = [
        json!({"total": "14.99"}),
        json!({"total": "-1.00", "points": 3, "tier": "bronze"}),
        json!({"total": "200.00"}),
        json!({"total": "0.99", "points": 7, "tier": "bronze"}),
    ];
    let effects = hub.rule("points").rows(&rows);
    assert_eq!(effects[0].attribute("tier"), "bronze");
    assert_eq!(effects[1].fault.as_ref().expect("a fault").code, "negative-total");
    assert_eq!(effects[2].attribute("points"), 200);
    assert_eq!(effects[3].attribute("points"), 7);
    // Everybody starts at bronze: only the third moves.
    assert_eq!(effects[2].event_names(), ["Tier Changed"]);
    assert!([0, 1, 3].iter().all(|row| effects[*row].events.is_empty()));
}
