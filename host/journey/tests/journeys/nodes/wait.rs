//! Waits: for a time, for an event, for whichever comes first.

use openhub_journey::{Answer, Input, Next};
use openhub_model::Span;
use openhub_model::run::RunStatus;
use serde_json::{Value, json};

use crate::{Trip, ignored};

fn pause() -> Value {
    json!({ "start": { "type": "wait", "duration": "1h", "next": "end" }, "end": { "type": "exit" } })
}

fn until(fields: Value) -> Value {
    let mut wait = json!({ "type": "wait", "for": { "event": "Paid" }, "on_event": "paid" });
    wait.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut nodes = json!({ "start": wait, "paid": { "type": "exit" } });
    if fields.get("on_timeout").is_some() {
        nodes["late"] = json!({ "type": "exit" });
    }
    nodes
}

fn hours(hours: i64) -> Span {
    Span::from_micros(hours * 3_600_000_000)
}

#[test]
fn a_pause_is_due_after_its_duration_and_keeps_nothing() {
    let mut trip = Trip::of(pause());
    let step = trip.enter();
    assert_eq!((step.entered, step.next), (vec!["start".to_owned()], Next::Rest));
    assert_eq!((trip.run.status, trip.run.node.as_str(), trip.run.step), (RunStatus::Waiting, "start", 1));
    assert_eq!((trip.run.awaits.first(), trip.run.due), (None, Some(trip.now + hours(1))));
    assert_eq!(trip.run.state, "{}");

    trip.now = trip.now + hours(1);
    let step = trip.advance(Input::Timer);
    assert_eq!((step.entered, step.next), (vec!["end".to_owned()], Next::Rest));
    assert_eq!((trip.run.status, trip.run.due, trip.run.ended_at), (RunStatus::Done, None, Some(trip.now)));
}

#[test]
fn a_timer_is_never_early() {
    let mut trip = Trip::of(pause());
    trip.enter();
    let waiting = trip.run.clone();
    trip.now = trip.now + hours(1) - Span::from_micros(1);
    assert!(ignored(&trip.advance(Input::Timer)));
    assert_eq!(trip.run, waiting);
}

#[test]
fn what_does_not_concern_a_pause_is_ignored() {
    let mut trip = Trip::of(pause());
    assert!(ignored(&trip.advance(Input::Timer)), "before it is entered");
    trip.enter();
    let waiting = trip.run.clone();
    assert!(ignored(&trip.enter()), "twice");
    assert!(ignored(&trip.event("Paid", json!({}))));
    assert!(ignored(&trip.advance(Input::Continue)));
    assert!(ignored(&trip.advance(Input::Answer(Answer::Refused(&[])))));
    assert_eq!(trip.run, waiting);
}

#[test]
fn an_event_moves_on() {
    let mut trip = Trip::of(until(json!({ "timeout": "60d", "on_timeout": "late" })));
    trip.enter();
    assert_eq!((trip.run.awaits.clone(), trip.run.due), (vec!["Paid".to_owned()], Some(trip.now + hours(24 * 60))));
    assert!(ignored(&trip.event("Refunded", json!({}))));
    assert_eq!(trip.event("Paid", json!({})).entered, ["paid"]);
    assert_eq!((trip.run.awaits.first(), trip.run.due), (None, None));
}

#[test]
fn an_event_at_the_very_instant_of_the_time_out_still_counts() {
    let mut trip = Trip::of(until(json!({ "timeout": "1h", "on_timeout": "late" })));
    trip.enter();
    trip.now = trip.now + hours(1);
    assert_eq!(trip.event("Paid", json!({})).entered, ["paid"]);
    assert!(ignored(&trip.advance(Input::Timer)));
}

#[test]
fn a_time_out_moves_on() {
    let mut trip = Trip::of(until(json!({ "timeout": "1h", "on_timeout": "late" })));
    trip.enter();
    trip.now = trip.now + hours(2);
    assert_eq!(trip.advance(Input::Timer).entered, ["late"]);
    assert!(ignored(&trip.event("Paid", json!({}))));
}

#[test]
fn without_a_time_out_it_waits_for_good() {
    let mut trip = Trip::of(until(json!({})));
    trip.enter();
    assert_eq!(trip.run.due, None);
    trip.now = trip.now + hours(1_000_000);
    assert!(ignored(&trip.advance(Input::Timer)));
}

#[test]
fn an_event_can_match_the_triggers_own_properties() {
    let nodes = until(json!({
        "for": { "event": "Paid", "match": [{ "property": "order", "equals": "order_id" }] }
    }));
    let no_match = until(json!({
        "for": { "event": "Paid", "match": [{ "property": "nothing", "equals": "nothing" }] }
    }));
    for (nodes, properties, moves) in [
        (&nodes, json!({ "order": "o-1" }), true),
        (&nodes, json!({ "order": "o-2" }), false),
        (&nodes, json!({ "order_id": "o-1" }), false),
        (&nodes, json!({}), false),
        (&nodes, Value::Null, false),
        (&no_match, json!({ "nothing": null }), false),
        (&no_match, json!({}), false),
    ] {
        let mut trip = Trip::of(nodes.clone());
        trip.enter();
        assert_eq!(!ignored(&trip.event("Paid", properties.clone())), moves, "{properties}");
    }
    let mut trip = Trip::of(nodes);
    trip.enter();
    assert_eq!(trip.run.state, r#"{"trigger":{"properties":{"order_id":"o-1"}}}"#);
}

#[test]
fn numbers_match_by_value() {
    let nodes = until(json!({ "for": { "event": "Paid", "match": [{ "property": "n", "equals": "n" }] } }));
    let mut trip = Trip::with(nodes, json!({ "n": 1 }), crate::customer());
    trip.enter();
    assert!(ignored(&trip.event("Paid", json!({ "n": "1" }))));
    assert!(!ignored(&trip.event("Paid", json!({ "n": 1.0 }))));
}

#[test]
fn a_cycle_through_a_wait_goes_round() {
    let mut trip = Trip::of(json!({
        "start": { "type": "wait", "duration": "1d", "next": "add" },
        "add": { "type": "update", "tags": { "seen": true }, "next": "start" }
    }));
    trip.enter();
    for round in 1..4 {
        trip.now = trip.now + hours(24);
        assert_eq!(trip.advance(Input::Timer).entered, ["add"]);
        assert_eq!(trip.advance(Input::Continue).entered, ["start"]);
        assert_eq!((trip.run.step, trip.run.due), (1 + 2 * round, Some(trip.now + hours(24))));
    }
}
