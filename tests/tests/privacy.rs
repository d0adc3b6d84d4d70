//! Erasing a customer in the middle of a stream: whatever the batch size, the number of workers and the database, the same
//! is left, and nothing readable of who was erased; a hub that dies between two steps goes on where it was.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openhub_engine::Sealer;
use openhub_model::{EventKind, Id, Identity, NewEvent, Timestamp};
use openhub_store::{Afterwards, EraseStep, Erasing, NewErasure, Op, Store};
use openhub_test_postgres::Server;
use openhub_tests::house::{HOST_NOW, House, PATIENCE, control};
use openhub_tests::patience::until_within;
use openhub_tests::traces::texts;
use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

const CUSTOMERS: usize = 23;
const EVENTS: usize = 900;
/// Who is erased after so many events; the last one also comes back.
const ERASED: [(usize, usize); 3] = [(300, 3), (450, 7), (600, 11)];

fn user(number: usize) -> Identity {
    Identity::new(Identity::USER_ID, format!("canary-user-{number}-"))
}

/// Orders, addresses that two customers share, and refused claims; each event has texts of its own.
fn event(house: &House, row: usize) -> NewEvent {
    let who = (row * 7919) % CUSTOMERS;
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let at = Timestamp::from_micros(start.micros() + row as i64 * 1_800_000_000);
    let subject = user(who);
    let mut body = json!({
        "userId": subject.value, "messageId": format!("canary-id-{who}-{row}"),
        "properties": {"total": 20 + row % 90, "note": format!("canary-note-{who}-")},
    });
    let kind = if row.is_multiple_of(5) {
        body["traits"] =
            json!({"email": format!("canary-mail-{}-@example.com", who / 2), "x": format!("canary-trait-{who}-")});
        body["anonymousId"] = format!("canary-visitor-{who}-").into();
        body["consents"] = json!({"news": {"state": "granted", "source": format!("canary-consent-{who}-")}});
        EventKind::Identify
    } else {
        body["event"] = "Order Completed".into();
        EventKind::Track
    };
    house.call(kind, &format!("canary-id-{who}-{row}"), &subject, at, body)
}

/// Asks for the erasure of a customer, as the API does.
async fn erase(house: &House, number: usize, afterwards: Afterwards) -> i64 {
    let id = Id::named(&[b"erasure", &number.to_le_bytes()]);
    let customer = user(number).part(house.tenant);
    let asked = NewErasure { id, customer, afterwards, asked_by: "test".into(), asked_at: HOST_NOW };
    let event = control("customer.erased", &id.to_string(), json!({ "erasure": id }));
    let ops = vec![Op::PutErasure(asked), Op::Append(event)];
    house.store.transact(&house.scope, ops).await.expect("an erasure is asked for").position
}

async fn open(url: Option<String>) -> House {
    let house = House::furnished(url).await;
    house.publish_segments().await;
    // What a condition asks of an event is kept beside the customer's other events.
    let noted = json!({"property": "note", "is": "exists"});
    let noted = json!({"event": {"name": "Order Completed", "where": [noted], "is": "ge", "value": 3}});
    house.publish_segment("noted", &noted).await;
    house
}

/// The stream with its erasures, computed in batches of a size.
async fn state(url: Option<String>, batch: usize, workers: usize) -> (Value, Value) {
    let house = open(url.clone()).await;
    let mut row = 0;
    for (until, number) in ERASED {
        let events = (row..until).map(|row| event(&house, row)).collect();
        house.store.append(&house.scope, events).await.expect("events are appended");
        let suppressed = if number == 11 { Afterwards::Forgotten } else { Afterwards::Suppressed };
        erase(&house, number, suppressed).await;
        row = until;
    }
    let events = (row..EVENTS).map(|row| event(&house, row)).collect();
    house.store.append(&house.scope, events).await.expect("events are appended");
    let position = house.advance("2025-12-31T12:00:00Z").await;
    house.run(batch, workers, position).await;
    if url.is_none() {
        is_scrubbed(&house).await;
    }
    let mut receipts = Vec::new();
    for erasure in house.store.erasures(&house.scope, None, 10).await.expect("receipts") {
        assert!(erasure.done_at.is_some() && erasure.scrubbed_at.is_some() == url.is_none(), "{erasure:?}");
        receipts.push(json!([erasure.asked.id, erasure.counts]));
    }
    (house.state().await, json!(receipts))
}

