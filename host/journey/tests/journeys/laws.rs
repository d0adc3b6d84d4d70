//! On random graphs and inputs: nothing panics, nothing depends on when or how often it is computed, and what passes
//! the check comes to rest.

use openhub_journey::{Answer, Input, Journey, Next, StepContext, check, parse};
use openhub_model::run::{Run, RunStatus};
use openhub_model::{Fault, Span};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{TENANT, at, customer, moment, surroundings};

/// Mostly ids of nodes that exist.
fn target() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["n0", "n1", "n2", "n3", "n4", "n5", "gone"]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = Value> {
    let texts = [
        "plain",
        "{{ customer.attributes.tier }}",
        "{{ customer.attributes.country }}",
        "{{ trigger.properties.order_id }}",
        "{{ gift.code }}",
        "{{ gift }}",
        "{% for gift in customer.tags %}{{ gift }}{% endfor %}",
        "{{ open",
        "{{ nobody }}",
    ];
    prop_oneof![prop::sample::select(texts.to_vec()).prop_map(Value::from), any::<i8>().prop_map(Value::from)]
}

fn condition() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({ "tag": "vip" })),
        Just(json!({ "not": { "tag": "vip" } })),
        Just(json!({ "attribute": { "name": "points", "is": "gt", "value": 500 } })),
        Just(json!({ "attribute": { "name": "points", "is": "gt", "value": true } })),
    ]
}

fn node() -> impl Strategy<Value = Value> {
    let span = || prop::sample::select(vec!["1h", "60d", "0s"]);
    prop_oneof![
        (span(), target()).prop_map(|(span, next)| json!({ "type": "wait", "duration": span, "next": next })),
        (span(), target(), target(), any::<bool>()).prop_map(|(span, event, timeout, matches)| {
            let matches = if matches { json!([{ "property": "order_id", "equals": "order_id" }]) } else { json!([]) };
            json!({
                "type": "wait", "for": { "event": "Paid", "match": matches },
                "timeout": span, "on_event": event, "on_timeout": timeout
            })
        }),
        (condition(), target(), target()).prop_map(|(condition, next, other)| {
            json!({ "type": "branch", "branches": [{ "if": condition, "next": next }], "else": other })
        }),
        (text(), target())
            .prop_map(|(text, next)| json!({ "type": "update", "attributes": { "a": text }, "next": next })),
        (text(), target()).prop_map(|(text, next)| {
            json!({
                "type": "object", "action": "create", "kind": "coupon",
                "fields": { "percent": 5, "code": text }, "as": "gift", "next": next
            })
        }),
        (text(), target()).prop_map(|(text, next)| {
            json!({ "type": "send", "channel": "open", "purpose": "transactional", "content": { "text": text }, "next": next })
        }),
        Just(json!({ "type": "exit" })),
    ]
}

/// Up to six nodes, any of which may lead anywhere.
fn document() -> impl Strategy<Value = Value> {
    prop::collection::vec(node(), 1..=6).prop_map(|nodes| {
        let nodes: Map<_, _> = nodes.into_iter().enumerate().map(|(index, node)| (format!("n{index}"), node)).collect();
        json!({ "trigger": { "event": "Order Completed" }, "start": "n0", "nodes": nodes })
    })
}

/// A document whose edges are bent to existing nodes, unreachable nodes dropped, and faulty texts replaced: so that
/// it passes the check whenever it has no endless cycle.
fn sound(document: &Value) -> Option<Journey> {
    let mut document = document.clone();
    for _ in 0..32 {
        let definition = parse(&document).ok()?;
        let faults = check(&definition, &surroundings());
        let Some(Fault { pointer, code, .. }) = faults.first() else {
            return Journey::compile("random", 1, &definition, &surroundings()).ok();
        };
        match code.as_str() {
            "unreachable" => {
                let id = pointer.rsplit('/').next()?;
                document["nodes"].as_object_mut()?.remove(id);
            }
            "dangling-edge" => *document.pointer_mut(pointer)? = json!("n0"),
            "bad-span" => *document.pointer_mut(pointer)? = json!("1d"),
            "wrong-type" => *document.pointer_mut(pointer)? = json!("x"),
            "bad-template" | "unknown-variable" => *document.pointer_mut(pointer)? = json!("fine"),
            _ => return None,
        }
    }
    None
}

