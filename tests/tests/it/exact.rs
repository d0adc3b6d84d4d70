//! Conditions are exact: instants however they are written, whole numbers to the last digit, times relative to now to the
//! microsecond; in the engine and in the database, at any batch size.

use openhub_model::{Condition, EventKind, Identity, PartId, Timestamp};
use openhub_store::{AsOf, EventFilter};
use openhub_test_postgres::Server;
use openhub_tests::house::House;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000_000;

fn day(day: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    Timestamp::from_micros(start.micros() + day * DAY)
}

fn user(name: &str) -> Identity {
    Identity::new(Identity::USER_ID, name)
}

fn attribute(name: &str, is: &str, value: Value) -> Value {
    json!({"attribute": {"name": name, "is": is, "value": value}})
}

fn bought(property: &str, value: Value) -> Value {
    json!({"event": {"name": "Bought", "is": "ge", "value": 1, "where": [{"property": property, "is": "eq", "value": value}]}})
}

fn segments() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let instant = json!("2026-01-31T22:00:00Z");
    vec![
        ("at", attribute("seen", "ge", instant.clone()), vec!["ada", "bob"]),
        ("equal", attribute("seen", "eq", instant.clone()), vec!["ada", "bob"]),
        ("one of", attribute("seen", "in", json!(["x", "2026-02-01T06:00:00+08:00"])), vec!["ada", "bob"]),
        ("bought at", bought("at", instant), vec!["ada", "bob"]),
        ("store", attribute("store_id", "eq", json!(1_610_521_604_143_693_812_i64)), vec!["ada"]),
        ("above", attribute("store_id", "gt", json!(1_610_521_604_143_693_812_i64)), vec!["bob"]),
        ("stores", attribute("store_id", "in", json!([1_610_521_604_143_693_813_i64])), vec!["bob"]),
        ("bought there", bought("store", json!(1_610_521_604_143_693_813_i64)), vec!["bob"]),
        ("wide", attribute("wide", "eq", json!(18_446_744_073_709_551_614_u64)), vec!["bob"]),
    ]
}

async fn house(url: Option<String>) -> House {
    let house = House::open(url).await;
    for (name, condition, _) in segments() {
        house.publish_segment(name, &condition).await;
    }
    house
}

async fn members(house: &House, segment: &str) -> Vec<&'static str> {
    let listed = house.store.members(&house.scope, segment, None, 10).await.expect("members");
    let ids: Vec<PartId> = listed.into_iter().map(|(customer, _)| customer).collect();
    ["ada", "bob"].into_iter().filter(|name| ids.contains(&user(name).part(house.tenant))).collect()
}

/// Whom the database finds.
async fn found(house: &House, condition: &Value, now: Timestamp) -> Vec<&'static str> {
    let condition: Condition = serde_json::from_value(condition.clone()).expect("a condition");
    let truths = house.store.truths(&house.scope, &condition, AsOf::whole_log(now), None, 10).await.expect("truths");
    let holds = |name: &&str| {
        let id = user(name).part(house.tenant);
        truths.iter().any(|(customer, truth)| *customer == id && truth.holds())
    };
    ["ada", "bob"].into_iter().filter(holds).collect()
}

async fn report_12_and_13(url: Option<String>, batch: usize) {
    let house = house(url).await;
    let people = [
        ("ada", "2026-01-31T22:00:00.000Z", 1_610_521_604_143_693_812_i64, u64::MAX),
        ("bob", "2026-02-01T06:00:00+08:00", 1_610_521_604_143_693_813_i64, u64::MAX - 1),
    ];
    let mut events = Vec::new();
    for (name, at, store, wide) in people {
        let traits =
            json!({"type": "identify", "userId": name, "traits": {"seen": at, "store_id": store, "wide": wide}});
        events.push(house.call(EventKind::Identify, &format!("i-{name}"), &user(name), day(1), traits));
        let body =
            json!({"type": "track", "event": "Bought", "userId": name, "properties": {"at": at, "store": store}});
        events.push(house.call(EventKind::Track, &format!("t-{name}"), &user(name), day(1), body));
    }
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run(batch, 1, position).await;
    for (name, condition, right) in segments() {
        assert_eq!(members(&house, name).await, right, "{name}, batches of {batch}");
        assert_eq!(found(&house, &condition, day(2)).await, right, "{name} as SQL");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_12_report_13_instants_and_whole_numbers_are_exact() {
    for batch in [1, 37] {
        report_12_and_13(None, batch).await;
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    report_12_and_13(Some(server.database().await.expect("a database")), 37).await;
}

/// Ada's card expires on day 40: within the next 30 days from day 10 on, until it has expired.
async fn e5(url: Option<String>, batch: usize) {
    let house = House::open(url).await;
    let within = json!({"all": [
        attribute("expires_at", "ge", json!({"now": "+0d"})), attribute("expires_at", "le", json!({"now": "+30d"})),
    ]});
    house.publish_segment("expires", &within).await;
    let traits = json!({"type": "identify", "userId": "ada", "traits": {"expires_at": day(40)}});
    let told = house.call(EventKind::Identify, "i", &user("ada"), day(1), traits);
    house.store.append(&house.scope, vec![told]).await.expect("an event");
    let position = house.advance(&day(60).to_string()).await;
    house.run(batch, 1, position).await;
    let mut crossings = Vec::new();
    for name in ["Segment Entered", "Segment Left"] {
        let filter = EventFilter { name: Some(name.into()), limit: 10, ..EventFilter::default() };
        let events = house.store.events(&house.scope, &filter).await.expect("events");
        crossings.extend(events.iter().map(|event| (name, event.occurred_at)));
    }
    let after = Timestamp::from_micros(day(40).micros() + 1);
    assert_eq!(crossings, [("Segment Entered", day(10)), ("Segment Left", after)], "batches of {batch}");
    for (now, right) in [(day(9), vec![]), (day(10), vec!["ada"]), (day(40), vec!["ada"]), (after, vec![])] {
        assert_eq!(found(&house, &within, now).await, right, "as SQL at {now}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e5_a_time_relative_to_now_is_exact() {
    for batch in [1, 37] {
        e5(None, batch).await;
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    e5(Some(server.database().await.expect("a database")), 37).await;
}