/// A lane whose scrub took long puts the next one off; the next lane makes it at once.
async fn is_scrubbed(house: &House) {
    let engine = house.start(1, 1);
    until_within(PATIENCE, "the file is scrubbed", async || {
        (!house.store.unscrubbed(&house.scope).await.expect("receipts")).then_some(())
    })
    .await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_batch_size_changes_nothing() {
    let (one, receipts) = state(None, 1, 1).await;
    let text = one.to_string();
    for gone in [3, 7] {
        assert!(!text.contains(&format!("canary-user-{gone}-")), "customer {gone} is there");
    }
    assert!(text.contains("canary-user-11-"), "who is not suppressed comes back");
    let count = |list: &str| one[list].as_array().expect("a list").len();
    assert!(count("runs") > 20 && count("members") > 50 && count("events") > 50, "{receipts}");
    let server = Server::start().await.expect("PostgreSQL starts");
    for (database, batch, workers) in [("SQLite", 37, 2), ("SQLite", 5_000, 2), ("PostgreSQL", 37, 2)] {
        let url = if database == "SQLite" { None } else { Some(server.database().await.expect("a database")) };
        let (other, others) = state(url, batch, workers).await;
        for (name, list) in one.as_object().expect("an object") {
            assert_eq!(list, &other[name], "{database}, batches of {batch}: {name}");
        }
        assert_eq!(receipts, others, "{database}, batches of {batch}");
    }
}

/// What the hub logs down to its details, without the database's driver, which shows no values.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn mentions(found: &[(String, String)], number: usize) -> Vec<&str> {
    let canaries = ["user", "id", "note", "trait", "visitor", "consent"];
    let canaries = canaries.map(|kind| format!("canary-{kind}-{number}-"));
    let named = |(_, text): &&(String, String)| canaries.iter().any(|canary| text.contains(canary.as_str()));
    let mut places: Vec<&str> = found.iter().filter(named).map(|(place, _)| place.as_str()).collect();
    places.dedup();
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_readable_is_left() {
    let log = Log::default();
    let sink = log.clone();
    let compilers = ["cranelift_codegen", "cranelift_frontend", "regalloc2", "wasmtime", "wasmtime_cranelift"];
    let targets = compilers.map(|target| (target, LevelFilter::OFF));
    let targets = Targets::new().with_default(LevelFilter::DEBUG).with_targets(targets);
    let shown = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || sink.clone());
    tracing_subscriber::registry().with(shown.with_filter(targets)).init();
    let server = Server::start().await.expect("PostgreSQL starts");
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = format!("sqlite://{}", folder.path().join("openhub.db").display());
    for url in [sqlite, server.database().await.expect("a database")] {
        let house = open(Some(url.clone())).await;
        let events = (0..EVENTS).map(|row| event(&house, row)).collect();
        house.store.append(&house.scope, events).await.expect("events are appended");
        let position = house.advance("2025-12-31T12:00:00Z").await;
        house.run(37, 2, position).await;
        let before = texts(&url).await;
        let tables = mentions(&before, 3);
        for table in
            ["events", "event_bodies", "customer_events", "customers", "parts", "claims", "messages", "objects"]
        {
            assert!(
                tables.contains(&table) || ["messages", "objects"].contains(&table),
                "no canary in {table}: {tables:?}"
            );
        }
        let position = erase(&house, 3, Afterwards::Suppressed).await;
        house.run(37, 2, position).await;
        let after = texts(&url).await;
        assert!(mentions(&after, 3).is_empty(), "{url}: {:?}", mentions(&after, 3));
        // A visitor's part of the digits: who is called 4 is another customer, of whom all stays.
        let of = |found: &[(String, String)]| mentions(found, 4).iter().filter(|place| !place.contains('/')).count();
        assert_eq!(of(&before), of(&after), "another customer's places");
        house.state().await;
    }
    let log = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("UPDATE partitions"), "the log was not seen");
    assert!(!log.contains("canary-"), "{}", log.lines().find(|line| line.contains("canary-")).unwrap_or_default());
}

