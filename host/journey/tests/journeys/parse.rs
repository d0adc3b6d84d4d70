//! Each fault of a document, with its exact pointer.

use openhub_journey::{Surroundings, faults, parse};
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
        (with(json!({ "type": "wait", "next": "x" })), "/nodes/quiet/duration", "missing-field"),
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
fn all_faults_are_told_at_once() {
    let missing = parse(&json!({})).expect_err("faults");
    let mut told = pointers(&missing);
    told.sort_unstable();
    assert_eq!(told, [("/nodes", "missing-field"), ("/start", "missing-field"), ("/trigger", "missing-field")]);
    let branch = json!({ "type": "branch", "else": 7, "branches": [
        { "if": { "attribute": { "name": "x", "is": "above", "vlue": 1 } }, "nxt": "b" }] });
    let document = json!({
        "trigger": { "evnt": "e" }, "strat": "a", "reentry": "sometimes",
        "nodes": { "a": branch, "b": { "type": "wait", "duration": "1 hour" }, "c": { "type": "teleport" } }
    });
    let expected = [
        ("/nodes/a/branches/0/if/attribute/is", "malformed"),
        ("/nodes/a/branches/0/if/attribute/vlue", "unknown-field"),
        ("/nodes/a/branches/0/next", "missing-field"),
        ("/nodes/a/branches/0/nxt", "unknown-field"),
        ("/nodes/a/else", "malformed"),
        ("/nodes/b/duration", "bad-span"),
        ("/nodes/b/next", "missing-field"),
        ("/nodes/c/type", "unknown-type"),
        ("/reentry", "malformed"),
        ("/start", "missing-field"),
        ("/strat", "unknown-field"),
        ("/trigger/event", "missing-field"),
        ("/trigger/evnt", "unknown-field"),
    ];
    let faults = parse(&document).expect_err("faults");
    let mut told = pointers(&faults);
    told.sort_unstable();
    assert_eq!(told, expected, "{faults:?}");
    assert!(faults.iter().any(|fault| fault.message.contains("Did you mean `event`?")), "{faults:?}");
}

/// A node without its form hides nothing of the others, and nothing is made up about what is missing with it.
#[test]
fn what_is_wrong_with_the_other_nodes_is_told_too() {
    let document = json!({
        "trigger": { "event": "" }, "start": "gift",
        "nodes": {
            "gift": { "type": "object", "action": "make", "kind": "coupon", "as": "coupon", "next": "letter" },
            "letter": { "type": "send", "channel": "pigeon", "content": { "text": "{{ coupon.code }}" }, "next": "end" },
            "rest": { "type": "wait", "duration": "0s", "next": "nowhere" },
            "slow": { "type": "wait", "durtion": "1h", "next": "wort" },
            "end": { "type": "exit" },
        }
    });
    let mut told = faults(&document, &Surroundings::default());
    told.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    let expected = [
        ("/nodes/gift/action", "malformed"),
        ("/nodes/letter/channel", "unknown-channel"),
        ("/nodes/rest/duration", "bad-span"),
        ("/nodes/rest/next", "dangling-edge"),
        ("/nodes/slow/duration", "missing-field"),
        ("/nodes/slow/durtion", "unknown-field"),
        ("/nodes/slow/next", "dangling-edge"),
        ("/trigger/event", "empty"),
    ];
    assert_eq!(pointers(&told), expected, "{told:?}");
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
