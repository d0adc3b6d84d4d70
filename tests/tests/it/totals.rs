//! Running totals over a customer's events: what was forgotten, and then learns something at its beginning, is right at
//! any batch size.

use openhub_model::{Identity, Timestamp};
use openhub_test_postgres::Server;
use openhub_tests::house::{House, Order};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000_000;

fn order(row: u64, customer: &str, day: i64, total: &str) -> Order {
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let at = Timestamp::from_micros(start.micros() + day * DAY);
    Order { row, customer: customer.into(), at, total: total.into() }
}

fn conditions() -> Vec<(String, Value)> {
    let asked = |aggregate: &str, value: Value| {
        let mut leaf = json!({"name": "Order Completed", "within": "30d", "is": "eq", "value": value});
        if aggregate != "count" {
            (leaf["aggregate"], leaf["of"]) = (json!(aggregate), json!("total"));
        }
        json!({ "event": leaf })
    };
    let all =
        [("count", 2), ("sum", 2), ("avg", 1), ("min", 1), ("max", 1), ("distinct", 1), ("first", 1), ("last", 1)];
    let right = all.map(|(aggregate, value)| (format!("{aggregate} is right"), asked(aggregate, json!(value))));
    let wrong = [("what was forgotten counts".to_owned(), asked("sum", json!(802)))];
    right.into_iter().chain(wrong).collect()
}

/// Who is in which segment, and all else that the log leads to.
async fn state(url: Option<String>, batch: usize) -> (Vec<String>, Value) {
    let house = House::open(url).await;
    for (name, condition) in conditions() {
        house.publish_segment(&name, &condition).await;
    }
    let mut orders: Vec<Order> = (0..8).map(|row| order(row, "ada", 1, "100")).collect();
    orders.push(order(8, "ada", 39, "1"));
    // Somebody else's, so that batches end elsewhere.
    orders.push(order(9, "bob", 39, "5"));
    orders.push(order(10, "ada", 20, "1"));
    let position = house.append(&orders).await;
    house.run(batch, 1, position).await;
    let ada = Identity::new(Identity::USER_ID, "ada").part(house.tenant);
    let mut members = Vec::new();
    for (name, _) in conditions() {
        let listed = house.store.members(&house.scope, &name, None, 10).await.expect("members");
        members.extend(listed.iter().filter(|(customer, _)| *customer == ada).map(|_| name.clone()));
    }
    (members, house.state().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b3_a_late_event_counts_beside_what_was_forgotten() {
    let right: Vec<String> =
        conditions().into_iter().map(|(name, _)| name).filter(|name| name.ends_with("is right")).collect();
    let (_, one) = state(None, 5_000).await;
    for batch in [1, 3, 37, 5_000] {
        let (members, all) = state(None, batch).await;
        assert_eq!(members, right, "batches of {batch}");
        // Crossings on the way are the same ones, too.
        assert_eq!(all, one, "batches of {batch}");
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    for batch in [1, 3] {
        let (members, all) = state(Some(server.database().await.expect("a database")), batch).await;
        assert_eq!((members, all), (right.clone(), one.clone()), "PostgreSQL, batches of {batch}");
    }
}
