//! What is wrong with a condition: by form, and by what it mentions.

use openhub_model::attribute::AttributeType;
use openhub_model::condition::{Declarations, MAX_STEPS, Paths, cycle};
use openhub_model::manifest::{Field, Type};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::read;

#[track_caller]
fn found(condition: Value, declared: &Declarations<'_>) -> Vec<(String, String)> {
    let faults = read(condition).faults_against("", declared);
    faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

fn each(declared: &Declarations<'_>, cases: Vec<(Value, &str, &str)>) {
    for (condition, pointer, code) in cases {
        assert_eq!(found(condition.clone(), declared), [(pointer.to_owned(), code.to_owned())], "{condition}");
    }
}

#[test]
fn of_form() {
    let event = |more: Value| {
        let mut test = json!({"name": "Order", "is": "ge", "value": 1});
        test.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "event": test })
    };
    let steps = |count: usize| json!({"sequence": {"steps": vec![json!({"name": "A"}); count]}});
    let cases = vec![
        (json!({"identity": {"kind": "email", "is": "lt", "value": "a"}}), "/identity/is", "wrong-comparison"),
        (json!({"identity": {"kind": "email", "is": "eq", "value": 1}}), "/identity/value", "wrong-type"),
        (json!({"attribute": {"name": "a", "is": "prefix", "value": 1}}), "/attribute/value", "wrong-type"),
        (json!({"consent": {"purpose": "a/b", "is": "granted"}}), "/consent/purpose", "bad-text"),
        (json!({"consent": {"purpose": "a", "channel": "", "is": "granted"}}), "/consent/channel", "empty-name"),
        (json!({"segment": ""}), "/segment", "empty-name"),
        (json!({"bucket": {"seed": "a", "from": 5, "to": 5}}), "/bucket/from", "out-of-range"),
        (json!({"bucket": {"seed": "a", "from": 5, "to": 10_001}}), "/bucket/to", "out-of-range"),
        (json!({"message": {"is": "sent", "count": {"is": "ge", "value": "2"}}}), "/message/count/value", "wrong-type"),
        (json!({"message": {"is": "sent", "within": "0d"}}), "/message/within", "empty-window"),
        (event(json!({"name": ""})), "/event/name", "empty-name"),
        (event(json!({"value": "1"})), "/event/value", "wrong-type"),
        (event(json!({"value": null, "is": "exists"})), "/event/is", "wrong-comparison"),
        (event(json!({"of": "total"})), "/event/of", "unexpected-value"),
        (event(json!({"aggregate": "sum"})), "/event/of", "missing-value"),
        (event(json!({"within": "1d", "from": "2026-01-01T00:00:00Z"})), "/event/within", "two-windows"),
        (event(json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"})), "/event/from", "empty-window"),
        (
            event(json!({"where": [{"property": "a", "is": "in", "value": []}]})),
            "/event/where/0/value",
            "missing-value",
        ),
        (steps(1), "/sequence/steps", "out-of-range"),
        (steps(MAX_STEPS + 1), "/sequence/steps", "out-of-range"),
        (json!({"object": {"kind": "coupon", "quantifier": "count"}}), "/object/is", "missing-value"),
        (
            json!({"object": {"kind": "coupon", "quantifier": "any", "is": "ge", "value": 1}}),
            "/object/is",
            "unexpected-value",
        ),
        (
            json!({"object": {"kind": "coupon", "quantifier": "any", "where": [{"field": "", "is": "exists"}]}}),
            "/object/where/0/field",
            "empty-name",
        ),
    ];
    each(&Declarations::default(), cases);
}

#[test]
fn of_what_does_not_exist_or_does_not_compare() {
    let field = |name: &str, of: Type| Field::new(name, of);
    let tiers = || Type::Enum(vec!["gold".into(), "silver".into()]);
    let attributes = BTreeMap::from([("age".to_owned(), Type::Integer), ("tier".to_owned(), tiers())]);
    let events = BTreeMap::from([
        ("Order".to_owned(), vec![field("total", Type::Decimal(2)), field("gift", Type::Boolean)]),
        ("Visit".to_owned(), Vec::new()),
    ]);
    let objects = BTreeMap::from([("coupon".to_owned(), vec![field("percent", Type::Integer)])]);
    let names = |name: &str| BTreeSet::from([name.to_owned()]);
    let (identities, purposes, channels) = (names("email"), names("marketing"), names("sms"));
    let (segments, journeys) = (names("vip"), names("win-back"));
    let declared = Declarations {
        attributes: Some(&attributes),
        typed: None,
        identities: Some(&identities),
        purposes: Some(&purposes),
        channels: Some(&channels),
        segments: Some(&segments),
        journeys: Some(&journeys),
        events: Some(&events),
        objects: Some(&objects),
        paths: Paths::Refused,
    };
    let attribute = |name: &str, is: &str, value: Value| json!({"attribute": {"name": name, "is": is, "value": value}});
    let order = |aggregate: &str, of: &str, value: Value| json!({"event": {"name": "Order", "aggregate": aggregate, "of": of, "is": "ge", "value": value}});
    let coupon = |field: &str, value: Value| json!({"object": {"kind": "coupon", "quantifier": "any", "where": [{"field": field, "is": "eq", "value": value}]}});
    let cases = vec![
        (attribute("size", "eq", json!(1)), "/attribute/name", "unknown-attribute"),
        (attribute("age", "eq", json!("1")), "/attribute/value", "wrong-type"),
        (attribute("age", "in", json!(["1"])), "/attribute/value/0", "wrong-type"),
        (attribute("age", "prefix", json!("1")), "/attribute/is", "wrong-comparison"),
        (attribute("tier", "eq", json!("bronze")), "/attribute/value", "unknown-value"),
        (json!({"identity": {"kind": "fax", "is": "exists"}}), "/identity/kind", "unknown-identity"),
        (json!({"consent": {"purpose": "x", "is": "granted"}}), "/consent/purpose", "unknown-purpose"),
        (json!({"not": {"message": {"is": "sent", "channel": "fax"}}}), "/not/message/channel", "unknown-channel"),
        (json!({"message": {"is": "sent", "journey": "x"}}), "/message/journey", "unknown-journey"),
        (json!({"any": [{"segment": "vip"}, {"segment": "x"}]}), "/any/1/segment", "unknown-segment"),
        (json!({"journey": {"name": "x", "is": "in"}}), "/journey/name", "unknown-journey"),
        (json!({"event": {"name": "Ordr", "is": "ge", "value": 1}}), "/event/name", "unknown-event"),
        (order("sum", "tax", json!(1)), "/event/of", "unknown-property"),
        (order("last", "gift", json!(true)), "/event/is", "wrong-comparison"),
        // Issue 14: a decimal is kept as a number, and a text was compared with nothing.
        (order("last", "total", json!("1.50")), "/event/value", "wrong-type"),
        (
            json!({"sequence": {"steps": [{"name": "Order"}, {"name": "Visit"}], "without": {"name": "X"}}}),
            "/sequence/without/name",
            "unknown-event",
        ),
        (json!({"object": {"kind": "ticket", "quantifier": "any"}}), "/object/kind", "unknown-object"),
        (coupon("code", json!(1)), "/object/where/0/field", "unknown-field"),
        (coupon("percent", json!("1")), "/object/where/0/value", "wrong-type"),
    ];
    each(&declared, cases);
    for condition in [
        attribute("tier", "in", json!(["gold"])),
        attribute("tier", "prefix", json!("g")),
        order("sum", "total", json!(1)),
        order("last", "total", json!(1.50)),
        coupon("percent", json!(5)),
        json!({"event": {"name": "Visit", "is": "ge", "value": 1, "where": [{"property": "page", "is": "eq", "value": "/"}]}}),
        json!({"bucket": {"seed": "a", "from": 0, "to": 500}}),
    ] {
        assert_eq!(found(condition.clone(), &declared), [], "{condition}");
    }
}

/// Issue 14: `properties.total` counted nothing, without a word.
#[test]
fn of_paths_that_stand_for_names() {
    let typed = BTreeMap::from([("traits.odd".to_owned(), AttributeType::Text)]);
    let declared = Declarations { typed: Some(&typed), paths: Paths::Refused, ..Declarations::default() };
    let order = |more: Value| {
        let mut test = json!({"name": "Order", "is": "ge", "value": 1});
        test.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "event": test })
    };
    let tests = json!([{"property": "properties.total", "is": "gt", "value": 1}]);
    let steps = json!([{"name": "A"}, {"name": "B", "where": tests}]);
    let field = json!([{"field": "fields.code", "is": "exists"}]);
    let attribute = |name: &str| json!({"attribute": {"name": name, "is": "exists"}});
    let cases = vec![
        (order(json!({"where": tests})), "/event/where/0/property", "path-as-name"),
        (order(json!({"aggregate": "sum", "of": "event.properties.total"})), "/event/of", "path-as-name"),
        (json!({"sequence": {"steps": steps}}), "/sequence/steps/1/where/0/property", "path-as-name"),
        (attribute("traits.tier"), "/attribute/name", "path-as-name"),
        (json!({"tag": "tags.vip"}), "/tag", "path-as-name"),
        (
            json!({"object": {"kind": "c", "quantifier": "any", "where": field}}),
            "/object/where/0/field",
            "path-as-name",
        ),
    ];
    for (condition, ..) in &cases {
        assert_eq!(found(condition.clone(), &Declarations::default()), [], "what was published keeps its meaning");
    }
    each(&declared, cases);
    assert_eq!(found(attribute("traits.odd"), &declared), [], "an attribute that is declared has this name");
}

