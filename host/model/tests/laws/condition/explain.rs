//! Why: the tree with truth and evidence.

use openhub_model::condition::{Explanation, NESTED, NESTED_DEPTH};
use serde_json::json;
use std::collections::BTreeMap;

use super::leaves::{DAY, Known, at};
use super::read;

#[test]
fn the_tree_says_what_was_found() {
    let known = Known::with_events(&[("Order", 1, json!({"total": 20.5})), ("Order", 3, json!({"total": 4}))]);
    let condition = read(json!({"all": [
        {"event": {"name": "Order", "aggregate": "sum", "of": "total", "is": "ge", "value": 20, "within": "10d"}},
        {"not": {"attribute": {"name": "tier", "is": "eq", "value": "gold"}}},
    ]}));
    let why = serde_json::to_value(condition.explain(&known.facts(at(3 * DAY)), &BTreeMap::new())).unwrap();
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

#[test]
fn a_segment_is_explained_by_its_own_condition() {
    let known = Known::with_events(&[]);
    let facts = known.facts(at(DAY));
    let of = |conditions: &[(&str, serde_json::Value)]| -> BTreeMap<_, _> {
        conditions.iter().map(|(name, condition)| ((*name).to_owned(), read(condition.clone()))).collect()
    };
    let segments = of(&[("gold", json!({"not": {"segment": "blocked"}})), ("blocked", json!({"tag": "blocked"}))]);
    let why = read(json!({"any": [{"segment": "gold"}, {"segment": "by hand"}]})).explain(&facts, &segments);
    let why = serde_json::to_value(why).unwrap();
    let because = json!({"kind": "not", "truth": "true", "parts": [{
        "kind": "segment", "truth": "false", "test": {"segment": "blocked"}, "evidence": {"member": false},
        "because": {"kind": "tag", "truth": "false", "test": {"tag": "blocked"}, "evidence": {}},
    }]});
    assert_eq!(why["parts"][0]["because"], because);
    assert_eq!(why["parts"][1].get("because"), None, "nothing is known of it");

    // What changes by time alone in a segment, changes whoever asks for a membership in it.
    let known = Known::with_events(&[("Order", 1, json!({"total": 20}))]);
    let recent = of(&[("recent", json!({"event": {"name": "Order", "within": "10d", "is": "ge", "value": 1}}))]);
    let why = read(json!({"not": {"segment": "recent"}})).explain(&known.facts(at(3 * DAY)), &recent);
    let why = serde_json::to_value(why).unwrap();
    let ends = json!("1970-01-12T00:00:00Z");
    assert_eq!((&why["until"], &why["parts"][0]["until"], &why["parts"][0]["because"]["until"]), (&ends, &ends, &ends));

    let deep = of(&[("a", json!({"segment": "b"})), ("b", json!({"segment": "c"})), ("c", json!({"segment": "a"}))]);
    let mut levels = 0;
    let mut why: Option<Box<Explanation>> = Some(Box::new(read(json!({"segment": "a"})).explain(&facts, &deep)));
    while let Some(inner) = why.and_then(|why| why.because) {
        levels += 1;
        why = Some(inner);
    }
    assert_eq!(levels, NESTED_DEPTH);

    let wide = of(&[("a", json!({"any": vec![json!({"segment": "b"}); 100]})), ("b", json!({"tag": "x"}))]);
    let why = serde_json::to_string(&read(json!({"segment": "a"})).explain(&facts, &wide)).unwrap();
    assert_eq!(why.matches("\"because\"").count(), NESTED);
}
