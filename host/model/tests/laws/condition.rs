//! The meaning of conditions: a table of the leaves, Kleene's laws for the rest, and the check's faults.

mod explain;
mod faults;
mod leaves;
mod schema;
mod time;

use openhub_model::condition::{MAX_DEPTH, MAX_LEAVES, MAX_VALUES, Truth};
use openhub_model::{Condition, Customer};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{cause, somebody};
use Truth::{False, True, Unknown};

fn read(condition: Value) -> Condition {
    serde_json::from_value(condition).expect("a condition")
}

fn leaf(name: &str, is: &str, value: Value) -> Condition {
    read(json!({ "attribute": { "name": name, "is": is, "value": value } }))
}

#[test]
fn the_truth_of_each_leaf() {
    let mut customer = somebody();
    for (name, value) in [
        ("points", json!(200)),
        ("rate", json!(2.5)),
        ("tier", json!("gold")),
        ("born", json!("1990-05-05")),
        ("seen", json!("2026-01-31T22:00:00Z")),
        ("local", json!("14.02.2015")),
        ("active", json!(true)),
        ("gone", Value::Null),
        ("list", json!([1])),
    ] {
        customer.set(name, value, cause(1));
    }
    customer.set_tag("vip", json!(true), cause(1));
    customer.set_tag("former", json!(false), cause(1));

    for (name, is, value, truth) in [
        ("points", "eq", json!(200), True),
        ("points", "eq", json!(200.0), True),
        ("points", "ne", json!(200), False),
        ("points", "gt", json!(199.5), True),
        ("points", "lt", json!(200), False),
        ("points", "le", json!(200), True),
        ("points", "ge", json!(201), False),
        ("points", "in", json!([1, 200]), True),
        ("points", "in", json!([1, 2]), False),
        ("points", "in", json!(["200"]), Unknown),
        ("points", "in", json!(["200", 200]), True),
        ("points", "in", json!(["200", 1]), Unknown),
        ("points", "eq", json!("200"), Unknown),
        ("points", "ne", json!("200"), Unknown),
        ("rate", "lt", json!(3), True),
        ("tier", "eq", json!("gold"), True),
        ("tier", "lt", json!("silver"), True),
        ("tier", "lt", json!("Silver"), False),
        ("tier", "gt", json!(1), Unknown),
        // What is no time is neither before one nor behind it, though it may be another text.
        ("born", "le", json!("2008-11-30"), True),
        ("local", "le", json!("2008-11-30"), Unknown),
        ("local", "ge", json!("2008-11-30T00:00:00Z"), Unknown),
        ("local", "ne", json!("2008-11-30"), True),
        ("tier", "gt", json!("1990-05-05"), Unknown),
        ("local", "lt", json!("15"), True),
        ("seen", "gt", json!("2026-01-31"), True),
        ("born", "lt", json!("2026-01-31T00:00:00Z"), True),
        ("active", "eq", json!(true), True),
        ("active", "ne", json!(true), False),
        ("active", "gt", json!(false), Unknown),
        ("active", "eq", json!(1), Unknown),
        ("list", "eq", json!([1]), Unknown),
        ("list", "ne", json!(1), Unknown),
        ("list", "exists", Value::Null, True),
        ("points", "exists", Value::Null, True),
        ("points", "missing", Value::Null, False),
        ("gone", "exists", Value::Null, False),
        ("gone", "missing", Value::Null, True),
        ("gone", "ne", json!("x"), Unknown),
        ("never", "missing", Value::Null, True),
        ("never", "exists", Value::Null, False),
        ("never", "eq", json!(0), Unknown),
        ("never", "lt", json!(1), Unknown),
        ("never", "in", json!([1]), Unknown),
    ] {
        assert_eq!(leaf(name, is, value.clone()).holds(&customer), truth, "{name} {is} {value}");
    }
    for (tag, truth) in [("vip", True), ("former", False), ("never", False)] {
        assert_eq!(read(json!({ "tag": tag })).holds(&customer), truth, "{tag}");
    }
    assert_eq!(read(json!({ "all": [] })).holds(&customer), True);
    assert_eq!(read(json!({ "any": [] })).holds(&customer), False);
}

#[test]
fn each_fault_names_its_place() {
    let nested = |times: usize| (0..times).fold(json!({ "tag": "vip" }), |inner, _| json!({ "not": inner }));
    let deep = format!("/if{}", "/not".repeat(MAX_DEPTH));
    let attribute =
        |name: &str, is: &str, value: Value| json!({ "attribute": { "name": name, "is": is, "value": value } });
    for (condition, pointer, code) in [
        (nested(MAX_DEPTH), deep.as_str(), "too-deep"),
        (json!({ "any": vec![json!({ "tag": "vip" }); MAX_LEAVES + 1] }), "/if", "too-many-leaves"),
        (attribute("a", "in", json!(vec![1; MAX_VALUES + 1])), "/if/attribute/value", "too-many-values"),
        (attribute("a", "eq", Value::Null), "/if/attribute/value", "missing-value"),
        (attribute("a", "in", json!([])), "/if/attribute/value", "missing-value"),
        (attribute("a", "in", json!(1)), "/if/attribute/value", "wrong-type"),
        (attribute("a", "in", json!([1, "1"])), "/if/attribute/value/1", "wrong-type"),
        (attribute("a", "in", json!([1, null])), "/if/attribute/value/1", "wrong-type"),
        (attribute("a", "eq", json!([1])), "/if/attribute/value", "wrong-type"),
        (attribute("a", "lt", json!(true)), "/if/attribute/value", "wrong-type"),
        (attribute("a", "lt", json!({})), "/if/attribute/value", "wrong-type"),
        (attribute("a", "exists", json!(1)), "/if/attribute/value", "unexpected-value"),
        (attribute("", "exists", Value::Null), "/if/attribute/name", "empty-name"),
        (attribute("a", "eq", json!("\0")), "/if/attribute/value", "bad-text"),
        (json!({ "all": [{ "tag": "vip" }, { "tag": "" }] }), "/if/all/1/tag", "empty-name"),
    ] {
        let faults = read(condition).faults("/if");
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect();
        assert_eq!(found, [(pointer, code)]);
    }
    assert_eq!(read(nested(MAX_DEPTH - 1)).faults(""), []);
    assert_eq!(read(json!({ "any": vec![json!({ "tag": "vip" }); MAX_LEAVES] })).faults(""), []);
}

