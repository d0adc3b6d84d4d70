//! A version is tried beside the active one: a canary serves a part of the customers, a shadow is called and changes nothing. The
//! state that comes of it is the same at any size of a batch.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::{EventKind, Identity, NewEvent, Timestamp};
use openhub_runtime::Runtime;
use openhub_sdk_build::Assembled;
use openhub_store::{EventFilter, Op, PluginVersion};
use openhub_test_postgres::Server;
use openhub_tests::component::{with_manifest, without_manifest};
use openhub_tests::guests;
use openhub_tests::house::{HOST_NOW, House, Order, control};
use serde_json::{Value, json};

const NAME: &str = "hostile-editions";
const MARK: &[u8] = b"openhub-edition-is-";
const CUSTOMERS: u64 = 30;

/// The same plugin in another edition, and its digest.
fn edition(of: u8) -> (Assembled, String) {
    let first = guests::build("tests/hostile/editions");
    let mut manifest = first.manifest.clone();
    manifest.version = format!("{of}.0.0");
    let text = serde_json::to_vec(&manifest).expect("JSON");
    let mut bytes = with_manifest(without_manifest(&first.bytes), &text);
    let at = bytes.windows(MARK.len()).position(|window| window == MARK).expect("it is marked") + MARK.len();
    bytes[at] = b'0' + of;
    let digest = Runtime::inspect(&bytes).expect("a component").digest;
    (Assembled { bytes, manifest }, digest)
}

struct Trial {
    house: House,
    active: String,
    candidate: String,
    at: i64,
    row: u64,
}

impl Trial {
    /// Edition 1 is active, and another one waits.
    async fn of(url: Option<String>, candidate: u8) -> Trial {
        let house = House::open(url).await;
        let ((first, active), (second, digest)) = (edition(1), edition(candidate));
        house.install(&first, json!({})).await;
        let version = PluginVersion::uploaded(digest.clone(), second.manifest, HOST_NOW);
        let uploaded = vec![
            Op::PutComponent { digest: digest.clone(), bytes: second.bytes },
            Op::PutCandidate { plugin: NAME.into(), candidate: version },
        ];
        house.store.transact(&house.scope, uploaded).await.expect("it is uploaded");
        let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
        Trial { house, active, candidate: digest, at: start.micros(), row: 0 }
    }

    fn now(&mut self) -> Timestamp {
        self.at += 1_000_000;
        Timestamp::from_micros(self.at)
    }

    fn order(&mut self, customer: &str) -> NewEvent {
        let (row, at) = (self.row, self.now());
        self.row += 1;
        let total = (row % 20).to_string();
        self.house.event(&Order { row, customer: customer.to_owned(), at, total })
    }

    async fn append(&self, events: Vec<NewEvent>) -> i64 {
        self.house.store.append(&self.house.scope, events).await.expect("it is appended").position
    }

    /// So many orders of each customer, in turn.
    async fn orders(&mut self, each: u64) -> i64 {
        let events = (0..each * CUSTOMERS).map(|row| self.order(&format!("u{}", row % CUSTOMERS))).collect();
        self.append(events).await
    }

    async fn says(&self, name: &str, key: &str, more: Value) -> i64 {
        let mut body = json!({"plugin": NAME, "digest": self.candidate, "from": self.active, "grant": {}, "set": {}});
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.append(vec![control(name, key, body)]).await
    }

    /// The editions that served each customer, in the order of the log: `(user, editions)`.
    async fn served(&self) -> BTreeMap<String, Vec<i64>> {
        let filter = EventFilter { name: Some("Order Completed".into()), limit: 100_000, ..EventFilter::default() };
        let orders = self.house.store.events(&self.house.scope, &filter).await.expect("events");
        let body = |body: &str| -> Value { serde_json::from_str(body).expect("JSON") };
        let user = |order: &Value| order["userId"].as_str().or(order["anonymousId"].as_str()).expect("one").to_owned();
        let users: BTreeMap<String, String> =
            orders.iter().map(|order| (order.message_id.clone(), user(&body(&order.body)))).collect();
        let filter = EventFilter { name: Some("Tier Changed".into()), limit: 100_000, ..EventFilter::default() };
        let caused = self.house.store.events(&self.house.scope, &filter).await.expect("events");
        let mut told: Vec<(u64, String, i64)> = caused
            .iter()
            .map(|event| {
                let cause = event.cause.clone().expect("an order");
                let row = cause.rsplit('-').next().and_then(|row| row.parse().ok()).expect("its number");
                let edition = body(&event.body)["properties"]["edition"].as_i64().expect("an edition");
                (row, users[&cause].clone(), edition)
            })
            .collect();
        told.sort();
        let mut served: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (_, user, edition) in told {
            served.entry(user).or_default().push(edition);
        }
        served
    }
}

