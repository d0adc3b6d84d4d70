//! Sends: the message, its address, its id, its content.

use openhub_journey::Next;
use openhub_model::run::RunStatus;
use openhub_model::{Attribute, Identity};
use serde_json::{Value, json};

use crate::{Trip, customer};

fn send(channel: &str, content: Value) -> Value {
    // What `sms` is for is said by its channel.
    let purpose = (channel != "sms").then_some("transactional");
    json!({
        "start": { "type": "send", "channel": channel, "purpose": purpose, "content": content, "next": "end" },
        "end": { "type": "exit" }
    })
}

#[test]
fn it_leaves_a_message_and_moves_on() {
    let mut trip = Trip::of(send("sms", json!({ "text": "Dear {{ customer.attributes.tier }} customer", "n": 1 })));
    let step = trip.enter();
    assert_eq!((step.entered.clone(), step.next.clone()), (vec!["start".to_owned(), "end".to_owned()], Next::Rest));
    let [message] = step.messages.as_slice() else { panic!("one message") };
    assert_eq!(message.address, "+4930123");
    assert_eq!((message.channel.as_str(), message.purpose.as_str()), ("sms", "marketing"));
    assert_eq!(message.content, r#"{"text":"Dear gold customer","n":1}"#);
    assert_eq!((message.journey.as_str(), message.node.as_str()), ("test", "start"));
    assert_eq!((message.run, message.part), (trip.run.id, trip.customer.part));
    assert_eq!((message.created_at, message.expires_at), (trip.now, None));
    assert_eq!(trip.run.status, RunStatus::Done);
}

#[test]
fn the_same_transition_makes_the_same_message() {
    let nodes = send("open", json!({}));
    let ids = |trip: &mut Trip| trip.enter().messages.iter().map(|message| message.id).collect::<Vec<_>>();
    let (mut one, mut again) = (Trip::of(nodes.clone()), Trip::of(nodes.clone()));
    again.now = again.now + openhub_model::Span::from_micros(5);
    assert_eq!(ids(&mut one), ids(&mut again), "whatever the clock says at the second attempt");

    let twice = json!({
        "start": { "type": "send", "channel": "open", "purpose": "transactional", "next": "second" },
        "second": { "type": "send", "channel": "open", "purpose": "transactional", "next": "end" },
        "end": { "type": "exit" }
    });
    let twice = ids(&mut Trip::of(twice));
    assert_ne!(twice[0], twice[1]);
}

#[test]
fn the_address_is_the_identity_else_the_attribute_of_the_channels_kind() {
    let cause = customer().attributes.get("phone").expect("it is set").cause.clone();
    let mut numeric = customer();
    numeric.set("phone", 4930123.into(), cause.clone());
    let mut none = customer();
    none.set("phone", Value::Null, cause.clone());
    let mut empty = customer();
    empty.set("phone", "".into(), cause.clone());
    // Anybody may read a page's key.
    let by_page = |text: &str| {
        let mut customer = customer();
        let attribute = Attribute { value: text.into(), cause: cause.clone().by_page() };
        customer.attributes.insert("phone".into(), attribute);
        customer
    };
    let paged = by_page("+666");
    let mut trip = Trip::with(send("sms", json!({})), Value::Null, paged.clone());
    trip.identities = vec![Identity::new("phone", "+4930999")];
    assert_eq!(trip.enter().messages[0].address, "+4930999", "what a page says comes last");
    let mut anonymous = customer();
    anonymous.identity = Identity::new("phone", "+1");
    for (channel, customer, address) in [
        ("open", customer(), Some("42")),
        ("sms", customer(), Some("+4930123")),
        ("sms", numeric, Some("4930123")),
        ("sms", paged, Some("+666")),
        ("sms", anonymous.clone(), Some("+1")),
        ("open", anonymous, None),
        ("sms", none, None),
        ("sms", empty, None),
    ] {
        let mut trip = Trip::with(send(channel, json!({})), Value::Null, customer);
        let step = trip.enter();
        assert_eq!(step.messages.first().map(|message| message.address.as_str()), address);
        if address.is_none() {
            let kind = if channel == "sms" { "phone" } else { "user_id" };
            assert_eq!(trip.run.status, RunStatus::Failed);
            assert_eq!(
                trip.fault(),
                format!("/nodes/start/channel: the customer has no `{kind}` that the channel can send to")
            );
        }
    }
}

/// Who has no phone looks different from who has no name.
#[test]
fn e6_a_run_that_fails_says_where_and_why() {
    let nameless = customer();
    let mut phoneless = customer();
    phoneless.set("phone", Value::Null, nameless.attributes.get("phone").expect("it is set").cause.clone());
    let text = json!({ "text": "{{ customer.attributes.name.first }}" });
    let mut told = Vec::new();
    for (content, customer) in [(text, nameless), (json!({}), phoneless)] {
        let mut trip = Trip::with(send("sms", content), Value::Null, customer);
        let fault = trip.enter().fault.expect("it fails");
        assert!(!fault.message.is_empty());
        told.push((fault.pointer, fault.code));
    }
    let expected = [("/nodes/start/content/text", "template"), ("/nodes/start/channel", "no-address")];
    assert_eq!(told, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
}

#[test]
fn a_rendered_text_takes_the_type_of_its_field() {
    let total = "{{ trigger.properties.total }}";
    for (field, text, value) in [
        ("code", "{{ customer.attributes.points }}", Some(json!("700"))),
        ("percent", "{{ customer.attributes.points }}", Some(json!(700))),
        ("percent", total, None),
        ("weight", total, Some(json!(29.33))),
        ("total", total, Some(json!("29.33"))),
        ("total", "{{ trigger.properties.total }}1", Some(json!("29.33"))),
        ("tier", "{{ customer.attributes.tier }}", Some(json!("gold"))),
        ("tier", total, None),
        ("urgent", "{{ 'vip' in customer.tags }}", Some(json!(true))),
        ("until", "{{ trigger.at }}", Some(json!("2026-02-01T12:00:00Z"))),
        ("until", total, None),
    ] {
        let mut trip = Trip::of(send("webhook", json!({ "template": "t", field: text })));
        let step = trip.enter();
        let sent = step.messages.first().map(|message| serde_json::from_str::<Value>(&message.content).unwrap());
        assert_eq!(sent.map(|content| content[field].clone()), value, "{field} {text}: {}", trip.fault());
        if value.is_none() {
            assert!(trip.fault().starts_with(&format!("/nodes/start/content/{field}: ")), "{}", trip.fault());
        }
    }
}

#[test]
fn every_filter_and_test_is_there() {
    for (text, rendered) in [
        ("{{ -1 | abs }} {{ 'a b' | capitalize }} {{ 'ab' | count }} {{ 'ab' | d('c') }}", "1 A b 2 ab"),
        ("{{ [1, 2] | first }} {{ 1 | float }} {{ '2' | int }} {{ [1, 2] | last }} {{ 'ab' | length }}", "1 1.0 2 2 2"),
        (
            "{{ 'AB' | lower }} {{ [1, 2] | max }} {{ [1, 2] | min }} {{ 1.26 | round(1) }} {{ 'ab' | title }}",
            "ab 2 1 1.3 Ab",
        ),
        (
            "{{ ' a ' | trim }} {{ true is boolean }} {{ customer is defined }} {{ 4 is divisibleby(2) }}",
            "a true true true",
        ),
        (
            "{{ 'ab' is endingwith('b') }} {{ 2 is even }} {{ 1 is in([1]) }} {{ customer is mapping }}",
            "true true true true",
        ),
        ("{{ 1 is none }} {{ 1 is number }} {{ 1 is odd }} {{ [1] is sequence }}", "false true true true"),
        (
            "{{ 'ab' is startingwith('a') }} {{ 'a' is string }} {{ trigger.properties.nothing is undefined }}",
            "true true true",
        ),
    ] {
        let mut trip = Trip::of(send("open", json!({ "page.html": text })));
        let step = trip.enter();
        assert_eq!(trip.fault(), "", "{text}");
        assert_eq!(step.messages[0].content, json!({ "page.html": rendered }).to_string(), "{text}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let text = "{{ customer.attributes.tier }} {{ trigger.properties.coupon_code }}";
    let mut trip = Trip::of(send("open", json!({ "text": text })));
    trip.enter();
    let told = "/nodes/start/content/text: `trigger.properties.coupon_code` has no value here: if this is expected, \
                write `{{ trigger.properties.coupon_code | default('…') }}`";
    assert_eq!(trip.fault(), told);
}

/// A loop would have each filter, and each comparison, read the same again and again; and so would many texts.
#[test]
fn texts_read_no_more_than_they_are_given() {
    let fault = |texts: usize, text: &str, length: usize| {
        let content: serde_json::Map<String, Value> =
            (0..texts).map(|index| (format!("text{index}"), json!(text))).collect();
        let properties = json!({ "x": "a".repeat(length), "l": vec!["a"; length] });
        let mut trip = Trip::with(send("open", json!(content)), properties.clone(), customer());
        trip.enter_with(&properties);
        trip.fault().to_owned()
    };
    for walks in [
        "{{ trigger.properties.x | replace(i, 'b') | length }}",
        "{{ trigger.properties.x == trigger.properties.x }}",
        "{{ 'b' in trigger.properties.x }}",
        "{{ trigger.properties.x is in trigger.properties.l }}",
        "{{ i not in trigger.properties.l }}",
        "{{ trigger.properties.l < trigger.properties.l }}",
        "{{ trigger.properties.x[1:2] }}",
        "{{ trigger.properties.l[1:2] | length }}",
        "{{ trigger.properties.x[-1] }}",
        "{{ trigger.properties.l | last }}",
    ] {
        let text = format!("{{% for i in trigger.properties.l %}}{walks}{{% endfor %}}");
        assert_eq!(fault(1, &text, 100), "", "{walks}");
        assert!(fault(1, &text, 6_000).contains("read too much"), "{walks}: {}", fault(1, &text, 6_000));
    }
    let once = "{{ 'b' in trigger.properties.x }}";
    assert_eq!(fault(10, once, 6_000), "");
    assert!(fault(500, once, 6_000).contains("read too much"));
    let steps = "{% for i in trigger.properties.l %}{% endfor %}";
    assert_eq!(fault(5, steps, 6_000), "");
    assert!(fault(50, steps, 6_000).contains("take too many steps"));
}

#[test]
fn templates_see_the_customer_and_the_trigger() {
    let id = customer().customer.to_string();
    for (text, rendered) in [
        ("{{ customer.id }}", id.as_str()),
        ("{{ customer.identity.kind }}={{ customer.identity.value }}", "user_id=42"),
        ("{{ customer.attributes.tier | upper }}", "GOLD"),
        ("{{ customer['attributes']['points'] + 1 }}", "701"),
        ("{{ customer.attributes.country | default('??') }}", "??"),
        ("{{ customer.tags | join(',') }}", "vip"),
        ("{{ trigger.name }} at {{ trigger.at }}", "Order Completed at 2026-02-01T12:00:00Z"),
        ("{% if trigger.properties.total == '29.33' %}yes{% else %}no{% endif %}", "yes"),
        ("{{ customer.attributes.points | times(2) | plus(0.5) }}", "1400.5"),
        ("{{ customer.attributes.points | times(2) }} {{ customer.attributes.points - 1 }}", "1400 699"),
        ("{{ customer.attributes.tier | replace('old', 'reen') }} {{ 'a' in ['a', 'b'] }}", "green true"),
        ("{% for name in customer.attributes %}{{ name }};{% endfor %}", "phone;points;tier;"),
        ("{{ customer.attributes.tier == 'gold' }}", "true"),
        ("{# nothing #}<b>&</b>\n", "<b>&</b>\n"),
    ] {
        let mut trip = Trip::of(send("open", json!({ "page.html": text })));
        let step = trip.enter();
        assert_eq!(trip.fault(), "", "{text}");
        assert_eq!(step.messages[0].content, json!({ "page.html": rendered }).to_string(), "{text}");
    }
}
