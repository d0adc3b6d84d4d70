//! The same log gives the same state: whatever the batch size, the number of workers and the database.

use openhub_model::Timestamp;
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{House, Order};
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
