//! Steps of plugins: what is checked, what is asked, what a wait keeps, and how a run goes on.

use openhub_journey::{Answer, Ask, Input, Next, Onward, StepAsk, Surroundings, Woke};
use openhub_model::run::RunStatus;
use openhub_model::{Fault, Span};
use serde_json::{Value, json};

use crate::{Trip, ignored, moment, pointers, surroundings};

fn journey(with: Value) -> Value {
    json!({
        "start": { "type": "step", "plugin": "router", "step": "route", "with": with,
            "outlets": { "sales": "sold", "nurture": "end" } },
        "sold": { "type": "exit", "reason": "converted" },
        "end": { "type": "exit" }
    })
}

fn trip() -> Trip {
    Trip::of(journey(json!({ "score": "{{ customer.attributes.points }}", "team": "north" })))
}

fn asked(next: Next) -> StepAsk {
    match next {
        Next::Ask(Ask::Step(ask)) => ask,
        other => panic!("it asks no step: {other:?}"),
    }
}

fn answer(trip: &mut Trip, onward: &Onward) -> openhub_journey::Step {
    trip.advance(Input::Answer(Answer::Step(onward)))
}

fn wait(until: Option<&str>, events: &[u32], state: &[u8], trip: &Trip) -> Onward {
    let until = until.map(|span| trip.now + span.parse().expect("a span"));
    Onward::Wait { until, events: events.to_vec(), state: state.to_vec() }
}

#[test]
fn it_is_asked_with_what_the_author_set_and_leaves_by_an_outlet() {
    let mut trip = trip();
    let ask = asked(trip.enter().next);
    assert_eq!((ask.plugin.as_str(), ask.step.as_str(), ask.woke), ("router", "route", Woke::Entered));
    assert_eq!(serde_json::from_str::<Value>(&ask.input).unwrap(), json!({ "score": 700, "team": "north" }));
    assert_eq!((ask.state, ask.state_version), (Vec::new(), 3));
    let step = answer(&mut trip, &Onward::Go(0));
    assert_eq!((step.entered, trip.run.status), (vec!["sold".to_owned()], RunStatus::Done));
}

#[test]
fn a_wait_keeps_its_state_until_the_run_goes_on() {
    let mut trip = trip();
    trip.enter();
    let onward = wait(Some("2h"), &[1], b"\0\xff", &trip);
    assert_eq!(answer(&mut trip, &onward).next, Next::Rest);
    assert_eq!((trip.run.awaits.clone(), trip.run.due), (vec!["Lead Lost".to_owned()], Some(trip.now + hours(2))));
    assert!(ignored(&trip.event("Lead Scored", json!({}))), "it waits for another event");
    let ask = asked(trip.event("Lead Lost", json!({ "why": 7 })).next);
    let happened = Woke::Event { event: 1, at: trip.now, properties: json!({ "why": 7 }).to_string() };
    assert_eq!((ask.woke, ask.state.as_slice(), ask.state_version), (happened, &b"\0\xff"[..], 3));
    let onward = wait(Some("3h"), &[], b"", &trip);
    answer(&mut trip, &onward);
    assert!(trip.run.awaits.is_empty());
    assert!(ignored(&trip.advance(Input::Timer)), "never early");
    trip.now = trip.now + hours(3);
    assert_eq!(asked(trip.advance(Input::Timer).next).woke, Woke::Timer);
    let step = answer(&mut trip, &Onward::Go(1));
    assert_eq!((step.entered, trip.run.status), (vec!["end".to_owned()], RunStatus::Done));
    assert_eq!(trip.run.state, "{}");
}

#[test]
fn a_wait_of_less_takes_a_second() {
    let mut trip = trip();
    trip.enter();
    let onward = wait(Some("0s"), &[], b"", &trip);
    answer(&mut trip, &onward);
    assert_eq!(trip.run.due, Some(trip.now + "1s".parse::<Span>().unwrap()));
}

#[test]
fn what_happens_while_the_run_must_not_move_counts_afterwards() {
    let mut trip = trip();
    trip.enter();
    let onward = wait(Some("2h"), &[0, 1], b"kept", &trip);
    answer(&mut trip, &onward);
    let (first, second) = (json!({ "score": 9 }), json!({ "score": 10 }));
    assert_eq!(trip.advance(Input::Remember(&moment("Lead Scored", "m-3", trip.now, &first))).next, Next::Rest);
    assert!(ignored(&trip.advance(Input::Remember(&moment("Lead Scored", "m-4", trip.now, &second)))));
    let happened = Woke::Event { event: 0, at: trip.now, properties: first.to_string() };
    trip.now = trip.now + hours(1);
    let ask = asked(trip.advance(Input::Timer).next);
    assert_eq!((ask.woke, ask.state), (happened, b"kept".to_vec()));
}