#[test]
fn the_json_form_is_strict() {
    for text in [
        r#"{"tag":"vip","all":[]}"#,
        r#"{"attribute":{"name":"a","is":"eq","value":1,"more":1}}"#,
        r#"{"attribute":{"name":"a","is":"like","value":1}}"#,
        r#"{"event":"x"}"#,
        r#"{"event":{"name":"x","is":"ge","value":1,"window":"1d"}}"#,
        r#"{"event":{"name":"x","is":"ge","value":1,"within":"1 day"}}"#,
        r#"{"event":{"name":"x","is":"ge","value":1,"aggregate":"median"}}"#,
        r#"{"sequence":{"steps":[{"event":"x"}]}}"#,
        r#"{"consent":{"purpose":"marketing","is":"yes"}}"#,
        r#"{"bucket":{"seed":"a","from":-1,"to":5}}"#,
        r#"{"object":{"kind":"coupon","quantifier":"some"}}"#,
        r#"{"segment":["a"]}"#,
        "[]",
    ] {
        assert!(serde_json::from_str::<Condition>(text).is_err(), "{text}");
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        (-3.0f64..3.0).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
        Just(json!([1])),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let is = prop::sample::select(vec!["eq", "ne", "lt", "le", "gt", "ge", "in", "exists", "missing"]);
    let value = prop_oneof![3 => scalar(), 1 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from)];
    let leaf = prop_oneof![
        ("[abc]", is, value).prop_map(|(name, is, value)| leaf(&name, is, value)),
        "[abc]".prop_map(Condition::Tag),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::Any),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

fn customer() -> impl Strategy<Value = Customer> {
    let attributes = prop::collection::btree_map("[abc]", scalar(), 0..3);
    let tags = prop::collection::btree_map("[abc]", any::<bool>(), 0..3);
    (attributes, tags).prop_map(|(attributes, tags)| {
        let mut customer = somebody();
        for (name, value) in attributes {
            customer.set(&name, value, cause(1));
        }
        for (name, present) in tags {
            customer.set_tag(&name, present.into(), cause(1));
        }
        customer
    })
}

fn all(parts: &[&Condition]) -> Condition {
    Condition::All(parts.iter().copied().cloned().collect())
}

fn any_of(parts: &[&Condition]) -> Condition {
    Condition::Any(parts.iter().copied().cloned().collect())
}

fn not(part: &Condition) -> Condition {
    Condition::Not(Box::new(part.clone()))
}

proptest! {
    #[test]
    fn kleenes_laws(a in condition(), b in condition(), customer in customer()) {
        let truth = |condition: &Condition| condition.holds(&customer);
        prop_assert_eq!(truth(&not(&not(&a))), truth(&a));
        prop_assert_eq!(truth(&all(&[&a, &b])), truth(&all(&[&b, &a])));
        prop_assert_eq!(truth(&any_of(&[&a, &b])), truth(&any_of(&[&b, &a])));
        prop_assert_eq!(truth(&not(&all(&[&a, &b]))), truth(&any_of(&[&not(&a), &not(&b)])));
        prop_assert_eq!(truth(&not(&any_of(&[&a, &b]))), truth(&all(&[&not(&a), &not(&b)])));
        prop_assert_eq!(truth(&all(&[&a])), truth(&a));
        prop_assert_eq!(truth(&all(&[&a, &any_of(&[&a, &b])])), truth(&a));
        prop_assert_eq!(truth(&all(&[&a, &b])), truth(&a).and(truth(&b)));
        prop_assert_eq!(truth(&any_of(&[&a, &b])), truth(&a).or(truth(&b)));
    }

    #[test]
    fn a_comparison_and_its_opposite_are_unknown_together(a in "[abc]", value in scalar(), customer in customer()) {
        for (is, opposite) in [("eq", "ne"), ("lt", "ge"), ("gt", "le"), ("exists", "missing")] {
            let (is, opposite) = (leaf(&a, is, value.clone()), leaf(&a, opposite, value.clone()));
            prop_assert_eq!(is.holds(&customer), !opposite.holds(&customer));
        }
    }

    #[test]
    fn the_json_form_comes_back(condition in condition()) {
        let json = serde_json::to_value(&condition).unwrap();
        prop_assert_eq!(serde_json::from_value::<Condition>(json).unwrap(), condition);
    }
}
