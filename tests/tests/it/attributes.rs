//! Declared types: what is of another type is not written, by whatever way it comes, whatever the batch size and the
//! database; the rest of its event is.

use openhub_model::customer::Consent;
use openhub_model::identity::Authority;
use openhub_model::{EventKind, Identity, NewEvent, Timestamp, limits};
use openhub_store::EventFilter;
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{HOST_NOW, House, control};
use serde_json::{Value, json};

const CUSTOMERS: usize = 13;
const EVENTS: usize = 400;

/// Of events of each kind, some bring a value that fits and some another; the declarations change on the way.
fn events(house: &House) -> Vec<NewEvent> {
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let events = (0..EVENTS).map(|row| {
        let subject = Identity::new(Identity::USER_ID, format!("u{}", (row * 7919) % CUSTOMERS));
        let late = if row % 9 == 0 { 40 } else { 0 };
        let at = Timestamp::from_micros(start.micros() + (row as i64 - late) * 3_600_000_000);
        let age = if row % 3 == 0 { json!(row) } else { json!(row.to_string()) };
        let (kind, mut body) = match row % 5 {
            0 => (EventKind::Identify, json!({"traits": {"age": age, "row": row}, "tags": {"seen": true}})),
            1 => (EventKind::Update, json!({"attributes": {"age": age, "row": row, "since": "2025-01-01"}})),
            2 => (EventKind::Group, json!({"groupId": format!("g{row}")})),
            _ => (EventKind::Track, json!({"event": "Order Completed", "properties": {"total": 20 + row % 90}})),
        };
        body["userId"] = subject.value.clone().into();
        let mut event = house.call(kind, &format!("call-{row}"), &subject, at, body);
        event.historical = row % 11 == 0;
        event
    });
    events.collect()
}

fn declared(name: &str, of: &str) -> NewEvent {
    let body = json!({"attribute": name, "declaration": {"type": of}});
    control("attribute.declared", &format!("{name}:{of}"), body)
}

/// Sets an attribute of its own, and one that was declared with another type, after each order and again a day later.
fn journey() -> Value {
    let update = |attributes: Value, next: &str| json!({"type": "update", "attributes": attributes, "next": next});
    json!({
        "trigger": {"event": "Order Completed"}, "reentry": "after-exit",
        "start": "now",
        "nodes": {
            "now": update(json!({"label": 5, "greeted": true}), "later"),
            "later": {"type": "wait", "duration": "1d", "next": "again"},
            "again": update(json!({"label": "x", "greeted": "no"}), "end"),
            "end": {"type": "exit", "reason": "done"},
        },
    })
}