#[test]
fn a_step_that_fails_or_says_so_fails_the_run() {
    let failed = |input: Input<'_>| {
        let mut trip = trip();
        trip.enter();
        let step = trip.advance(input);
        assert_eq!((step.next, trip.run.status), (Next::Rest, RunStatus::Failed));
        (step.fault.expect("a fault").code, trip.fault().to_owned())
    };
    let said = Onward::Fail { code: "nobody".into(), message: "no salespeople".into() };
    let (code, told) = failed(Input::Answer(Answer::Step(&said)));
    assert_eq!(code, "step-failed");
    assert_eq!(told, "/nodes/start/step: the plugin's step says: nobody: no salespeople");
    let trap = [Fault::new("", "trap", "unreachable")];
    let (code, told) = failed(Input::Answer(Answer::Refused(&trap)));
    assert_eq!(code, "plugin-failed");
    assert!(told.contains("unreachable (trap)"), "{told}");
}

#[test]
fn an_optional_input_whose_text_is_empty_is_left_out() {
    let mut trip = Trip::of(journey(json!({ "score": "{{ customer.attributes.nothing | default('') }}", "team": "" })));
    assert_eq!(asked(trip.enter().next).input, json!({ "team": "" }).to_string());
}

fn faults(node: Value) -> Vec<Fault> {
    let definition =
        json!({ "trigger": { "event": "A" }, "start": "start", "nodes": { "start": node, "end": { "type": "exit" } } });
    openhub_journey::faults(&definition, &surroundings())
}

#[test]
fn faults_name_the_nearest() {
    let node = |plugin: &str, step: &str, outlets: Value| {
        let with = json!({ "team": "north" });
        json!({ "type": "step", "plugin": plugin, "step": step, "with": with, "outlets": outlets })
    };
    let whole = json!({ "sales": "end", "nurture": "end" });
    assert_eq!(faults(node("router", "route", whole.clone())), []);
    for (wrong, at, code, meant) in [
        (node("ruter", "route", whole.clone()), "/nodes/start/plugin", "unknown-step", "`router`"),
        (node("router", "rout", whole), "/nodes/start/step", "unknown-step", "`route`"),
        (
            node("router", "route", json!({ "sales": "end", "nurture": "end", "sale": "end" })),
            "/nodes/start/outlets/sale",
            "unknown-outlet",
            "`sales`",
        ),
    ] {
        let found = faults(wrong);
        assert_eq!(pointers(&found), [(at, code)]);
        assert!(found[0].message.contains(&format!("Did you mean {meant}?")), "{found:?}");
    }
    let lacking = faults(node("router", "route", json!({ "sales": "end" })));
    assert_eq!(pointers(&lacking), [("/nodes/start/outlets/nurture", "missing-field")]);
    let nowhere = faults(node("router", "route", json!({ "sales": "end", "nurture": "nowhere" })));
    assert_eq!(pointers(&nowhere), [("/nodes/start/outlets/nurture", "dangling-edge")]);
}

#[test]
fn inputs_are_checked_as_they_are_declared() {
    let with = |with: Value| {
        let outlets = json!({ "sales": "end", "nurture": "end" });
        faults(json!({ "type": "step", "plugin": "router", "step": "route", "with": with, "outlets": outlets }))
    };
    assert_eq!(pointers(&with(json!({ "team": "north", "score": "x" }))), [("/nodes/start/with/score", "wrong-type")]);
    assert_eq!(pointers(&with(json!({}))), [("/nodes/start/with/team", "missing-field")]);
    let unknown = with(json!({ "team": "north", "scores": 5 }));
    assert_eq!(pointers(&unknown), [("/nodes/start/with/scores", "unknown-field")]);
    let called = with(json!({ "team": "{{ local_format.greeting() }}" }));
    assert_eq!(pointers(&called), [("/nodes/start/with/team", "function-not-allowed")]);
}

#[test]
fn a_cycle_through_a_step_needs_a_wait_beside_it() {
    let round = faults(json!({ "type": "step", "plugin": "router", "step": "route", "with": { "team": "a" },
        "outlets": { "sales": "start", "nurture": "end" } }));
    assert_eq!(pointers(&round), [("/nodes/start/outlets/sales", "endless-cycle")]);
}

#[test]
fn its_events_are_awaited() {
    let definition = crate::definition(journey(json!({ "team": "north" })));
    let journey = openhub_journey::Journey::compile("j", 1, &definition, &surroundings()).expect("no faults");
    assert_eq!(journey.awaited().collect::<Vec<_>>(), ["Lead Lost", "Lead Scored"]);
    assert!(openhub_journey::Journey::compile("j", 1, &definition, &Surroundings::default()).is_err());
}

fn hours(hours: i64) -> Span {
    Span::from_micros(hours * 3_600_000_000)
}
