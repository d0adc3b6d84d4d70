//! Objects: what is asked for, what is kept of the answer.

use openhub_journey::{Answer, Ask, Input, Next};
use openhub_model::Fault;
use openhub_model::run::RunStatus;
use serde_json::{Value, json};

use crate::Trip;

fn nodes(name: Value, text: &str) -> Value {
    json!({
        "start": {
            "type": "object", "action": "create", "kind": "coupon",
            "fields": { "percent": "{{ customer.attributes.points // 70 }}", "code": "C-{{ trigger.properties.order_id }}" },
            "as": name, "next": "pause"
        },
        "pause": { "type": "wait", "duration": "1h", "next": "send" },
        "send": { "type": "send", "channel": "open", "purpose": "transactional", "content": { "text": text }, "next": "end" },
        "end": { "type": "exit" }
    })
}

fn accept(trip: &mut Trip) {
    let fields = json!({ "percent": 10, "code": "C-O-1", "owner": "someone" });
    let step = trip.advance(Input::Answer(Answer::Object { key: "key-1", fields: &fields }));
    assert_eq!(step.entered, ["pause"]);
    trip.now = trip.now + "1h".parse().unwrap();
}

#[test]
fn it_asks_for_the_object_of_this_customer() {
    let mut trip = Trip::of(nodes(Value::Null, "-"));
    let step = trip.enter();
    let owner = trip.customer.customer.to_string();
    let fields = json!({ "percent": 10, "code": "C-o-1", "owner": owner });
    assert_eq!(step.next, Next::Ask(Ask::Object { kind: "coupon".to_owned(), fields }));
    assert_eq!((trip.run.status, trip.run.node.as_str()), (RunStatus::Waiting, "start"));
}

#[test]
fn later_nodes_find_what_the_plugin_made_of_it() {
    let kept = |text: &str| {
        let mut trip = Trip::of(nodes(json!("gift"), text));
        trip.enter();
        accept(&mut trip);
        let state = serde_json::from_str::<Value>(&trip.run.state).unwrap()["objects"]["gift"].clone();
        let step = trip.advance(Input::Timer);
        assert_eq!(trip.fault(), "");
        let content: Value = serde_json::from_str(&step.messages[0].content).unwrap();
        (state, content["text"].clone())
    };
    assert_eq!(kept("{{ gift.code }}"), (json!({ "code": "C-O-1" }), json!("C-O-1")));
    assert_eq!(kept("{{ gift.code }} {{ gift.key }}").0, json!({ "code": "C-O-1", "key": "key-1" }));
    assert_eq!(kept("{{ gift['percent'] }}").1, json!("10"));
    assert_eq!(kept("{{ gift | length }}").1, json!("4"));
    assert_eq!(kept("{% if gift.percent > 5 %}{{ gift.percent }} %{% endif %}").1, json!("10 %"));
}

#[test]
fn nothing_is_kept_that_no_later_node_uses() {
    let mut trip = Trip::of(nodes(json!("gift"), "{{ customer.id }}"));
    trip.enter();
    accept(&mut trip);
    assert_eq!(trip.run.state, r#"{"trigger":{"properties":{"order_id":"o-1"}}}"#);
}

#[test]
fn a_refusal_fails_the_run_with_its_reasons() {
    let mut trip = Trip::of(nodes(Value::Null, "-"));
    trip.enter();
    let refused = [Fault::new("/percent", "too-much", "at most 5")];
    let step = trip.advance(Input::Answer(Answer::Refused(&refused)));
    assert_eq!((step.next, trip.run.status), (Next::Rest, RunStatus::Failed));
    assert_eq!(trip.fault(), "/nodes/start/fields: the object was refused: /percent at most 5 (too-much)");
}
