//! Branches: which way is taken.

use serde_json::{Value, json};

use crate::{Trip, customer};

fn nodes(first: Value, second: Value) -> Value {
    json!({
        "start": {
            "type": "branch",
            "branches": [{ "if": first, "next": "first" }, { "if": second, "next": "second" }],
            "else": "other"
        },
        "first": { "type": "exit" }, "second": { "type": "exit" }, "other": { "type": "exit" }
    })
}

#[test]
fn the_first_condition_that_holds_decides() {
    let gold = json!({ "attribute": { "name": "tier", "is": "eq", "value": "gold" } });
    let silver = json!({ "attribute": { "name": "tier", "is": "eq", "value": "silver" } });
    let vip = json!({ "tag": "vip" });
    let absent = json!({ "attribute": { "name": "country", "is": "ne", "value": "de" } });
    for (first, second, way) in [
        (&gold, &vip, "first"),
        (&silver, &vip, "second"),
        (&silver, &json!({ "not": vip }), "other"),
        // What is unknown does not hold, and neither does its negation.
        (&absent, &json!({ "not": absent }), "other"),
        (&json!({ "attribute": { "name": "country", "is": "missing" } }), &gold, "first"),
    ] {
        let mut trip = Trip::with(nodes(first.clone(), second.clone()), Value::Null, customer());
        assert_eq!(trip.enter().entered, ["start", way], "{first} {second}");
        assert_eq!(trip.run.step, 2);
    }
}
