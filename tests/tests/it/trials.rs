//! A version is tried beside the active one: a canary serves a part of the customers, a shadow is called and changes nothing. The
//! state that comes of it is the same at any size of a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use openhub_engine::over::Stretch;
use openhub_model::{Customer, Day, EventKind, Identity, NewEvent, Timestamp};
use openhub_runtime::Runtime;
use openhub_sdk_build::Assembled;
use openhub_store::{
    Called, CustomerFilter, EventFilter, FaultFilter, Op, PluginVersion, RunFilter, SHADOW_ROWS, ShadowCount,
    ShadowRow, UsageFilter,
};
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
    static FIRST: OnceLock<Assembled> = OnceLock::new();
    let first = FIRST.get_or_init(|| guests::build("tests/hostile/editions"));
    let mut manifest = first.manifest.clone();
    manifest.version = format!("{of}.0.0");
    let text = serde_json::to_vec(&manifest).expect("JSON");
    let mut bytes = with_manifest(without_manifest(&first.bytes), &text);
    let at = bytes.windows(MARK.len()).position(|window| window == MARK).expect("it is marked") + MARK.len();
    bytes[at] = b'0' + of;
    let digest = Runtime::inspect(&bytes).expect("a component").digest;
    (Assembled { bytes, manifest, map: None }, digest)
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
                let said = body(&event.body);
                let edition = said["properties"]["edition"].as_i64().expect("an edition");
                let version = if edition == 1 { &self.active } else { &self.candidate };
                assert_eq!(said["served_by"]["digest"], **version, "it names the version that caused it: {said}");
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

/// What the rule, the step and the function of the version say that serves a customer, by user.
type Said = BTreeMap<String, (i64, i64, String)>;

/// A canary is set and ended amid orders, and a journey walks and tells.
async fn walked(url: Option<String>, batch: usize) -> (Value, Vec<Said>) {
    let mut trial = Trial::of(url, 2).await;
    let total = "{{ trigger.properties.total }}";
    let told = "{{ hostile_editions.in_edition(trigger.properties.total) }}";
    let way = |way: i64| {
        let wrote = json!({"way": way, "told": told, "total": total});
        json!({"type": "update", "attributes": wrote, "next": "end"})
    };
    let outlets = json!({"first": "first", "second": "second"});
    let journey = json!({
        "trigger": {"event": "Order Completed"}, "reentry": "always", "start": "walk",
        "nodes": {
            "walk": {"type": "step", "plugin": NAME, "step": "walk", "with": {"total": total}, "outlets": outlets},
            "first": way(1), "second": way(2), "end": {"type": "exit"},
        },
    });
    trial.house.publish("walking", journey).await;
    let mut said = Vec::new();
    for (change, percent) in [("plugin.canary-set", 50), ("plugin.canary-ended", 0)] {
        trial.says(change, change, json!({"percent": percent})).await;
        let position = trial.orders(2).await;
        trial.house.run(batch, 2, position).await;
        let all = CustomerFilter { limit: 100, ..CustomerFilter::default() };
        let customers = trial.house.store.customers(&trial.house.scope, &all).await.expect("customers");
        let of = |customer: &Customer| {
            let number = |name: &str| customer.attribute(name).and_then(Value::as_i64).unwrap_or_default();
            let told = customer.attribute("told").and_then(Value::as_str).unwrap_or_default();
            let total = customer.attribute("total").map(|total| total.to_string().replace('"', "")).unwrap_or_default();
            assert!(told.starts_with(&format!("{total} in ")), "{told}");
            let edition = told.rsplit(' ').next().unwrap_or_default().to_owned();
            (customer.identity.value.clone(), (number("edition"), number("way"), edition))
        };
        said.push(customers.iter().map(of).collect());
    }
    let filter = RunFilter { limit: 1_000, ..RunFilter::default() };
    let runs = trial.house.store.runs(&trial.house.scope, &filter).await.expect("runs");
    assert_eq!(runs.len() as u64, 4 * CUSTOMERS);
    for run in runs {
        let served = if run.told.updates[0].node == "second" { &trial.candidate } else { &trial.active };
        assert_eq!(run.served_by.as_deref(), Some(served.as_str()), "{run:?}");
    }
    (trial.house.state().await, said)
}

