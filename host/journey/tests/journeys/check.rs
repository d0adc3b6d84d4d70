//! Each fault of a graph, with its exact pointer.

use openhub_journey::{Journey, Named, Surroundings, check, parse};
use openhub_model::attribute::AttributeType;
use serde_json::{Value, json};

use crate::{definition, pointers, surroundings};

/// A start that is followed by `end`.
fn node(node: Value) -> Value {
    json!({ "start": node, "end": { "type": "exit" } })
}

fn send(content: Value) -> Value {
    node(json!({ "type": "send", "channel": "webhook", "purpose": "transactional", "content": content, "next": "end" }))
}

fn coupon(fields: Value) -> Value {
    node(json!({ "type": "object", "action": "create", "kind": "coupon", "fields": fields, "next": "end" }))
}

fn then_send(name: &str, text: &str) -> Value {
    json!({
        "start": {
            "type": "object", "action": "create", "kind": "coupon", "fields": { "percent": 1 }, "as": name, "next": "send"
        },
        "send": { "type": "send", "channel": "open", "purpose": "transactional", "content": { "text": text }, "next": "end" },
        "end": { "type": "exit" }
    })
}

#[test]
fn a4_a_cycle_waits_a_second_or_more() {
    let cycle = |duration: &str| {
        json!({
            "start": { "type": "wait", "duration": duration, "next": "again" },
            "again": { "type": "update", "tags": { "vip": true }, "next": "start" },
        })
    };
    let timeout = json!({
        "start": {
            "type": "wait", "for": { "event": "e" }, "timeout": "20ms", "on_event": "end", "on_timeout": "start"
        },
        "end": { "type": "exit" }
    });
    let new = Surroundings { named: Some(Named::default()), ..surroundings() };
    for (nodes, expected) in [
        (cycle("1ms"), vec![("/nodes/start/next", "endless-cycle")]),
        (cycle("999ms"), vec![("/nodes/start/next", "endless-cycle")]),
        (cycle("1s"), vec![]),
        (timeout, vec![("/nodes/start/on_timeout", "endless-cycle")]),
        (node(json!({ "type": "wait", "duration": "1ms", "next": "end" })), vec![]),
    ] {
        let definition = definition(nodes.clone());
        let faults = check(&definition, &new);
        assert_eq!(pointers(&faults), expected, "{nodes}");
        assert!(faults.iter().all(|fault| fault.message.contains("1s")), "{faults:?}");
        assert_eq!(check(&definition, &surroundings()), [], "what was published before goes on: {nodes}");
    }
}

#[test]
fn what_is_declared_of_an_attribute_holds_in_a_draft() {
    let attributes = [("age".to_owned(), AttributeType::Integer)].into();
    let new = Surroundings { named: Some(Named { attributes, ..Named::default() }), ..surroundings() };
    let compares = |name: &str, value: Value| {
        let condition = json!({ "attribute": { "name": name, "is": "ge", "value": value } });
        node(json!({ "type": "branch", "branches": [{ "if": condition, "next": "end" }], "else": "end" }))
    };
    let sets = |value: Value| node(json!({ "type": "update", "attributes": { "age": value }, "next": "end" }));
    let wrong = vec![("/nodes/start/branches/0/if/attribute/value", "wrong-type")];
    for (nodes, expected) in [
        (compares("age", json!("old")), wrong),
        (compares("age", json!(18)), vec![]),
        (compares("undeclared", json!("old")), vec![]),
        (sets(json!("not a number")), vec![("/nodes/start/attributes/age", "wrong-type")]),
        (sets(json!(18)), vec![]),
        (sets(Value::Null), vec![]),
        (sets(json!("{{ trigger.properties.age }}")), vec![]),
    ] {
        assert_eq!(pointers(&check(&definition(nodes.clone()), &new)), expected, "{nodes}");
        assert_eq!(
            check(&definition(nodes.clone()), &surroundings()),
            [],
            "what was published before goes on: {nodes}"
        );
    }
}

