//! The plugin `referral` on an engine: who brought whom follows from the order of the log, whatever the batch size and the database, and
//! rewards come once.

use openhub_model::{EventKind, Identity, Timestamp};
use openhub_store::{CustomerFilter, EventFilter, FaultFilter, ObjectFilter};
use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::house::House;
use serde_json::{Value, json};

const START: i64 = 1_735_732_800_000_000;
const MINUTE: i64 = 60_000_000;
const PAGE: usize = 100_000;
const CUSTOMERS: usize = 40;

fn user(name: &str) -> Identity {
    Identity::new(Identity::USER_ID, name)
}

/// Appends what customers do, a minute apart, and runs to the end.
async fn happens(house: &House, batch: usize, from: usize, deeds: &[(String, &str, Value)]) {
    let events = deeds.iter().enumerate().map(|(row, (who, event, properties))| {
        let body = json!({"type": "track", "event": event, "userId": who, "properties": properties});
        let at = Timestamp::from_micros(START + (from + row) as i64 * MINUTE);
        house.call(EventKind::Track, &format!("deed-{}", from + row), &user(who), at, body)
    });
    let position = house.store.append(&house.scope, events.collect()).await.expect("events are appended").position;
    house.run_to_the_end(batch, 2, position).await;
}

/// The fields of all objects of a type, by key.
async fn objects(house: &House, kind: &str) -> Vec<(String, Value)> {
    let filter = ObjectFilter { kind: kind.into(), limit: PAGE, ..ObjectFilter::default() };
    let objects = house.store.objects(&house.scope, &filter).await.expect("objects");
    let mut objects: Vec<_> = objects.into_iter().map(|object| (object.key, object.fields)).collect();
    objects.sort_by(|one, other| one.0.cmp(&other.0));
    objects.iter_mut().for_each(|(_, fields)| fields.sort_all_objects());
    objects
}

async fn attribute(house: &House, who: &Identity, name: &str) -> Value {
    let part = who.part(house.tenant);
    let customers = CustomerFilter { limit: PAGE, ..CustomerFilter::default() };
    let customers = house.store.customers(&house.scope, &customers).await.expect("customers");
    let customer = customers.iter().find(|customer| customer.customer == part).expect("the customer");
    customer.attribute(name).cloned().unwrap_or_default()
}

/// All that the log led to.
async fn state(house: &House) -> Value {
    let mut events = Vec::new();
    for name in ["Referral Made", "Referral Brought", "Referral Rewarded", "Referral Refused"] {
        let filter = EventFilter { name: Some(name.into()), limit: PAGE, ..EventFilter::default() };
        let found = house.store.events(&house.scope, &filter).await.expect("events");
        let told = found.iter().map(|event| {
            let body: Value = serde_json::from_str(&event.body).expect("JSON");
            format!("{name} {:?} {}", event.part, body["properties"])
        });
        events.extend(told);
    }
    events.sort();
    let faults = house.store.faults(&house.scope, &FaultFilter { limit: PAGE, ..FaultFilter::default() }).await;
    assert_eq!(faults.expect("faults").len(), 0, "nothing went wrong");
    json!({"places": objects(house, "referral").await, "rewards": objects(house, "referral-reward").await, "events": events})
}