/// A customer's rule, step and texts are of one version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_serves_steps_and_functions_as_it_serves_rules() {
    let (state, said) = walked(None, 1).await;
    assert_eq!(walked(None, 5_000).await.0, state, "at batches of 5,000");
    let server = Server::start().await.expect("PostgreSQL starts");
    assert_eq!(walked(Some(server.database().await.expect("a database")), 7).await.0, state, "on PostgreSQL");
    let [during, after] = &said[..] else { panic!("{said:?}") };
    assert_eq!(during.len() as u64, CUSTOMERS);
    for (user, (rule, step, function)) in during {
        assert_eq!((step, function), (rule, &rule.to_string()), "{user}");
    }
    let new = during.values().filter(|(rule, ..)| *rule == 2).count();
    assert!((5..25).contains(&new), "both serve: {new}");
    assert!(after.values().all(|said| *said == (1, 1, "1".to_owned())), "{after:?}");
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

/// What a shadow found, but for what depends on the size of a call.
type Found = (ShadowCount, Vec<ShadowRow>);

/// Orders beside a shadow of an edition, or beside none.
async fn shadowed(url: Option<String>, shadow: Option<u8>, batch: usize) -> (Value, Option<Found>, Trial) {
    let mut trial = Trial::of(url, shadow.unwrap_or(2)).await;
    trial.orders(1).await;
    let begins = if shadow.is_some() { "plugin.shadow-started" } else { "plugin.shadow-stopped" };
    trial.says(begins, "1", json!({})).await;
    trial.orders(4).await;
    trial.says("plugin.shadow-stopped", "2", json!({})).await;
    let position = trial.orders(1).await;
    trial.house.run(batch, 2, position).await;
    let (store, scope) = (&trial.house.store, &trial.house.scope);
    let counts = store.shadow_counts(scope, NAME).await.expect("counts");
    let rows = store.shadow_rows(scope, NAME).await.expect("rows");
    let found = counts.into_iter().next().map(|count| {
        assert!(count.fuel > 0 && count.shadow_fuel > 0, "both are counted: {count:?}");
        (ShadowCount { fuel: 0, shadow_fuel: 0, ..count }, rows)
    });
    (trial.house.state().await, found, trial)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_tells_what_differs_and_changes_nothing() {
    let (without, nothing, _) = shadowed(None, None, 7).await;
    assert_eq!(nothing, None);
    let (state, found, trial) = shadowed(None, Some(2), 1).await;
    assert_eq!(state, without, "as if there were none");
    let (count, rows) = found.expect("it was called");
    assert_eq!((count.compared, count.skipped, count.faults, count.neighbours), (120, 0, 0, 0));
    assert_eq!(count.differing, 120, "each says its edition");
    assert_eq!(rows.len() as i64, SHADOW_ROWS);
    assert!(rows.is_sorted_by_key(|row| row.position), "the first of the log");
    let differs: Value = serde_json::from_str(&rows[1].differs).expect("JSON");
    let paths = json!(["customer.attributes.edition", "customer.attributes.spent", "events"]);
    assert_eq!((&differs["paths"], &differs["neighbours"]), (&paths, &json!(false)));
    assert_eq!(differs["shadow"]["writes"]["customer.attributes.edition"], 2, "{differs}");
    let days = (Day::of(Timestamp::MIN), Day::of(Timestamp::MAX));
    let used = UsageFilter { days, ..UsageFilter::default() };
    let used = trial.house.store.usage(&trial.house.scope, &used, 100).await.expect("usage");
    let of = |digest: &str| -> Vec<(Called, i64)> {
        let of = used.iter().map(|row| &row.usage).filter(|used| used.key.digest == digest);
        of.map(|used| (used.key.called, used.items)).collect()
    };
    assert_eq!(of(&trial.active), [(Called::Rule, 180)]);
    assert_eq!(of(&trial.candidate), [(Called::Shadow, 120)], "its fuel is counted apart");

    let server = Server::start().await.expect("PostgreSQL starts");
    for (url, batch) in [(None, 7), (None, 5_000), (Some(server.database().await.expect("a database")), 7)] {
        let (state, found, _) = shadowed(url, Some(2), batch).await;
        assert_eq!(state, without, "at batches of {batch}");
        assert_eq!(found, Some((count.clone(), rows.clone())), "at batches of {batch}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_that_breaks_off_never_ends_or_looks_around_hurts_nobody() {
    let (without, _, _) = shadowed(None, None, 5_000).await;
    let (state, found, trial) = shadowed(None, Some(3), 5_000).await;
    assert_eq!(state, without, "it breaks off");
    let (count, rows) = found.expect("it was called");
    // Every twentieth total is 13.
    assert_eq!((count.compared, count.differing, count.faults), (120, 6, 6));
    assert!(rows.iter().all(|row| row.differs.contains(r#"{"broke_off":"trap","message":""#)), "{rows:?}");
    let all = FaultFilter { limit: 9, ..FaultFilter::default() };
    let faults = trial.house.store.faults(&trial.house.scope, &all).await.expect("faults");
    assert_eq!(faults, [], "it is nobody's fault");

    let (state, found, _) = shadowed(None, Some(4), 5_000).await;
    assert_eq!(state, without, "it looks around");
    let (count, _) = found.expect("it was called");
    assert!(count.neighbours > 0 && count.differing == 120, "{count:?}");

    let (state, found, _) = shadowed(None, Some(5), 5_000).await;
    assert_eq!(state, without, "it never ends");
    let (count, _) = found.expect("it was called");
    assert!(count.skipped > 0 && count.skipped + count.compared == 120, "{count:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_over_the_log_gives_the_same_report_and_changes_nothing() {
    let mut trial = Trial::of(None, 2).await;
    let position = trial.orders(4).await;
    trial.house.run(7, 1, position).await;
    let before = trial.house.state().await;
    let engine = trial.house.start(7, 1);
    let (scope, head) = (trial.house.scope, position + 1_000);
    let versions = trial.house.store.plugin_versions(&scope, NAME).await.expect("versions");
    let version = versions.iter().find(|version| version.digest == trial.candidate).expect("it was uploaded");
    let over = async |after, to| {
        let over = engine.compare(&scope, NAME, version, Stretch { after, to }).await.expect("it is read");
        over.expect("the plugin runs")
    };
    let whole = over(0, head).await;
    assert_eq!((whole.next, whole.counts.len(), whole.rows.len() as i64), (None, 1, SHADOW_ROWS));
    assert_eq!((whole.counts[0].compared, whole.counts[0].differing, whole.counts[0].faults), (120, 120, 0));
    let again = over(0, head).await;
    assert_eq!((again.counts, again.rows), (whole.counts, whole.rows.clone()), "the same input, the same report");
    // Of a part of the log, only that part.
    let middle = whole.rows[SHADOW_ROWS as usize / 2].position;
    let part = over(0, middle).await;
    assert_eq!(part.rows[..], whole.rows[..=SHADOW_ROWS as usize / 2]);
    let since =
        engine.position_before(&scope, Timestamp::from_micros(HOST_NOW.micros() + 1)).await.expect("a position");
    assert!(over(since, head).await.counts.is_empty(), "nothing came after that");
    assert_eq!(engine.position_before(&scope, HOST_NOW).await.expect("a position"), 0);
    engine.stop().await;
    assert_eq!(trial.house.state().await, before);
    assert_eq!(trial.house.store.shadow_counts(&scope, NAME).await.expect("counts"), []);
}