#[test]
fn each_fault_names_node_and_field() {
    let vip = json!({ "tag": "vip" });
    for (nodes, expected) in [
        // the graph
        (json!({}), vec![("/start", "dangling-edge")]),
        (json!({ "begin": { "type": "exit" } }), vec![("/start", "dangling-edge")]),
        (json!({ "start": { "type": "exit" }, "a/b": { "type": "exit" } }), vec![("/nodes/a~1b", "unreachable")]),
        (
            json!({ "start": { "type": "wait", "duration": "1h", "next": "gone" } }),
            vec![("/nodes/start/next", "dangling-edge")],
        ),
        (
            node(json!({ "type": "branch", "branches": [{ "if": vip, "next": "gone" }], "else": "end" })),
            vec![("/nodes/start/branches/0/next", "dangling-edge")],
        ),
        (
            node(json!({ "type": "branch", "branches": [{ "if": vip, "next": "end" }], "else": "gone" })),
            vec![("/nodes/start/else", "dangling-edge")],
        ),
        (
            node(json!({
                "type": "wait", "for": { "event": "e" }, "timeout": "1h", "on_event": "end", "on_timeout": "gone"
            })),
            vec![("/nodes/start/on_timeout", "dangling-edge")],
        ),
        (
            json!({
                "start": { "type": "branch", "branches": [{ "if": vip, "next": "again" }], "else": "end" },
                "again": { "type": "update", "tags": { "vip": false }, "next": "start" },
                "end": { "type": "exit" }
            }),
            vec![("/nodes/start/branches/0/next", "endless-cycle")],
        ),
        (
            json!({ "start": { "type": "update", "tags": { "vip": true }, "next": "start" } }),
            vec![("/nodes/start/next", "endless-cycle")],
        ),
        // waits
        (node(json!({ "type": "wait", "duration": "0s", "next": "end" })), vec![("/nodes/start/duration", "bad-span")]),
        (
            node(json!({
                "type": "wait", "for": { "event": "e" }, "timeout": "0d", "on_event": "end", "on_timeout": "end"
            })),
            vec![("/nodes/start/timeout", "bad-span")],
        ),
        (
            node(json!({ "type": "wait", "for": { "event": "" }, "on_event": "end" })),
            vec![("/nodes/start/for/event", "empty")],
        ),
        (
            node(json!({ "type": "wait", "for": { "event": "e" }, "timeout": "1d", "on_event": "end" })),
            vec![("/nodes/start/on_timeout", "missing-field")],
        ),
        (
            node(json!({ "type": "wait", "for": { "event": "e" }, "on_event": "end", "on_timeout": "end" })),
            vec![("/nodes/start/timeout", "missing-field")],
        ),
        (
            node(json!({
                "type": "wait", "for": { "event": "e", "match": [{ "property": "", "equals": "x" }] }, "on_event": "end"
            })),
            vec![("/nodes/start/for/match/0/property", "empty")],
        ),
        // branches
        (node(json!({ "type": "branch", "branches": [], "else": "end" })), vec![("/nodes/start/branches", "empty")]),
        (
            node(json!({
                "type": "branch", "else": "end",
                "branches": [{ "if": { "all": [{ "tag": "" }] }, "next": "end" }]
            })),
            vec![("/nodes/start/branches/0/if/all/0/tag", "empty-name")],
        ),
        (
            node(json!({
                "type": "branch", "else": "end",
                "branches": [{ "if": { "attribute": { "name": "a", "is": "gt", "value": true } }, "next": "end" }]
            })),
            vec![("/nodes/start/branches/0/if/attribute/value", "wrong-type")],
        ),
        // updates
        (node(json!({ "type": "update", "next": "end" })), vec![("/nodes/start/attributes", "empty")]),
        (
            node(json!({ "type": "update", "attributes": { "": 1 }, "next": "end" })),
            vec![("/nodes/start/attributes/", "empty")],
        ),
        (
            node(json!({ "type": "update", "attributes": { "a": ["{{ nobody }}"] }, "next": "end" })),
            vec![("/nodes/start/attributes/a/0", "unknown-variable")],
        ),
        // sends
        (
            node(json!({ "type": "send", "channel": "pigeon", "next": "end" })),
            vec![("/nodes/start/channel", "unknown-channel")],
        ),
        (send(json!({})), vec![("/nodes/start/content/template", "missing-field")]),
        (send(json!({ "template": null })), vec![("/nodes/start/content/template", "missing-field")]),
        (send(json!({ "template": "t", "cod": "x" })), vec![("/nodes/start/content/cod", "unknown-field")]),
        (send(json!({ "template": 1 })), vec![("/nodes/start/content/template", "wrong-type")]),
        (send(json!({ "template": "t", "percent": 1.5 })), vec![("/nodes/start/content/percent", "wrong-type")]),
        (send(json!({ "template": "t", "total": 1.234 })), vec![("/nodes/start/content/total", "wrong-type")]),
        (send(json!({ "template": "t", "tier": "tin" })), vec![("/nodes/start/content/tier", "wrong-type")]),
        (send(json!({ "template": "t", "urgent": "yes" })), vec![("/nodes/start/content/urgent", "wrong-type")]),
        (send(json!({ "template": "t", "until": "soon" })), vec![("/nodes/start/content/until", "wrong-type")]),
        (send(json!({ "template": "{{ open" })), vec![("/nodes/start/content/template", "bad-template")]),
        (send(json!({ "template": "{% if x %}" })), vec![("/nodes/start/content/template", "bad-template")]),
        (
            send(json!({ "template": "{{ trigger.props.x }} {{ customer.mood }}" })),
            vec![
                ("/nodes/start/content/template", "unknown-variable"),
                ("/nodes/start/content/template", "unknown-variable"),
            ],
        ),
        // objects
        (
            node(json!({ "type": "object", "action": "create", "kind": "car", "next": "end" })),
            vec![("/nodes/start/kind", "unknown-object")],
        ),
        (coupon(json!({})), vec![("/nodes/start/fields/percent", "missing-field")]),
        (coupon(json!({ "percent": "15" })), vec![("/nodes/start/fields/percent", "wrong-type")]),
        (coupon(json!({ "percent": 15, "colour": 1 })), vec![("/nodes/start/fields/colour", "unknown-field")]),
        (coupon(json!({ "percent": 15, "owner": "me" })), vec![("/nodes/start/fields/owner", "reserved-field")]),
        (
            coupon(json!({ "percent": 15, "code": "{{ coupon.code }}" })),
            vec![("/nodes/start/fields/code", "unknown-variable")],
        ),
        (then_send("gift", "{{ gift.colour }}"), vec![("/nodes/send/content/text", "unknown-variable")]),
        (then_send("gift", "{{ present.code }}"), vec![("/nodes/send/content/text", "unknown-variable")]),
        (then_send("trigger", "-"), vec![("/nodes/start/as", "bad-name")]),
        (then_send("1st", "-"), vec![("/nodes/start/as", "bad-name")]),
        (then_send("", "-"), vec![("/nodes/start/as", "bad-name")]),
    ] {
        let definition = definition(nodes.clone());
        let faults = check(&definition, &surroundings());
        assert_eq!(pointers(&faults), expected, "{nodes}: {faults:?}");
        assert_eq!(Journey::compile("test", 1, &definition, &surroundings()).expect_err("faults"), faults);
    }
}

