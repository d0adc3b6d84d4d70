//! Functions of plugins in templates: what is checked, what is asked, and what becomes of the answers.

use openhub_journey::{Answer, Ask, Call, Calls, Input, Next, Step};
use openhub_model::Fault;
use openhub_model::run::RunStatus;
use serde_json::{Value, json};

use crate::{Trip, pointers, surroundings};

fn node(content: Value) -> Value {
    json!({ "type": "send", "channel": "mail", "purpose": "marketing", "content": content, "next": "end" })
}

fn trip(content: Value) -> Trip {
    Trip::of(json!({ "start": node(content), "end": { "type": "exit" } }))
}

fn asked(step: Step) -> Calls {
    match step.next {
        Next::Ask(Ask::Calls(calls)) => calls,
        other => panic!("it asks nothing: {other:?} {:?}", step.fault),
    }
}

/// Answers `money` with its arguments, and `greeting` with `Hello`.
fn answers(calls: &Calls) -> Vec<Result<Value, String>> {
    let answer = |call: &Call| match call.function.as_str() {
        "money" => Ok(json!(format!("<{} {}>", call.arguments[0], call.arguments[1].as_str().unwrap_or("-")))),
        _ => Ok(json!("Hello")),
    };
    calls.open.iter().map(answer).collect()
}

fn told(trip: &mut Trip, calls: &Calls, answers: Vec<Result<Value, String>>) -> Step {
    let known = calls.answered(answers);
    trip.advance(Input::Answer(Answer::Calls(&known)))
}

fn sent(step: &Step) -> Value {
    assert_eq!(step.fault, None);
    serde_json::from_str(&step.messages[0].content).expect("JSON")
}

#[test]
fn all_calls_of_a_node_are_asked_at_once_and_each_once() {
    let mut trip = trip(json!({
        "text": "{{ local_format.money(trigger.properties.total, 'EUR') }} {{ local_format.money(trigger.properties.total, 'EUR') }}",
        "html": "{% for n in [1, 2] %}{{ local_format.money(n) }}{% endfor %}",
    }));
    let calls = asked(trip.enter());
    let arguments: Vec<&[Value]> = calls.open.iter().map(|call| call.arguments.as_slice()).collect();
    assert_eq!(arguments, [&[json!("29.33"), json!("EUR")][..], &[json!(1), Value::Null], &[json!(2), Value::Null]]);
    let all = answers(&calls);
    let step = told(&mut trip, &calls, all);
    let html = "&lt;1 -&gt;&lt;2 -&gt;";
    assert_eq!(sent(&step), json!({ "text": "<\"29.33\" EUR> <\"29.33\" EUR>", "html": html }));
    assert_eq!(trip.run.status, RunStatus::Done);
}

#[test]
fn what_an_answer_leads_to_is_asked_next() {
    let mut trip = trip(json!({
        "text": "{% if local_format.greeting('a') == 'Hello' %}{{ local_format.greeting(local_format.greeting('b')) }}{% endif %}",
    }));
    let calls = asked(trip.enter());
    assert_eq!(calls.open.len(), 1);
    let all = answers(&calls);
    let next = asked(told(&mut trip, &calls, all));
    let all = answers(&next);
    let next = asked(told(&mut trip, &next, all));
    assert_eq!(next.open.iter().map(|call| &call.arguments[0]).collect::<Vec<_>>(), [&json!("Hello")]);
    let all = answers(&next);
    assert_eq!(sent(&told(&mut trip, &next, all)), json!({ "text": "Hello" }));
}

#[test]
fn a_call_without_an_answer_fails_the_run_where_it_is_used() {
    let text = "{% if local_format.greeting('a') == '' %}{{ local_format.money(1) }}{% endif %}-";
    let mut trip = trip(json!({ "text": text }));
    let calls = asked(trip.enter());
    let functions: Vec<&str> = calls.open.iter().map(|call| call.function.as_str()).collect();
    assert_eq!(functions, ["greeting", "money"], "what is behind the stand-in is asked, too");
    let one = vec![Ok(json!("Hello")), Err("bad-currency: none".to_owned())];
    assert_eq!(sent(&told(&mut trip, &calls, one)), json!({ "text": "-" }), "and is of no account if it is not used");
    let mut trip = self::trip(json!({ "text": "{{ local_format.money(1) }}" }));
    let calls = asked(trip.enter());
    let step = told(&mut trip, &calls, vec![Err("bad-currency: none".to_owned())]);
    let fault = step.fault.expect("it fails");
    assert_eq!((fault.pointer.as_str(), fault.code.as_str()), ("/nodes/start/content/text", "template"));
    assert!(fault.message.contains("`local-format.money` has no value: bad-currency: none"), "{fault:?}");
}