/// What the hub made of a customer's events goes with them where the engine has not come to it, and brings nobody back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_goes_too() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = format!("sqlite://{}", folder.path().join("openhub.db").display());
    for url in [sqlite, server.database().await.expect("a database")] {
        let house = open(Some(url.clone())).await;
        let events = (0..100).map(|row| event(&house, row)).collect();
        house.store.append(&house.scope, events).await.expect("events are appended");
        erase(&house, 3, Afterwards::Forgotten).await;
        let who = |row: usize| (row * 7919) % CUSTOMERS;
        let cause = (0..100).find(|row| who(*row) == 3).map(|row| format!("canary-id-3-{row}"));
        let caused = |row| NewEvent { cause: cause.clone(), ..event(&house, row) };
        let events: Vec<NewEvent> = (100..200).filter(|row| [3, 4].contains(&who(*row))).map(caused).collect();
        assert!(events.len() > 6, "of both");
        house.store.append(&house.scope, events).await.expect("events are appended");
        let position = house.advance("2025-12-31T12:00:00Z").await;
        house.run(37, 2, position).await;
        let after = texts(&url).await;
        assert!(mentions(&after, 3).is_empty(), "{url}: {:?}", mentions(&after, 3));
        assert!(mentions(&after, 4).contains(&"event_bodies"), "{url}: the other customer's stay");
    }
}

/// A hub dies after each of the first steps; the last one comes to the end, and the receipt counts everything once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_dies_between_two_steps_goes_on() {
    let server = Server::start().await.expect("PostgreSQL starts");
    for url in [None, Some(server.database().await.expect("a database"))] {
        let whole = receipt(url_or_sqlite(&url, &server).await, 0).await;
        assert!(whole["events"].as_i64().is_some_and(|events| events > 30), "{whole}");
        assert_eq!(whole, receipt(url, 9).await);
    }
}

async fn url_or_sqlite(url: &Option<String>, server: &Server) -> Option<String> {
    match url {
        None => None,
        Some(_) => Some(server.database().await.expect("a database")),
    }
}

/// The counts of an erasure of which so many steps were done by hubs that died.
async fn receipt(url: Option<String>, steps: usize) -> Value {
    let house = open(url).await;
    let events = (0..EVENTS).map(|row| event(&house, row)).collect();
    let computed = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run(37, 2, computed).await;
    let position = erase(&house, 3, Afterwards::Forgotten).await;
    for _ in 0..steps {
        assert!(matches!(step(&house.store, &house, position).await, EraseStep::More(_)));
        assert!(house.store.erasures(&house.scope, None, 1).await.expect("a receipt")[0].done_at.is_none());
    }
    house.run(37, 2, position).await;
    let receipt = house.store.erasures(&house.scope, None, 1).await.expect("a receipt").remove(0);
    assert!(receipt.done_at.is_some());
    let found = house.store.customer(&house.scope, user(3).part(house.tenant)).await.expect("a look");
    assert_eq!(found, None);
    house.state().await;
    json!(receipt.counts)
}

/// One step of a few rows, by a hub that holds the lease and then is gone.
async fn step(store: &Store, house: &House, position: i64) -> EraseStep {
    let leases = store.claim_partitions(Duration::from_secs(60), 10).await.expect("a lease").leases;
    let erasure = store.erasures(&house.scope, None, 1).await.expect("a receipt").remove(0);
    let erasing = Erasing {
        requests: Vec::new(),
        id: erasure.asked.id,
        position,
        parts: store.parts_around(&house.scope, &[erasure.asked.customer]).await.expect("parts"),
        wakes: Vec::new(),
        afterwards: erasure.asked.afterwards,
        marker: Sealer::from_key([1; 32]).marker(),
        now: HOST_NOW,
        rows: 5,
        looked: None,
    };
    let (done, _) = store.erase_step(&house.scope, &leases[0], &erasing).await.expect("a step");
    store.release_leases(&leases).await.expect("it is gone");
    done
}