#[test]
fn what_is_sound_has_no_fault() {
    for nodes in [
        json!({ "start": { "type": "exit" } }),
        send(json!({ "template": "t", "percent": "{{ customer.attributes.points }}", "total": 1.2, "tier": "gold" })),
        send(
            json!({ "template": "{% for i in ['a', 'b', 'c'] %}{{ loop.index }}{% endfor %}", "until": "2026-01-01T00:00:00Z" }),
        ),
        node(
            json!({ "type": "send", "channel": "open", "purpose": "transactional", "content": { "anything": { "goes": [1] } }, "next": "end" }),
        ),
        then_send("gift", "{{ gift.code }} {{ gift.key }} {{ gift['percent'] }}"),
        json!({ "start": { "type": "wait", "duration": "1d", "next": "tag" }, "tag": { "type": "update", "tags": { "a": true }, "next": "start" } }),
    ] {
        assert_eq!(check(&definition(nodes), &surroundings()), []);
    }
}

#[test]
fn the_trigger_is_checked() {
    let document = json!({
        "trigger": { "event": "", "condition": { "not": { "tag": "" } } }, "start": "end", "nodes": { "end": { "type": "exit" } }
    });
    let faults = check(&parse(&document).unwrap(), &surroundings());
    assert_eq!(pointers(&faults), [("/trigger/condition/not/tag", "empty-name"), ("/trigger/event", "empty")]);
}

#[test]
fn an_endless_number_of_nodes_is_refused() {
    let mut nodes = serde_json::Map::new();
    for index in 0..1001 {
        nodes.insert(format!("n{index}"), json!({ "type": "exit" }));
    }
    assert_eq!(pointers(&check(&definition(Value::Object(nodes)), &surroundings())), [("/nodes", "too-many-nodes")]);
}

