//! Each fault of a document, with its exact pointer.

use openhub_journey::parse;
use serde_json::{Value, json};

use crate::pointers;

fn with(node: Value) -> Value {
    json!({ "trigger": { "event": "e" }, "start": "quiet", "nodes": { "quiet": node } })
}

#[test]
fn each_fault_names_node_and_field() {
    let changed = |pointer: &str, value: Value| {
        let mut document = with(json!({ "type": "exit" }));
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    for (document, pointer, code) in [
        (json!(1), "", "malformed"),
        (json!({}), "/trigger", "missing-field"),
        (json!({ "trigger": {}, "start": "a", "nodes": {} }), "/trigger/event", "missing-field"),
        (json!({ "trigger": { "event": "e" }, "start": "a", "nodes": {}, "more": 1 }), "/more", "unknown-field"),
        (changed("/trigger", json!({ "event": "e", "more": 1 })), "/trigger/more", "unknown-field"),
        (changed("/trigger/event", json!(1)), "/trigger/event", "malformed"),
        (
            changed("/trigger", json!({ "event": "e", "condition": { "all": [{ "nonsense": 1 }] } })),
            "/trigger/condition/all/0",
            "malformed",
        ),
        (changed("/nodes/quiet", json!("exit")), "/nodes/quiet", "malformed"),
        (with(json!({})), "/nodes/quiet/type", "missing-field"),
        (with(json!({ "type": "teleport" })), "/nodes/quiet/type", "unknown-type"),
        (with(json!({ "type": 1 })), "/nodes/quiet/type", "malformed"),
        (with(json!({ "type": "exit", "next": "x" })), "/nodes/quiet/next", "unknown-field"),
        (with(json!({ "type": "wait" })), "/nodes/quiet/duration", "missing-field"),
        (with(json!({ "type": "wait", "duration": "1 hour", "next": "x" })), "/nodes/quiet/duration", "bad-span"),
        (with(json!({ "type": "wait", "duration": 60, "next": "x" })), "/nodes/quiet/duration", "malformed"),
        (
            with(json!({ "type": "wait", "duration": "1h", "next": "x", "timeout": "1h" })),
            "/nodes/quiet/timeout",
            "unknown-field",
        ),
        (
            with(json!({ "type": "wait", "for": { "event": "e" }, "on_event": "x", "timeout": "2y" })),
            "/nodes/quiet/timeout",
            "bad-span",
        ),
        (
            with(json!({ "type": "wait", "for": { "event": "e", "match": [{ "property": "p" }] }, "on_event": "x" })),
            "/nodes/quiet/for/match/0/equals",
            "missing-field",
        ),
        (
            with(json!({ "type": "branch", "branches": [{ "if": { "tag": "a" } }], "else": "x" })),
            "/nodes/quiet/branches/0/next",
            "missing-field",
        ),
        (
            with(json!({ "type": "object", "action": "delete", "kind": "coupon", "next": "x" })),
            "/nodes/quiet/action",
            "malformed",
        ),
        (
            with(json!({ "type": "update", "tags": { "vip": "yes" }, "next": "x" })),
            "/nodes/quiet/tags/vip",
            "malformed",
        ),
        (
            with(json!({ "type": "send", "channel": "c", "content": [], "next": "x" })),
            "/nodes/quiet/content",
            "malformed",
        ),
    ] {
        let faults = parse(&document).expect_err("a fault");
        assert_eq!(pointers(&faults), [(pointer, code)], "{document}: {faults:?}");
    }
}

#[test]
fn faults_of_all_nodes_are_told() {
    let document = json!({
        "trigger": { "event": "e" }, "start": "a",
        "nodes": { "a": { "type": "send", "next": "x" }, "b/c": { "type": "wait", "duration": "1h" }, "d": { "type": "exit" } }
    });
    let faults = parse(&document).expect_err("faults");
    assert_eq!(pointers(&faults), [("/nodes/a/channel", "missing-field"), ("/nodes/b~1c/next", "missing-field")]);
}

#[test]
fn a_definition_is_written_as_it_was_read() {
    let text = include_str!("../../../../examples/cdnow/win-back.journey.json");
    let document: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(parse(&document).unwrap()).unwrap(), document);
}
