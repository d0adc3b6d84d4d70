//! Calls of plugins are recorded as an admin asks: the same rows at any size of a batch, one customer each, and each can be made again
//! with the same answer and the same fuel.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::{Identity, PartId, Timestamp};
use openhub_runtime::Recording;
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{House, Order, control};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000_000;
const CUSTOMERS: u64 = 40;

fn orders() -> Vec<Order> {
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let orders = (0..3 * CUSTOMERS).map(|row| Order {
        row,
        customer: (row % CUSTOMERS).to_string(),
        at: Timestamp::from_micros(start.micros() + row as i64 * DAY / 4),
        total: format!("{}.50", row % 150),
    });
    orders.collect()
}

fn part(house: &House, customer: u64) -> PartId {
    Identity::new(Identity::USER_ID, customer.to_string()).part(house.tenant)
}

/// A recording, with whom it is of.
type Kept = (Option<PartId>, String);

/// What is recorded of our plugins, by plugin and id.
async fn recorded(url: Option<String>, batch: usize) -> (House, BTreeMap<(String, String), Kept>) {
    let house = House::furnished(url).await;
    let wants = |plugin: &str, key: &str, per_million: u32, customer: Option<PartId>, until: &str| {
        let until: Timestamp = until.parse().expect("a time");
        let body = json!({"plugin": plugin, "per_million": per_million, "customer": customer, "until": until});
        control("plugin.recording-set", key, body)
    };
    let (later, never) = ("2027-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    let asked = vec![
        wants("points", "1", 200_000, None, later),
        wants("coupon", "2", 1_000_000, None, later),
        wants("rfm", "3", 1_000_000, Some(part(&house, 7)), later),
        // Over long before.
        wants("webhook", "4", 1_000_000, None, never),
        wants("gone", "5", 1_000_000, None, later),
    ];
    house.store.append(&house.scope, asked).await.expect("it is asked for");
    house.append(&orders()).await;
    let ended = control("plugin.recording-ended", "1", json!({"plugin": "points"}));
    house.store.append(&house.scope, vec![ended]).await.expect("it is asked for");
    let last = orders().pop().expect("an order");
    let after = Order { row: 1_000, at: Timestamp::from_micros(last.at.micros() + 1), ..last };
    house.append(&[after]).await;
    let position = house.advance("2026-01-31T12:00:00Z").await;
    house.run(batch, 2, position).await;
    let mut kept = BTreeMap::new();
    for plugin in ["points", "coupon", "rfm", "webhook"] {
        let listed = house.store.plugin_recordings(&house.scope, plugin, None, 1_000).await.expect("a list");
        for one in listed {
            let text = house.store.plugin_recording(&house.scope, plugin, one.id).await.expect("a read");
            kept.insert((plugin.to_owned(), one.id.to_string()), (one.part, text.expect("it is kept")));
        }
    }
    (house, kept)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_calls_are_recorded_at_any_size_of_a_batch_and_can_be_made_again() {
    let (house, kept) = recorded(None, 5_000).await;
    let server = Server::start().await.expect("PostgreSQL starts");
    for (url, batch) in [(None, 1), (None, 7), (Some(server.database().await.expect("a database")), 13)] {
        let (_, other) = recorded(url, batch).await;
        let (one, two): (Vec<_>, Vec<_>) = (kept.keys().collect(), other.keys().collect());
        assert_eq!(one, two, "at batches of {batch}");
        assert_eq!(other, kept, "at batches of {batch}");
    }
    let of = |plugin: &str| -> Vec<&Kept> {
        kept.iter().filter(|((of, _), _)| of == plugin).map(|(_, kept)| kept).collect()
    };
    let share = of("points").len();
    assert!((5..60).contains(&share), "a fifth of {}: {share}", 3 * CUSTOMERS);
    assert!(of("coupon").len() > 20, "{}", of("coupon").len());
    let rfm: BTreeSet<Option<PartId>> = of("rfm").into_iter().map(|(part, _)| *part).collect();
    assert_eq!(rfm, BTreeSet::from([Some(part(&house, 7))]), "nobody else's");
    let parts: BTreeSet<PartId> = of("points").into_iter().filter_map(|(part, _)| *part).collect();
    assert!(parts.len() > 4, "of whoever is drawn: {parts:?}");
    let mut kinds = BTreeSet::new();
    for plugin in ["points", "coupon", "rfm"] {
        let component = guests::build(&format!("plugins/{plugin}"));
        let ready = house.runtime.prepare(&component.bytes).await.expect("a plugin");
        for (_, text) in of(plugin) {
            let recording: Recording = serde_json::from_str(text).expect("a recording");
            let again = ready.replay(&recording);
            let fuel = again.as_ref().map(|again| again.receipt().fuel).expect("it answers");
            assert!(recording.is_met_by(&again) && fuel == recording.receipt.fuel, "{text}");
            assert!(!recording.depends_on_others && fuel > 0, "{text}");
            kinds.insert(recording.call.kind().to_owned());
            let told: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!((&told["format"], told.get("fault")), (&json!(2), None), "{text}");
            let altered = text.replacen("\"answer\":", "\"replaced\":", 1);
            let altered: Recording = serde_json::from_str(&altered).expect("a recording");
            assert!(!altered.is_met_by(&ready.replay(&altered)), "without its answer nothing is compared");
        }
    }
    assert_eq!(kinds, BTreeSet::from(["check", "rule"].map(str::to_owned)));
}