/// A canary is set, widened, ended, set again and activated in full, amid orders, at a size of the batches.
async fn rolled_out(url: Option<String>, batch: usize) -> (Value, BTreeMap<String, Vec<i64>>) {
    let mut trial = Trial::of(url, 2).await;
    trial.orders(2).await;
    trial.says("plugin.canary-set", "1", json!({"percent": 30})).await;
    trial.orders(2).await;
    trial.says("plugin.canary-set", "2", json!({"percent": 60})).await;
    trial.orders(2).await;
    trial.says("plugin.canary-ended", "1", json!({})).await;
    trial.orders(2).await;
    // To another version than the active one, nobody agreed.
    trial.says("plugin.canary-set", "3", json!({"percent": 90, "from": "0".repeat(64)})).await;
    trial.orders(1).await;
    trial.says("plugin.canary-set", "4", json!({"percent": 30})).await;
    trial.orders(1).await;
    trial.says("plugin.activated", "1", json!({})).await;
    let position = trial.orders(2).await;
    trial.house.run(batch, 2, position).await;
    let plugin = trial.house.store.plugin(&trial.house.scope, NAME).await.expect("a read").expect("it is there");
    assert_eq!((plugin.digest == trial.candidate, plugin.candidate, plugin.canary), (true, None, None));
    (trial.house.state().await, trial.served().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_serves_the_same_customers_at_any_size_of_a_batch() {
    let (state, served) = rolled_out(None, 1).await;
    for batch in [7, 5_000] {
        let (other, _) = rolled_out(None, batch).await;
        assert_eq!(other, state, "at batches of {batch}");
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    let (other, _) = rolled_out(Some(server.database().await.expect("a database")), 7).await;
    assert_eq!(other, state, "on PostgreSQL");

    assert_eq!(served.len() as u64, CUSTOMERS);
    let mut first = BTreeSet::new();
    let mut wider = BTreeSet::new();
    for (user, editions) in &served {
        // Each order once: none is lost, and none is doubled, whoever serves it.
        let [a, b, c, d, e, f, g, h, i, j, k, l] = editions[..] else { panic!("{user}: {editions:?}") };
        assert_eq!((a, b, g, h, i, k, l), (1, 1, 1, 1, 1, 2, 2), "{user}: {editions:?}");
        assert!(c == d && e == f && j == c, "who is served by one is served by it: {user}: {editions:?}");
        first.extend((c == 2).then_some(user));
        wider.extend((e == 2).then_some(user));
    }
    assert!(first.is_subset(&wider), "who is served stays so: {first:?}, {wider:?}");
    assert!((2..20).contains(&first.len()) && (10..28).contains(&wider.len()), "{} {}", first.len(), wider.len());
}

/// Who is joined to somebody older is served as they are.
async fn joined(batch: usize) -> Value {
    let mut trial = Trial::of(None, 2).await;
    trial.says("plugin.canary-set", "1", json!({"percent": 50})).await;
    let mut events = Vec::new();
    for pair in 0..CUSTOMERS {
        let (older, younger) = (format!("a{pair}"), format!("u{pair}"));
        let anonymous = Identity::new(Identity::ANONYMOUS_ID, older.clone());
        let (row, at) = (trial.row, trial.now());
        trial.row += 1;
        let body =
            json!({"type": "track", "event": "Order Completed", "anonymousId": older, "properties": {"total": 1}});
        events.push(trial.house.call(EventKind::Track, &format!("order-{row}"), &anonymous, at, body));
        events.push(trial.order(&younger));
        let at = trial.now();
        let known = Identity::new(Identity::USER_ID, younger.clone());
        let body = json!({"type": "identify", "userId": younger, "anonymousId": older});
        events.push(trial.house.call(EventKind::Identify, &format!("identify-{pair}"), &known, at, body));
        events.push(trial.order(&younger));
    }
    let position = trial.append(events).await;
    trial.house.run(batch, 2, position).await;
    let served = trial.served().await;
    let mut moved = 0;
    for pair in 0..CUSTOMERS {
        let (older, younger) = (&served[&format!("a{pair}")], &served[&format!("u{pair}")]);
        let ([older], [before, after]) = (&older[..], &younger[..]) else { panic!("{older:?} {younger:?}") };
        assert_eq!(after, older, "the one who stays says who serves them");
        moved += u64::from(before != after);
    }
    assert!(moved > 0, "some were served by the other version before");
    trial.house.state().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_joined_is_served_as_the_one_who_stays() {
    assert_eq!(joined(1).await, joined(5_000).await);
}
