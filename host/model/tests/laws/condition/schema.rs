//! `docs/condition.schema.json` says what the types say: both take the same documents.
//!
//! The few keywords that the schema uses are evaluated here; any other one fails the test.

use openhub_model::Condition;
use serde_json::{Value, json};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../../docs/condition.schema.json")).expect("the schema is JSON")
});

fn accepts(schema: &Value, value: &Value) -> bool {
    let keywords = schema.as_object().expect("a schema is an object");
    keywords.iter().all(|(keyword, argument)| match keyword.as_str() {
        "$schema" | "$id" | "$defs" | "title" | "description" | "default" => true,
        "$ref" => {
            let pointer = argument.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference is local");
            accepts(SCHEMA.pointer(pointer).expect("a reference leads somewhere"), value)
        }
        "oneOf" => list(argument).iter().filter(|schema| accepts(schema, value)).count() == 1,
        "enum" => list(argument).contains(value),
        "type" => match argument.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            other => panic!("unknown type {other:?}"),
        },
        "properties" => argument
            .as_object()
            .into_iter()
            .flatten()
            .all(|(name, schema)| value.get(name).is_none_or(|value| accepts(schema, value))),
        "required" => list(argument).iter().all(|name| value.get(name.as_str().expect("a name")).is_some()),
        "additionalProperties" => {
            value.as_object().is_none_or(|fields| fields.keys().all(|name| schema["properties"].get(name).is_some()))
        }
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| accepts(argument, item))),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= argument.as_u64().expect("a number")),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= argument.as_u64().expect("a number")),
        "minLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 >= argument.as_u64().expect("a number"))
        }
        "minimum" => value.as_i64().is_none_or(|number| number >= argument.as_i64().expect("a number")),
        "maximum" => value.as_i64().is_none_or(|number| number <= argument.as_i64().expect("a number")),
        // Both are those of the types of time.
        "pattern" => value.as_str().is_none_or(|text| text.parse::<openhub_model::Span>().is_ok()),
        "format" => value.as_str().is_none_or(|text| text.parse::<openhub_model::Timestamp>().is_ok()),
        other => panic!("unknown keyword {other}"),
    })
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

#[test]
fn the_schema_takes_what_the_types_take() {
    let samples = [
        json!({"all": [{"any": []}, {"not": {"tag": "vip"}}]}),
        json!({"attribute": {"name": "tier", "is": "in", "value": ["gold"]}}),
        json!({"identity": {"kind": "email", "is": "contains", "value": "@"}}),
        json!({"consent": {"purpose": "marketing", "channel": "sms", "is": "unset"}}),
        json!({"segment": "vip"}),
        json!({"bucket": {"seed": "a", "from": 0, "to": 500}}),
        json!({"journey": {"name": "win-back", "is": "was-in"}}),
        json!({"message": {"is": "failed", "channel": "sms", "count": {"is": "ge", "value": 2}, "within": "30d"}}),
        json!({"event": {"name": "Order", "where": [{"property": "total", "is": "gt", "value": 1}], "within": "30d", "is": "ge", "value": 2}}),
        json!({"event": {"name": "Order", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "aggregate": "sum", "of": "total", "is": "ge", "value": 2}}),
        json!({"sequence": {"steps": [{"name": "A"}, {"name": "B"}], "within": "6d", "without": {"name": "C"}, "during": "90d"}}),
        json!({"object": {"kind": "coupon", "quantifier": "count", "where": [{"field": "status", "is": "exists"}], "is": "ge", "value": 1}}),
    ];
    for sample in &samples {
        assert!(accepts(&SCHEMA, sample), "{sample}");
        let condition: Condition =
            serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{sample}: {error}"));
        assert_eq!(condition.faults(""), [], "{sample}");
        assert_eq!(serde_json::to_value(&condition).unwrap(), *sample);
        refuses_each_change(sample);
    }
}

/// A field more, or a field with a value of another type, is refused by both.
fn refuses_each_change(sample: &Value) {
    let (kind, test) = sample.as_object().and_then(|fields| fields.iter().next()).expect("one tag");
    let mut more = test.clone();
    let mut changed = vec![json!({kind: test, "tag": "vip"}), json!({"other": test}), json!({kind: 7})];
    if let Some(fields) = more.as_object_mut() {
        for (name, value) in fields.clone().iter().filter(|(name, _)| *name != "value" && kind != "not") {
            let mut wrong = test.clone();
            wrong[name] = if value.is_array() || value.is_object() { json!("x") } else { json!(["x"]) };
            changed.push(json!({ kind: wrong }));
        }
        fields.insert("more".into(), json!(1));
        changed.push(json!({ kind: more }));
    }
    for changed in changed {
        assert!(!accepts(&SCHEMA, &changed), "the schema takes {changed}");
        let faultless = serde_json::from_value::<Condition>(changed.clone()).is_ok();
        assert!(!faultless, "the types take {changed}");
    }
}

/// Who asks whether something happened need not say how often.
#[test]
fn an_event_without_a_comparison_happened_at_least_once() {
    let written = |test: Value| serde_json::from_value::<Condition>(json!({ "event": test })).expect("a condition");
    for (short, whole) in [
        (json!({"name": "Order"}), json!({"name": "Order", "is": "ge", "value": 1})),
        (json!({"name": "Order", "value": 3}), json!({"name": "Order", "is": "ge", "value": 3})),
        (
            json!({"name": "Order", "aggregate": "sum", "of": "total", "value": 9}),
            json!({"name": "Order", "aggregate": "sum", "of": "total", "is": "ge", "value": 9}),
        ),
    ] {
        assert!(accepts(&SCHEMA, &json!({ "event": short })), "{short}");
        assert_eq!(written(short), written(whole));
    }
    let sum = written(json!({"name": "Order", "aggregate": "sum", "of": "total"}));
    assert_eq!(sum.faults("")[0].pointer, "/event/value");
}