async fn referred(url: Option<String>, batch: usize) -> Value {
    let house = House::open(url).await;
    let settings = json!({"reward": {"first": 100, "second": 30, "third": 10}, "bring": {"deepest": 4}});
    house.install(&guests::build("plugins/referral"), settings).await;
    let name = |number: usize| format!("c{number:02}");
    let join: Vec<_> = (0..CUSTOMERS).map(|number| (name(number), "Signed Up", json!({}))).collect();
    happens(&house, batch, 0, &join).await;
    let mut codes = Vec::new();
    for number in 0..CUSTOMERS {
        let code = attribute(&house, &user(&name(number)), "referral_code").await;
        codes.push(code.as_str().expect("everybody has a code").to_lowercase());
    }
    // In one batch: each is brought by the one before or by the first, claims twice, brings themselves, goes around in circles; and everybody
    // orders, some of them before they were brought.
    let with = |number: usize| json!({"referral_code": codes[number]});
    let mut deeds = Vec::new();
    for number in 1..CUSTOMERS {
        let giver = if number % 6 == 0 { 0 } else { number - 1 };
        deeds.push((name(number), "Signed Up", with(number)));
        if number % 3 == 0 {
            deeds.push((name(number), "Order Completed", json!({})));
        }
        deeds.push((name(number), "Signed Up", with(giver)));
        deeds.push((name(number), "Signed Up", with((number + 7) % CUSTOMERS)));
        deeds.push((name(number), "Order Completed", json!({})));
        deeds.push((name(number), "Order Completed", json!({})));
    }
    deeds.push((name(0), "Signed Up", with(5)));
    happens(&house, batch, CUSTOMERS, &deeds).await;
    let state = state(&house).await;
    let points = attribute(&house, &user(&name(0)), "referral_points").await;
    let brought = attribute(&house, &user(&name(0)), "referrals").await;
    json!({"state": state, "points": points, "brought": brought, "first": user(&name(0)).part(house.tenant).to_string()})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_brought_whom_is_the_same_in_batches_of_one_of_seven_and_of_all() {
    let one = referred(None, 1).await;
    let places = one["state"]["places"].as_array().expect("places");
    assert_eq!(places.len(), CUSTOMERS);
    let field = |place: &Value, name: &str| place[1][name].clone();
    let depths: Vec<i64> = places.iter().map(|place| field(place, "depth").as_i64().expect("a depth")).collect();
    assert!(depths.iter().max() == Some(&4) && depths.iter().filter(|depth| **depth == 0).count() > 1, "{depths:?}");
    let brought: i64 = places.iter().map(|place| field(place, "brought").as_i64().expect("a count")).sum();
    assert_eq!(brought, depths.iter().filter(|depth| **depth > 0).count() as i64, "each was brought by one");
    let refused = |why: &str| {
        let events = one["state"]["events"].as_array().expect("events").iter();
        events.filter(|event| event.as_str().is_some_and(|event| event.contains(&format!("\"why\":\"{why}\"")))).count()
    };
    for why in ["own-code", "brought-before", "has-brought", "too-deep"] {
        assert!(refused(why) > 0, "nobody met `{why}`");
    }
    // A reward each for who was brought and each of up to three above, and what the first has of them.
    let levels: i64 = depths.iter().map(|depth| (*depth).min(3)).sum();
    let rewards = one["state"]["rewards"].as_array().expect("rewards");
    assert_eq!(rewards.len() as i64, levels);
    let own = rewards.iter().filter(|reward| reward[1]["owner"] == one["first"]);
    let own: i64 = own.map(|reward| reward[1]["points"].as_i64().expect("points")).sum();
    assert_eq!(one["points"], json!(own));
    assert!(own > 0 && one["brought"].as_i64() > Some(5));
    for batch in [7, 5_000] {
        assert_eq!(referred(None, batch).await, one, "batches of {batch}");
    }
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    assert_eq!(referred(Some(database), 5_000).await, one, "PostgreSQL");
}

/// A visitor and a user each have a code, and then they are one: neither code brings them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_of_who_became_one_with_a_customer_is_their_own() {
    let (visitor, ada) = (Identity::new(Identity::ANONYMOUS_ID, "x"), user("ada"));
    for batch in [1, 5_000] {
        let house = House::open(None).await;
        house.install(&guests::build("plugins/referral"), json!({})).await;
        let call = |minute: i64, kind, who: &Identity, body: Value| {
            let at = Timestamp::from_micros(START + minute * MINUTE);
            house.call(kind, &format!("call-{minute}"), who, at, body)
        };
        let joins = |minute, who: &Identity, field: &str, properties: Value| {
            let mut body = json!({"type": "track", "event": "Signed Up", "properties": properties});
            body[field] = who.value.as_str().into();
            call(minute, EventKind::Track, who, body)
        };
        let events = vec![joins(0, &visitor, "anonymousId", json!({})), joins(1, &ada, "userId", json!({}))];
        let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
        house.run_to_the_end(batch, 1, position).await;
        let codes =
            [attribute(&house, &visitor, "referral_code").await, attribute(&house, &ada, "referral_code").await];
        assert!(codes[0].is_string() && codes[1].is_string() && codes[0] != codes[1], "{codes:?}");
        let one = json!({"type": "identify", "userId": "ada", "anonymousId": "x"});
        let mut events = vec![call(2, EventKind::Identify, &ada, one)];
        for (minute, code) in (3..).zip(&codes) {
            events.push(joins(minute, &ada, "userId", json!({"referral_code": code})));
        }
        let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
        house.run_to_the_end(batch, 1, position).await;
        let told = state(&house).await["events"].clone();
        let told: Vec<&str> = told.as_array().expect("events").iter().filter_map(Value::as_str).collect();
        assert!(told.len() == 2 && told.iter().all(|told| told.contains("own-code")), "batches of {batch}: {told:?}");
    }
}
