//! Each trigger type: how it is written, under which events it is found, which of them start a run, and its faults.

use openhub_journey::{Definition, Journey, Named, Surroundings, check, parse};
use serde_json::{Value, json};

use crate::{at, moment, pointers, surroundings};

fn with(trigger: Value) -> Result<Definition, Vec<openhub_model::Fault>> {
    parse(&json!({"trigger": trigger, "start": "end", "nodes": {"end": {"type": "exit"}}}))
}

/// Where segments and journeys have to exist.
fn strict() -> Surroundings {
    let named = Named { segments: ["vip".to_owned()].into(), ..Named::default() };
    Surroundings { named: Some(named), ..surroundings() }
}

fn starts(trigger: Value, name: &str, properties: &Value) -> bool {
    let definition = with(trigger).expect("it reads");
    let journey = Journey::compile("test", 1, &definition, &strict()).expect("no faults");
    journey.trigger().key() == name
        && journey.trigger().starts(&moment(name, "m", at("2026-01-01T00:00:00Z"), properties))
}

#[test]
fn an_event_starts_a_run_if_its_properties_fit() {
    let large = json!({"event": "Order", "where": [{"property": "total", "is": "ge", "value": 10}]});
    assert!(starts(large.clone(), "Order", &json!({"total": 10})));
    assert!(!starts(large.clone(), "Order", &json!({"total": 9})));
    assert!(!starts(large, "Other", &json!({"total": 10})));
}

#[test]
fn a_segment_that_is_entered_or_left_starts_a_run() {
    let vip = json!({"segment": "vip", "version": 2});
    assert!(starts(json!({"segment": "vip"}), "Segment Entered", &vip));
    assert!(starts(json!({"segment": "vip", "on": "left"}), "Segment Left", &vip));
    assert!(!starts(json!({"segment": "vip", "on": "left"}), "Segment Entered", &vip));
    assert!(!starts(json!({"segment": "vip"}), "Segment Entered", &json!({"segment": "other"})));
}

#[test]
fn a_trigger_is_written_as_it_was_read() {
    for trigger in [json!({"event": "Order"}), json!({"segment": "vip", "on": "left", "condition": {"tag": "new"}})] {
        let written = serde_json::to_value(&with(trigger.clone()).expect("it reads").trigger).expect("JSON");
        assert_eq!(written, trigger);
    }
}

#[test]
fn faults_of_a_trigger_point_at_their_field() {
    let read = |trigger: Value| with(trigger).expect_err("a fault");
    assert_eq!(pointers(&read(json!({}))), [("/trigger/event", "missing-field")]);
    assert_eq!(pointers(&read(json!({"segment": "vip", "where": []}))), [("/trigger/where", "unknown-field")]);
    assert_eq!(pointers(&read(json!({"segment": "vip", "on": "seen"}))), [("/trigger/on", "malformed")]);
    assert_eq!(pointers(&read(json!("Order"))), [("/trigger", "malformed")]);
    let checked = |trigger: Value, surroundings: &Surroundings| check(&with(trigger).expect("it reads"), surroundings);
    let unknown = json!({"segment": "nobody"});
    assert_eq!(pointers(&checked(unknown.clone(), &strict())), [("/trigger/segment", "unknown-segment")]);
    assert_eq!(checked(unknown, &surroundings()), [], "what was published keeps its meaning");
    assert_eq!(pointers(&checked(json!({"event": ""}), &strict())), [("/trigger/event", "empty")]);
}