/// Nothing in a template makes anything larger than what it was given, and a check evaluates nothing.
#[test]
fn a_template_repeats_nothing() {
    for text in [
        "{{ 5 in ([1] * 10000000000) }}",
        "{{ (['*'] * trigger.properties.stars) | join }}",
        "{{ ([trigger.properties.n] * 1000000000) | list | length }}",
        "{{ 'x' * 1000000000 }}",
        "{{ trigger.name * 1000000000 }}",
        "{{ 10 ** 1000000000 }}",
        "{{ trigger.name ~ trigger.name }}",
        "{{ trigger.name + trigger.name }}",
        "{{ [trigger.name, trigger.name] | join }}",
        "{{ {'a': trigger.name} }}",
        "{% for a in [[trigger, trigger]] %}{{ a }}{% endfor %}",
        "{% set a = trigger.name %}{{ a }}",
        "{% with a = trigger.name %}{{ a }}{% endwith %}",
        "{% macro a(b) %}{{ a(b) }}{% endmacro %}{{ a(1) }}",
        "{% filter upper %}a{% endfilter %}",
        "{% for a in customer.tags recursive %}{{ loop(customer.tags) }}{% endfor %}",
        "{% include 'a' %}",
        "{{ range(1000000) | list }}",
        "{{ trigger.name.join(customer.tags) }}",
        "{{ trigger.name | indent(1000000) }}",
        "{{ trigger.name | format(1) }}",
        "{{ trigger | tojson }}",
        "{{ trigger.name | nonsense }}",
        "{{ trigger.name is nonsense }}",
        "{{ trigger.name | default(trigger.name * 1000000000) }}",
        "{{ trigger.name if trigger.name * 1000000000 else 1 }}",
        &format!(
            "{{% for a in [{}] %}}{{% if a in [{}] %}}x{{% endif %}}{{% endfor %}}",
            "1,".repeat(6_000),
            "1,".repeat(480_000)
        ),
    ] {
        let nodes = node(json!({ "type": "update", "attributes": { "a": text }, "next": "end" }));
        let faults = check(&definition(nodes), &surroundings());
        assert_eq!(pointers(&faults), [("/nodes/start/attributes/a", "bad-template")], "{text}: {faults:?}");
    }
}

/// What is written in a template is read several times before it is published, and at each start.
#[test]
fn a_template_is_of_bounded_size() {
    let list = |constants: usize| format!("{{% if 3 in [{}] %}}x{{% endif %}}", vec!["1"; constants].join(","));
    let long = |bytes: usize| format!("{{{{ trigger.name }}}}{}", "x".repeat(bytes));
    for (text, fits) in [
        (list(1_000), true),
        (list(1_001), false),
        (list(480_000), false),
        (long(200_000), true),
        (long(262_144), false),
    ] {
        let nodes = node(json!({ "type": "update", "attributes": { "a": text }, "next": "end" }));
        let faults = check(&definition(nodes), &surroundings());
        assert_eq!(faults.is_empty(), fits, "{} bytes: {faults:?}", text.len());
        assert!(faults.iter().all(|fault| fault.code == "bad-template" && fault.message.len() < 200), "{faults:?}");
    }
}

/// What the guide shows can be published, and does what it says of texts that are not there.
#[test]
fn the_example_of_the_guide_has_no_fault() {
    let guide = include_str!("../../../../docs/journeys.md");
    let example = guide.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let example: Value = serde_json::from_str(example).expect("the example is JSON");
    let named = Named { segments: ["vip".to_owned()].into(), ..Named::default() };
    let mut tenant = Surroundings { named: Some(named), ..surroundings() };
    // The webhook takes any content.
    tenant.channels.insert("webhook".to_owned(), tenant.channels["open"].clone());
    let definition = parse(&example).expect("a definition");
    assert_eq!(check(&definition, &tenant), []);
    assert!(Journey::compile("win-back", 1, &definition, &tenant).is_ok());
    let segment: Value = json!({ "segment": "vip", "on": "entered" });
    let left = json!({ "trigger": segment, "start": "end", "nodes": { "end": { "type": "exit" } } });
    assert_eq!(check(&parse(&left).expect("a definition"), &tenant), []);
}

#[test]
fn a_text_is_bounded_also_where_nothing_is_made_of_it() {
    let of = |text: String| {
        definition(node(json!({ "type": "update", "attributes": { "a": { "b": [text] } }, "next": "end" })))
    };
    let new = Surroundings { named: Some(Named::default()), ..surroundings() };
    assert_eq!(check(&of("x".repeat(256 << 10)), &new), []);
    let long = of("x".repeat((256 << 10) + 1));
    assert_eq!(check(&long, &surroundings()), [], "what was published before goes on");
    let faults = check(&long, &new);
    assert_eq!(pointers(&faults), [("/nodes/start/attributes/a/b/0", "too-long")]);
}