#[test]
fn a_missing_argument_is_told_by_its_name() {
    let mut trip = trip(json!({ "text": "{{ local_format.money(customer.attributes.nothing) }}" }));
    let fault = trip.enter().fault.expect("it fails");
    assert!(fault.message.contains("`customer.attributes.nothing` has no value here"), "{fault:?}");
    let mut trip = self::trip(json!({ "text": "{{ local_format.greeting(customer.attributes.nothing) }}" }));
    assert_eq!(asked(trip.enter()).open[0].arguments, [Value::Null], "one that may be left out is");
    let mut trip = self::trip(json!({ "text": "{{ local_format.money(customer.attributes.tier) }}" }));
    let fault = trip.enter().fault.expect("it fails");
    assert!(fault.message.contains("`amount` of `local-format.money` must be a decimal"), "{fault:?}");
}

#[test]
fn what_goes_into_html_is_escaped() {
    let mut trip =
        trip(json!({ "text": "{{ customer.attributes.markup }}", "html": "<b>{{ customer.attributes.markup }}</b>" }));
    trip.customer.set(
        "markup",
        json!("<i>&"),
        openhub_model::Cause { at: trip.now, event: "m".into(), plugin: None, rule: None },
    );
    let step = trip.enter();
    assert_eq!(sent(&step), json!({ "text": "<i>&", "html": "<b>&lt;i&gt;&amp;</b>" }));
}

#[test]
fn too_many_calls_fail_the_run() {
    let numbers: Vec<String> = (0..201).map(|number| number.to_string()).collect();
    let text = format!("{{% for n in [{}] %}}{{{{ local_format.money(n) }}}}{{% endfor %}}", numbers.join(","));
    let mut trip = trip(json!({ "text": text }));
    let calls = asked(trip.enter());
    assert_eq!(calls.open.len(), 200);
    let all = answers(&calls);
    let fault = told(&mut trip, &calls, all).fault.expect("it fails");
    assert!(fault.message.contains("at most 200"), "{fault:?}");
}

fn faults(text: &str) -> Vec<Fault> {
    let nodes = json!({ "start": node(json!({ "text": text })), "end": { "type": "exit" } });
    let definition = json!({ "trigger": { "event": "A" }, "start": "start", "nodes": nodes });
    let mut surroundings = surroundings();
    let types = serde_json::from_value(json!({ "name": "text", "spent": "number" })).expect("types");
    surroundings.named = Some(openhub_journey::Named { attributes: types, ..Default::default() });
    openhub_journey::faults(&definition, &surroundings)
}

#[test]
fn calls_are_checked_before_anybody_runs_into_them() {
    for fine in [
        "{{ local_format.money(customer.attributes.spent) }}",
        "{{ local_format.money('12.50', 'EUR') | upper }}",
        "{{ local_format.money(trigger.properties.total, customer.attributes.name) }}",
        "{{ local_format.greeting() }}",
        "{{ local_format.greeting(none) }}",
    ] {
        assert_eq!(faults(fine), [], "{fine}");
    }
    let at = "/nodes/start/content/text";
    for (text, code, told) in [
        ("{{ local_format.mony(1) }}", "unknown-function", "Did you mean `local_format.money`?"),
        ("{{ locl_format.money(1) }}", "unknown-function", "Did you mean `local_format.money`?"),
        ("{{ nobody.knows(1) }}", "unknown-function", "There are: local_format.greeting, local_format.money."),
        ("{{ local_format.money() }}", "wrong-arguments", "`local_format.money(amount, currency?)`"),
        ("{{ local_format.money(1, 'EUR', 3) }}", "wrong-arguments", "this call has 3 arguments"),
        (
            "{{ local_format.money('much') }}",
            "wrong-type",
            "`amount` of `local_format.money(amount, currency?)` must be a decimal",
        ),
        ("{{ local_format.money(1, 2) }}", "wrong-type", "`currency`"),
        ("{{ local_format.money(1, customer.attributes.spent) }}", "wrong-type", "`currency`"),
        ("{{ local_format.money(none) }}", "wrong-type", "`amount`"),
        ("{{ money(1) }}", "bad-template", "only functions of plugins can be called"),
        ("{{ local_format.money(amount=1) }}", "bad-template", "have no names"),
        ("{{ local_format.money(nobody.there) }}", "unknown-variable", "`nobody.there`"),
    ] {
        let found = faults(text);
        assert_eq!(pointers(&found), [(at, code)], "{text}");
        assert!(found[0].message.contains(told), "{text}: {found:?}");
    }
}

#[test]
fn nothing_is_kept_between_asking_and_answering() {
    let mut trip = trip(json!({ "text": "{{ local_format.greeting() }} {{ customer.attributes.tier }}" }));
    let calls = asked(trip.enter());
    assert_eq!(trip.run.state, "{}");
    let all = answers(&calls);
    assert_eq!(sent(&told(&mut trip, &calls, all)), json!({ "text": "Hello gold" }));
}
