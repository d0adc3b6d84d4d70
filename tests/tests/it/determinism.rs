//! The same log gives the same state: whatever the batch size, the number of workers and the database.

use openhub_model::run::RunStatus;
use openhub_model::{ClockKind, EventKind, Identity, NewEvent, Timestamp};
use openhub_store::{Op, RunFilter};
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{HOST_NOW, House, Order, control};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000_000;
const ORDERS: u64 = 1_500;
const CUSTOMERS: u64 = 97;

/// Orders over a year: several at the same instant, one in ten late by up to five days.
fn orders() -> Vec<Order> {
    let mut draw = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        draw % below
    };
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let orders = (0..ORDERS).map(|row| {
        let day = (row * 365 / ORDERS) as i64;
        let late = if next(10) == 0 { next(5) as i64 } else { 0 };
        Order {
            row,
            customer: next(CUSTOMERS).to_string(),
            at: Timestamp::from_micros(start.micros() + (day - late) * DAY),
            total: format!("{}.{:02}", next(150), next(100)),
        }
    });
    orders.collect()
}

fn win_back() -> Value {
    let path = guests::root().join("examples/cdnow/win-back.journey.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the journey")).expect("JSON")
}

async fn state(url: Option<String>, batch: usize, workers: usize) -> Value {
    let house = House::open(url).await;
    for plugin in guests::ours() {
        house.install(plugin, json!({ "url": "http://127.0.0.1:9/" })).await;
    }
    house.publish("win-back", win_back()).await;
    house.publish_segments().await;
    house.append(&orders()).await;
    let position = house.advance("2026-01-31T12:00:00Z").await;
    house.run(batch, workers, position).await;
    house.state().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_batch_size_changes_nothing() {
    let one = state(None, 1, 1).await;
    let coupons = one["coupons"].as_array().expect("coupons").len();
    assert!(coupons > 100, "only {coupons} coupons: the test proves nothing");
    let events = one["events"].as_array().expect("events").iter().filter_map(Value::as_str);
    let count = |name: &str| events.clone().filter(|event| event.starts_with(name)).count();
    let rules = one["rules"].as_array().expect("what rules were asked").iter().filter_map(Value::as_str);
    assert!(rules.clone().any(|used| used == format!("points/points {ORDERS}")), "{:?}", rules.collect::<Vec<_>>());
    assert!(count("Tier Changed") > 50, "hardly a change of tier");
    assert!(count("Segment Entered") > 500 && count("Segment Left") > 300, "hardly anybody moved");
    for (batch, workers) in [(7, 1), (37, 2), (5_000, 2)] {
        assert_same(&one, &state(None, batch, workers).await, &format!("batches of {batch}"));
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    for batch in [37, 5_000] {
        assert_same(
            &one,
            &state(Some(server.database().await.expect("a database")), batch, 2).await,
            &format!("PostgreSQL, batches of {batch}"),
        );
    }
}

/// Compares list by list, so that a failure shows the first row that differs.
fn assert_same(one: &Value, other: &Value, what: &str) {
    for (name, list) in one.as_object().expect("an object") {
        let Some(rows) = list.as_array() else {
            assert_eq!(list, &other[name], "{what}: {name}");
            continue;
        };
        let others = other[name].as_array().expect("a list");
        for (row, other) in rows.iter().zip(others) {
            assert_eq!(row, other, "{what}: {name}");
        }
        assert_eq!(rows.len(), others.len(), "{what}: {name}");
    }
}

const USERS: usize = 5;
/// When the journey began, on the host's clock; the hub is away from then on, until now.
const BEGAN: i64 = HOST_NOW.micros() - 60_000_000;

fn after(millis: i64) -> Timestamp {
    Timestamp::from_micros(BEGAN + millis * 1_000)
}

fn at(received_at: Timestamp, event: NewEvent) -> NewEvent {
    NewEvent { occurred_at: received_at, received_at, ..event }
}

/// Customers enter a journey that waits six seconds for `Paid`; then `behind` is received, with much else before it.
async fn waits(
    url: Option<String>,
    batch: usize,
    behind: impl Fn(&House) -> Vec<NewEvent>,
) -> Vec<(RunStatus, String)> {
    let house = House::open_on(url, ClockKind::Live).await;
    let journey = json!({
        "trigger": {"event": "Cart Viewed"}, "start": "wait",
        "nodes": {
            "wait": {"type": "wait", "for": {"event": "Paid"}, "timeout": "6s", "on_event": "paid", "on_timeout": "late"},
            "paid": {"type": "exit"}, "late": {"type": "exit"},
        },
    });
    let published = at(after(0), control("journey.published", "cart", json!({"journey": "cart", "version": 1})));
    let ops = vec![
        Op::PutJourneyDraft { name: "cart".into(), definition: journey.clone(), at: after(0) },
        Op::PutJourneyVersion { name: "cart".into(), version: 1, definition: journey, at: after(0) },
        Op::Append(published),
    ];
    house.store.transact(&house.scope, ops).await.expect("a journey is published");
    let mut events: Vec<NewEvent> = (0..USERS).map(|user| tracks(&house, "Cart Viewed", user, 0)).collect();
    events.extend((0..7).map(|number| tracks(&house, "Looked", 100 + number, 50)));
    events.extend(behind(&house));
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run(batch, 2, position).await;
    // What is due by now fires without an event, too.
    let engine = house.start(batch, 2);
    let runs = openhub_tests::patience::until("all that is due has fired", || async {
        // Before the runs, which are those of a timer that has fired once there is none.
        let due = house.store.due_timers(&house.scope, HOST_NOW, 99).await.expect("timers");
        let runs =
            house.store.runs(&house.scope, &RunFilter { limit: 99, ..RunFilter::default() }).await.expect("runs");
        due.is_empty().then_some(runs)
    })
    .await;
    engine.stop().await;
    runs.into_iter().map(|run| (run.status, run.node)).collect()
}

fn tracks(house: &House, name: &str, user: usize, millis: i64) -> NewEvent {
    let subject = Identity::new(Identity::USER_ID, user.to_string());
    let body = json!({"type": "track", "event": name, "userId": subject.value});
    let id = format!("{name}-{user}-{millis}");
    at(after(millis), house.call(EventKind::Track, &id, &subject, after(millis), body))
}

/// A live tenant whose hub was away longer than the wait lasts.
async fn due_meanwhile(url: impl AsyncFn() -> Option<String>) {
    let paused = |millis| at(after(millis), control("journey.paused", "cart", json!({"journey": "cart"})));
    let ended = |node: &str| vec![(RunStatus::Done, node.to_owned()); USERS];
    for batch in [1, 2, 3, 100, 8_000] {
        let paid = waits(url().await, batch, |house| (0..USERS).map(|user| tracks(house, "Paid", user, 150)).collect());
        assert_eq!(paid.await, ended("paid"), "paid in time, in batches of {batch}");
        let late =
            waits(url().await, batch, |house| (0..USERS).map(|user| tracks(house, "Paid", user, 6_001)).collect());
        assert_eq!(late.await, ended("late"), "paid too late, in batches of {batch}");
        let held = waits(url().await, batch, |_| vec![paused(1_000)]).await;
        assert_eq!(held, vec![(RunStatus::Waiting, "wait".to_owned()); USERS], "paused in time, in batches of {batch}");
        let fired = waits(url().await, batch, |_| vec![paused(10_000)]).await;
        assert_eq!(fired, ended("late"), "paused too late, in batches of {batch}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_due_while_the_hub_was_away_fires_in_the_order_of_the_log() {
    due_meanwhile(async || None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_due_while_the_hub_was_away_fires_in_the_order_of_the_log_on_postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    due_meanwhile(async || Some(server.database().await.expect("a database"))).await;
}
