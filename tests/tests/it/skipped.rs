//! A row that a rule does not get, for want of what it requires, is counted where an admin looks.

use openhub_store::{FaultFilter, FaultKind};
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{House, Order};
use serde_json::json;

/// `(subject, code, place, count, message id of the last)` of each fault.
type Counted = (String, String, String, i64, String);

async fn skipped(url: Option<String>, batch: usize) -> Vec<Counted> {
    let house = House::open(url).await;
    let points = guests::ours().iter().find(|plugin| plugin.manifest.name == "points").expect("the plugin is ours");
    house.install(points, json!({})).await;
    let at = "2025-01-01T12:00:00Z".parse().expect("a time");
    let totals = ["10", "null", "\"ten\"", "59.970000000000006", "{}", "null"];
    let orders = (0..60).map(|row: u64| {
        let total = totals[row as usize % totals.len()].to_owned();
        Order { row, customer: format!("u{}", row % 7), at, total }
    });
    let position = house.append(&orders.collect::<Vec<_>>()).await;
    house.run(batch, 1, position).await;
    let filter = FaultFilter { kind: Some(FaultKind::RowSkipped), limit: 100, ..FaultFilter::default() };
    let faults = house.store.faults(&house.scope, &filter).await.expect("faults");
    let mut faults: Vec<Counted> = faults
        .into_iter()
        .map(|faulted| faulted.fault)
        .map(|it| (it.subject, it.code, it.place, it.count, it.message_id.expect("one of them is named")))
        .collect();
    faults.sort();
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b9_a_row_that_is_skipped_is_counted_by_rule_and_reason() {
    let total = "event.properties.total";
    let of = |code: &str, last: u64| {
        ("points/points".to_owned(), code.to_owned(), total.to_owned(), 20, format!("order-{last}"))
    };
    let right = [of("absent", 59), of("other-type", 58)];
    for batch in [1, 7, 5_000] {
        assert_eq!(skipped(None, batch).await, right, "at batches of {batch}");
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    assert_eq!(skipped(Some(server.database().await.expect("a database")), 7).await, right, "on PostgreSQL");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_a_row_that_a_rule_refused_is_counted_with_the_rules_words() {
    let house = House::open(None).await;
    let points = guests::ours().iter().find(|plugin| plugin.manifest.name == "points").expect("the plugin is ours");
    house.install(points, json!({})).await;
    let at = "2025-01-01T12:00:00Z".parse().expect("a time");
    let orders = (0..3).map(|row: u64| Order { row, customer: "u1".to_owned(), at, total: "-5".to_owned() });
    let position = house.append(&orders.collect::<Vec<_>>()).await;
    house.run(7, 1, position).await;
    let filter = FaultFilter { kind: Some(FaultKind::RowSkipped), limit: 9, ..FaultFilter::default() };
    let faults = house.store.faults(&house.scope, &filter).await.expect("faults");
    assert_eq!((faults.len(), faults[0].fault.count), (1, 3), "{faults:?}");
    assert_eq!(faults[0].fault.text, "The rule refused the row: an order's total is at least zero");
}
