//! Why: the tree with truth and evidence.

use serde_json::json;

use super::leaves::{DAY, Known, at};
use super::read;

#[test]
fn the_tree_says_what_was_found() {
    let known = Known::with_events(&[("Order", 1, json!({"total": 20.5})), ("Order", 3, json!({"total": 4}))]);
    let condition = read(json!({"all": [
        {"event": {"name": "Order", "aggregate": "sum", "of": "total", "is": "ge", "value": 20, "within": "10d"}},
        {"not": {"attribute": {"name": "tier", "is": "eq", "value": "gold"}}},
    ]}));
    let why = serde_json::to_value(condition.explain(&known.facts(at(3 * DAY)))).unwrap();
    assert_eq!(
        why,
        json!({"kind": "all", "truth": "unknown", "until": "1970-01-12T00:00:00Z", "parts": [
            {
                "kind": "event", "truth": "true", "until": "1970-01-12T00:00:00Z",
                "test": {"event": {"name": "Order", "within": "10d", "aggregate": "sum", "of": "total", "is": "ge", "value": 20}},
                "evidence": {"count": 2, "value": 24.5, "newest": [
                    {"at": "1970-01-04T00:00:00Z", "position": 1, "value": 4},
                    {"at": "1970-01-02T00:00:00Z", "position": 0, "value": 20.5},
                ]},
            },
            {"kind": "not", "truth": "unknown", "parts": [{
                "kind": "attribute", "truth": "unknown", "evidence": {},
                "test": {"attribute": {"name": "tier", "is": "eq", "value": "gold"}},
            }]},
        ]})
    );
}