async fn state(url: Option<String>, batch: usize, workers: usize) -> Value {
    let house = House::open(url).await;
    for plugin in guests::ours() {
        house.install(plugin, json!({ "url": "http://127.0.0.1:9/" })).await;
    }
    house.publish("labels", journey()).await;
    house.publish_segments().await;
    let declarations = [
        ("age", "integer"),
        ("since", "timestamp"),
        ("group_id", "number"),
        ("tier", "integer"),
        ("orders", "text"),
        ("label", "text"),
        ("greeted", "boolean"),
    ];
    let declarations = declarations.map(|(name, of)| declared(name, of)).into();
    house.store.append(&house.scope, declarations).await.expect("attributes are declared");
    let mut events = events(&house);
    events.insert(300, declared("row", "text"));
    house.store.append(&house.scope, events).await.expect("events are appended");
    let position = house.advance("2025-12-31T12:00:00Z").await;
    house.run(batch, workers, position).await;
    let mut state = house.state().await;
    let mut values = Vec::new();
    for number in 0..CUSTOMERS {
        let part = Identity::new(Identity::USER_ID, format!("u{number}")).part(house.tenant);
        let customer = house.store.customer(&house.scope, part).await.expect("a look").expect("a customer");
        let plain = |(name, held): (&String, &openhub_model::Attribute)| (name.clone(), held.value.clone());
        values.push(customer.attributes.iter().map(plain).collect::<Value>());
    }
    state["values"] = values.into();
    state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_another_type_is_not_written() {
    let one = state(None, 1, 1).await;
    for values in one["values"].as_array().expect("a list") {
        let is = |name: &str, of: fn(&Value) -> bool| values.get(name).is_none_or(of);
        assert!(is("age", Value::is_i64) && is("since", Value::is_null) && is("label", Value::is_string), "{values}");
        assert!(is("greeted", Value::is_boolean) && is("spent_cents", Value::is_i64), "{values}");
        for refused in ["since", "group_id", "tier", "orders"] {
            assert_eq!(values.get(refused), None, "{values}");
        }
        assert!(values["row"].as_u64().is_some_and(|row| row < 300), "it keeps what it had: {values}");
    }
    let events = one["events"].as_array().expect("events").iter().filter_map(Value::as_str);
    let refused: Vec<&str> = events.filter(|event| event.starts_with("Attribute Refused")).collect();
    for name in ["age", "since", "group_id", "tier", "orders", "label", "greeted", "row"] {
        let about = format!("\"attribute\":\"{name}\"");
        let told = refused.iter().find(|event| event.contains(&about));
        let told = told.unwrap_or_else(|| panic!("nothing is told of `{name}`"));
        let says = format!("\"message\":\"`{name}` was not written: its declared type is ");
        assert!(told.contains(&says), "{told}");
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    for (database, batch) in [("SQLite", 7), ("SQLite", 5_000), ("PostgreSQL", 37)] {
        let url = if database == "SQLite" { None } else { Some(server.database().await.expect("a database")) };
        let other = state(url, batch, 2).await;
        for (name, list) in one.as_object().expect("an object") {
            assert_eq!(list, &other[name], "{database}, batches of {batch}: {name}");
        }
    }
}

/// Whoever reads a page's key makes no customer of any size: each of them is held and written whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_makes_no_customer_endless() {
    let house = House::open(None).await;
    let ada = Identity::new(Identity::USER_ID, "ada");
    let at = HOST_NOW;
    let says = |id: String, authority, traits: Value| {
        let body = json!({"type": "identify", "userId": "ada", "traits": traits});
        NewEvent { authority, ..house.call(EventKind::Identify, &id, &ada, at, body) }
    };
    let long = "x".repeat(limits::PAGE_VALUE);
    let mut events: Vec<NewEvent> =
        (0..300).map(|n| says(format!("p{n}"), Authority::Browser, json!({format!("page_{n}"): n}))).collect();
    events.push(says("long".into(), Authority::Browser, json!({"page_0": long})));
    events.push(says("again".into(), Authority::Browser, json!({"page_1": "changed"})));
    let many: serde_json::Map<String, Value> = (0..900).map(|n| (format!("server_{n}"), json!(n))).collect();
    events.push(says("server".into(), Authority::Server, Value::Object(many)));
    events.extend((0..1_100).map(|n| {
        let body = json!({"type": "page", "userId": "ada", "anonymousId": format!("visitor-{n}")});
        NewEvent { authority: Authority::Browser, ..house.call(EventKind::Page, &format!("v{n}"), &ada, at, body) }
    }));
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run(500, 2, position).await;
    let part = ada.part(house.tenant);
    let customer = house.store.customer(&house.scope, part).await.expect("a read").expect("a customer");
    let named = |prefix: &str| customer.attributes.keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((named("page_"), named("server_")), (limits::PAGE_VALUES, limits::VALUES - limits::PAGE_VALUES));
    assert_eq!(customer.attribute("page_0"), Some(&json!(0)));
    assert_eq!(customer.attribute("page_1"), Some(&json!("changed")));
    let parts = house.store.parts_around(&house.scope, &[part]).await.expect("parts");
    assert_eq!(parts.len(), limits::PAGE_IDENTITIES as usize);
    let filter = EventFilter { name: Some("Attribute Refused".into()), limit: 999, ..EventFilter::default() };
    let told = house.store.events(&house.scope, &filter).await.expect("events");
    for event in &told {
        let said: Value = serde_json::from_str(&event.body).expect("JSON");
        let message = said["properties"]["message"].as_str().expect("a message");
        assert!(message.contains(" was not written: ") && message.ends_with('.'), "{message}");
    }
    assert_eq!(told.len(), 102, "a hundred of the page's, the long one, and one for all that the server had too many");
}

/// What a server says has bounds, too; but a withdrawal of what the customer has agreed to always finds room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_makes_no_customer_endless_and_a_withdrawal_is_always_kept() {
    let house = House::open(None).await;
    let ada = Identity::new(Identity::USER_ID, "ada");
    let says = |id: &str, body: Value| NewEvent {
        authority: Authority::Server,
        ..house.call(EventKind::Identify, id, &ada, HOST_NOW, body)
    };
    let tags = |first: usize, count: usize| {
        let tags: serde_json::Map<String, Value> =
            (first..first + count).map(|n| (format!("t{n}"), json!(true))).collect();
        json!({"userId": "ada", "tags": tags})
    };
    let consents = |first: usize, count: usize| {
        let granted = |n: usize| (format!("p{n}"), json!({"state": "granted"}));
        json!({"userId": "ada", "consents": (first..first + count).map(granted).collect::<serde_json::Map<String, Value>>()})
    };
    let denies = |purposes: &[&str]| {
        let denied = |purpose: &&str| ((*purpose).to_owned(), json!({"state": "denied"}));
        json!({"userId": "ada", "consents": purposes.iter().map(denied).collect::<serde_json::Map<String, Value>>()})
    };
    let events = vec![
        says("tags-1", tags(0, 900)),
        says("tags-2", tags(900, 1_100)),
        says("consents-1", consents(0, 500)),
        says("consents-2", consents(500, 600)),
        says("denied", denies(&["p7", "p8/email", "never/email"])),
    ];
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run(500, 2, position).await;
    let customer =
        house.store.customer(&house.scope, ada.part(house.tenant)).await.expect("a read").expect("a customer");
    assert_eq!(customer.tags.len(), limits::VALUES);
    assert_eq!(customer.consent("p7", None), Consent::Denied);
    assert_eq!(
        (customer.consent("p8", Some("email")), customer.consent("p8", None)),
        (Consent::Denied, Consent::Granted)
    );
    assert_eq!(customer.consents.len(), limits::VALUES + 1, "what was never agreed to is left out");
    let filter = EventFilter { name: Some("Attribute Refused".into()), limit: 99, ..EventFilter::default() };
    assert_eq!(
        house.store.events(&house.scope, &filter).await.expect("events").len(),
        3,
        "one for each event with too many"
    );
}