#[test]
fn e5_of_times_that_are_none() {
    let field = |name: &str, of: Type| Field::new(name, of);
    let attributes = BTreeMap::from([("expires_at".to_owned(), Type::Timestamp), ("age".to_owned(), Type::Integer)]);
    let fields = vec![field("expires_at", Type::Timestamp), field("price", Type::Decimal(2))];
    let objects = BTreeMap::from([("coupon".to_owned(), fields)]);
    let declared = Declarations { attributes: Some(&attributes), objects: Some(&objects), ..Declarations::default() };
    let attribute = |name: &str, is: &str, value: Value| json!({"attribute": {"name": name, "is": is, "value": value}});
    let coupon = |field: &str, is: &str, value: Value| json!({"object": {"kind": "coupon", "quantifier": "any", "where": [{"field": field, "is": is, "value": value}]}});
    let soon = || json!({"now": "+30d"});
    let cases = vec![
        (coupon("expires_at", "lt", json!("now+30d")), "/object/where/0/value", "wrong-type"),
        (coupon("expires_at", "lt", json!("soon")), "/object/where/0/value", "wrong-type"),
        (coupon("expires_at", "in", json!(["2026-02-30T00:00:00Z"])), "/object/where/0/value/0", "wrong-type"),
        (coupon("expires_at", "lt", json!(1_700_000_000)), "/object/where/0/value", "wrong-type"),
        (coupon("expires_at", "eq", soon()), "/object/where/0/is", "wrong-comparison"),
        (coupon("expires_at", "lt", json!({"now": "30d"})), "/object/where/0/value", "bad-time"),
        (coupon("expires_at", "lt", json!({"now": "+30d", "x": 1})), "/object/where/0/value", "bad-time"),
        (coupon("price", "lt", soon()), "/object/where/0/value", "wrong-type"),
        (coupon("price", "lt", json!("dear")), "/object/where/0/value", "wrong-type"),
        (attribute("expires_at", "lt", json!("now+30d")), "/attribute/value", "wrong-type"),
        (attribute("age", "lt", soon()), "/attribute/value", "wrong-type"),
        (
            json!({"event": {"name": "X", "is": "ge", "value": 1, "where": [{"property": "at", "is": "lt", "value": soon()}]}}),
            "/event/where/0/value",
            "wrong-type",
        ),
    ];
    each(&declared, cases);
    // Undeclared, what was plainly meant is not taken for a text either.
    each(
        &Declarations::default(),
        vec![
            (attribute("expires_at", "lt", json!("now+30d")), "/attribute/value", "wrong-type"),
            (attribute("expires_at", "ge", json!("NOW() - 1d".replace("()", ""))), "/attribute/value", "wrong-type"),
        ],
    );
    for condition in [
        coupon("expires_at", "lt", soon()),
        coupon("expires_at", "ge", json!({"now": "-36h"})),
        coupon("expires_at", "lt", json!("2026-02-28T00:00:00+08:00")),
        attribute("expires_at", "le", soon()),
    ] {
        assert_eq!(found(condition.clone(), &declared), [], "{condition}");
    }
    assert_eq!(found(attribute("note", "lt", json!("nowhere")), &Declarations::default()), []);
}