#[derive(Clone, Debug)]
enum Happening {
    Paid(&'static str),
    Timer,
    Continue,
    Accepted,
    Refused,
    Enter,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => prop::sample::select(vec!["o-1", "o-2"]).prop_map(Happening::Paid),
        3 => Just(Happening::Timer),
        2 => Just(Happening::Continue),
        2 => Just(Happening::Accepted),
        1 => Just(Happening::Refused),
        1 => Just(Happening::Enter),
    ]
}

/// Everything that comes of a run to which these things happen.
fn story(journey: &Journey, happenings: &[Happening]) -> Vec<(Run, String)> {
    let customer = customer();
    let mut now = at("2026-02-01T12:00:00Z");
    let properties = json!({ "order_id": "o-1" });
    let trigger = moment("Order Completed", "m-1", now, &properties);
    let mut run = journey.start(TENANT, &customer, &trigger);
    let mut story = Vec::new();
    for happening in [&Happening::Enter].into_iter().chain(happenings) {
        let order = json!({ "order_id": if let Happening::Paid(order) = happening { order } else { "" } });
        let fields = json!({ "code": "C", "percent": 5 });
        let refused = [Fault::new("/code", "taken", "taken")];
        let event = moment("Paid", "m-2", now, &order);
        let input = match happening {
            Happening::Paid(_) => Input::Event(&event),
            Happening::Timer => Input::Timer,
            Happening::Continue => Input::Continue,
            Happening::Accepted => Input::Answer(Answer::Object { key: "C", fields: &fields }),
            Happening::Refused => Input::Answer(Answer::Refused(&refused)),
            Happening::Enter => Input::Enter(&trigger),
        };
        let before = run.clone();
        let step = journey.advance(
            &mut run,
            input,
            &StepContext::of(TENANT, &[], openhub_model::condition::Facts::of(&customer, now)),
        );
        match step.next {
            Next::Ignored => assert_eq!(run, before),
            Next::Rest => assert_eq!(run.status == RunStatus::Waiting, !run.awaits.is_empty() || run.due.is_some()),
            Next::Update { .. } | Next::Ask(_) => assert_eq!(run.status, RunStatus::Waiting),
        }
        assert_eq!(run.step - before.step, step.entered.len() as i64);
        assert_eq!(run.ended_at.is_some(), run.status != RunStatus::Waiting);
        assert!(run.fault.as_deref().is_none_or(|fault| !fault.contains("without resting")), "{run:?}");
        story.push((run.clone(), format!("{step:?}")));
        now = now + Span::from_micros(20 * 86_400_000_000);
    }
    story
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_graphs_never_panic(document in document(), happenings in prop::collection::vec(happening(), 0..12)) {
        if let Ok(definition) = parse(&document) {
            let faults = check(&definition, &surroundings());
            for fault in &faults {
                prop_assert!(fault.pointer.starts_with("/nodes/n") || fault.pointer == "/start", "{fault:?}");
            }
            prop_assert_eq!(faults.is_empty(), Journey::compile("random", 1, &definition, &surroundings()).is_ok());
        }
        if let Some(journey) = sound(&document) {
            story(&journey, &happenings);
        }
    }

    #[test]
    fn the_same_inputs_tell_the_same_story(document in document(), happenings in prop::collection::vec(happening(), 0..12)) {
        if let (Some(journey), Some(compiled_again)) = (sound(&document), sound(&document)) {
            prop_assert_eq!(story(&journey, &happenings), story(&compiled_again, &happenings));
        }
    }

    #[test]
    fn no_document_panics(text in ".{0,40}", number in any::<f64>(), pointer in prop::sample::select(vec!["/trigger", "/start", "/nodes", "/nodes/n0", "/nodes/n0/type"]), document in document()) {
        for value in [json!(text), json!(number), json!([text]), json!({ text: null })] {
            let mut document = document.clone();
            *document.pointer_mut(pointer).unwrap() = value;
            let _ = parse(&document).map(|definition| check(&definition, &surroundings()));
        }
    }
}
