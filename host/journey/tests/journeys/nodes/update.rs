//! Updates: what is asked for, and what fails.

use openhub_journey::{Input, Next};
use openhub_model::run::RunStatus;
use serde_json::{Value, json};

use crate::{Trip, customer, ignored};

/// 160,000 times nothing.
const SLOW: &str = "{% for a in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] %}\
    {% for b in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] %}\
    {% for c in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] %}\
    {% for d in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] %}\
    {% endfor %}{% endfor %}{% endfor %}{% endfor %}";

fn nodes(attributes: Value) -> Value {
    json!({
        "start": { "type": "update", "attributes": attributes, "tags": { "vip": false, "won": true }, "next": "end" },
        "end": { "type": "exit" }
    })
}

#[test]
fn it_asks_for_the_change_and_goes_on_when_it_is_made() {
    let mut trip = Trip::of(nodes(json!({
        "last_order": "{{ trigger.properties.order_id }}",
        "score": 3,
        "phone": null,
        "both": ["{{ customer.attributes.tier }}", 1, { "x": "{{ customer.identity.value }}" }]
    })));
    let step = trip.enter();
    assert_eq!(step.entered, ["start"]);
    let attributes = [
        ("last_order", json!("o-1")),
        ("score", json!(3)),
        ("phone", Value::Null),
        ("both", json!(["gold", 1, { "x": "42" }])),
    ];
    let expected = Next::Update {
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        tags: vec![("vip".to_owned(), false), ("won".to_owned(), true)],
    };
    assert_eq!(step.next, expected);
    assert_eq!((trip.run.status, trip.run.awaits.first(), trip.run.due), (RunStatus::Waiting, None, None));

    assert!(ignored(&trip.advance(Input::Timer)));
    assert_eq!(trip.advance(Input::Continue).entered, ["end"]);
    assert_eq!((trip.run.status, trip.run.step), (RunStatus::Done, 2));
}

#[test]
fn what_is_not_there_fails_the_run_at_its_field() {
    for (text, what) in [
        ("{{ trigger.properties.missing }}", "`trigger.properties.missing` has no value here"),
        ("{{ trigger.properties.nothing }}", "`trigger.properties.nothing` has no value here"),
        ("{{ trigger.properties.items.first }}", "`trigger.properties.items.first` has no value here"),
        ("{{ customer.attributes.missing }}", "`customer.attributes.missing` has no value here"),
        ("{{ customer.attributes.tier.name }}", "`customer.attributes.tier.name` has no value here"),
        ("{{ 'a' / 2 }}", "unsupported types"),
        (SLOW, "fuel"),
        ("{{ customer.attributes.tier | times(2) }}", "both values must be numbers"),
    ] {
        let properties = json!({ "nothing": null, "items": { "first": null } });
        let mut trip = Trip::with(nodes(json!({ "a/b": text })), properties, customer());
        let step = trip.enter();
        assert_eq!((step.next, trip.run.status), (Next::Rest, RunStatus::Failed), "{text}");
        assert!(trip.fault().starts_with("/nodes/start/attributes/a~1b: "), "{}", trip.fault());
        assert!(trip.fault().contains(what), "{}", trip.fault());
        assert_eq!(trip.run.ended_at, Some(trip.now));
    }
}