#[test]
fn of_segments_in_a_circle() {
    let mentions = read(json!({"all": [{"segment": "b"}, {"not": {"segment": "c"}}]})).needs().segments;
    let of = |name: &str| if name == "c" { BTreeSet::from(["a".to_owned()]) } else { BTreeSet::new() };
    assert_eq!(cycle("a", &mentions, of), Some(["a", "c", "a"].map(str::to_owned).to_vec()));
}

#[test]
fn a_date_is_compared_with_dates() {
    let typed = [("born".to_owned(), AttributeType::Date)].into();
    let declared = Declarations { typed: Some(&typed), ..Declarations::default() };
    let test = |is: &str, value: Value| json!({"attribute": {"name": "born", "is": is, "value": value}});
    for is in ["eq", "ne", "lt", "le", "gt", "ge"] {
        assert_eq!(found(test(is, json!("2024-02-29")), &declared), []);
        for other in [json!("2023-02-29"), json!("2024-02-29T00:00:00Z"), json!("29.02.2024"), json!(2024), json!(true)]
        {
            let faults = read(test(is, other.clone())).faults_against("", &declared);
            assert_eq!(faults.len(), 1, "{is} {other}: {faults:?}");
            assert!(faults[0].message.contains("a date like 2026-01-31"), "{is} {other}: {faults:?}");
        }
    }
    assert_eq!(found(test("in", json!(["2024-02-29", "2025-01-01"])), &declared), []);
    assert_eq!(found(json!({"attribute": {"name": "born", "is": "missing"}}), &declared), []);
    let cases = vec![
        (test("in", json!(["2024-02-29", "soon"])), "/attribute/value/1", "wrong-type"),
        (test("ge", json!({"now": "-30d"})), "/attribute/value", "wrong-type"),
        (test("prefix", json!("2024")), "/attribute/is", "wrong-comparison"),
    ];
    each(&declared, cases);
    for (value, holds) in [
        (json!("1990-05-01"), true),
        (json!(null), true),
        (json!("0000-05-01"), false),
        (json!("1990-5-1"), false),
        (json!("1990-13-01"), false),
        (json!("1990-05-01 "), false),
        (json!(19_900_501), false),
    ] {
        assert_eq!(AttributeType::Date.holds(&value), holds, "{value}");
    }
}
