//! Identity: events through the whole engine, from the log to the commit, on customers of three identities each; 2 % of
//! the events join two known customers. And what one merge costs, by the length of the history that it moves.

use anyhow::{Result, ensure};
use openhub_engine::{Clock, Config, Engine, Sealer};
use openhub_model::identity::Authority;
use openhub_model::{ClockKind, EventKind, Identity, NewEvent, TenantId, Timestamp};
use openhub_runtime::Runtime;
use openhub_store::{Scope, Store};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::statistics::{digits, median};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const CHUNK: usize = 5_000;
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Events of a measured round.
const ROUND: u64 = 50_000;
const HISTORIES: [u64; 4] = [1, 100, 10_000, 100_000];

struct Hub {
    store: Store,
    engine: Engine,
    tenant: TenantId,
    scope: Scope,
    made: u64,
}

pub fn run(customers: u64, rounds: u64) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(customers, rounds))
}

async fn measure(customers: u64, rounds: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("bench.db").display());
    let store = Store::open(&openhub_store::Config { url, node: "bench".into(), read_connections: 4 }).await?;
    let tenant = store.create_tenant("bench", ClockKind::Live, NOW).await?.id;
    let runtime = Runtime::new(openhub_runtime::Config::default())?;
    let clock: Clock = Arc::new(|| NOW);
    let engine = Engine::start(store.clone(), runtime, Arc::new(Sealer::from_key([1; 32])), clock, Config::default());
    let mut hub = Hub { store, engine, tenant, scope: Scope::of(tenant), made: 0 };

    let began = Instant::now();
    hub.pass((0..customers).map(known)).await?;
    let first = customers as f64 / began.elapsed().as_secs_f64();
    let mut rates = Vec::new();
    for round in 0..rounds {
        // Each merge needs a known customer of its own to join: a card that was seen in a shop.
        let merges = ROUND / 50;
        hub.pass((0..merges).map(|merge| holder(round * merges + merge))).await?;
        let mut draw = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let events: Vec<Call> = (0..ROUND)
            .map(|event| {
                draw ^= draw << 13;
                draw ^= draw >> 7;
                draw ^= draw << 17;
                if event % 50 == 0 {
                    joining(draw % customers, round * merges + event / 50)
                } else {
                    known(draw % customers)
                }
            })
            .collect();
        rates.push(ROUND as f64 / hub.computed(events).await?);
    }
    let mut costs = Vec::new();
    for (number, length) in HISTORIES.into_iter().enumerate() {
        let card = u64::MAX - number as u64;
        hub.pass((0..length).map(|_| holder(card))).await?;
        costs.push((length, hub.computed(vec![joining(number as u64, card)]).await? * 1_000.0));
    }
    hub.engine.stop().await;
    hub.store.close().await;
    report(customers, first, &rates, &costs);
    Ok(())
}

/// A call and the subject that its door would find.
type Call = (EventKind, Identity, Value);

fn known(number: u64) -> Call {
    let subject = Identity::new(Identity::USER_ID, format!("user-{number}"));
    let body = json!({
        "userId": subject.value, "anonymousId": format!("visitor-{number}"),
        "traits": {"email": format!("{number}@example.com"), "plan": "gold"},
    });
    (EventKind::Identify, subject, body)
}

fn holder(card: u64) -> Call {
    let subject = Identity::new(Identity::ANONYMOUS_ID, format!("till-{card}"));
    let identities = json!([{"kind": "card", "value": format!("card-{card}")}]);
    (EventKind::Track, subject.clone(), json!({"anonymousId": subject.value, "identities": identities}))
}

fn joining(number: u64, card: u64) -> Call {
    let (kind, subject, mut body) = known(number);
    body["identities"] = json!([{"kind": "card", "value": format!("card-{card}")}]);
    (kind, subject, body)
}

impl Hub {
    /// Appends the calls and waits for the engine.
    async fn pass(&mut self, calls: impl Iterator<Item = Call>) -> Result<()> {
        let mut calls = calls.peekable();
        let mut position = 0;
        while calls.peek().is_some() {
            let events = calls.by_ref().take(CHUNK).map(|call| self.event(call)).collect();
            position = self.store.append(&self.scope, events).await?.position;
        }
        ensure!(self.engine.reached(self.tenant, position, PATIENCE).await, "the engine is stuck");
        Ok(())
    }

    /// Seconds from the append of all calls until they are computed and committed.
    async fn computed(&mut self, calls: Vec<Call>) -> Result<f64> {
        let events: Vec<NewEvent> = calls.into_iter().map(|call| self.event(call)).collect();
        let began = Instant::now();
        let mut position = 0;
        for events in events.chunks(CHUNK) {
            position = self.store.append(&self.scope, events.to_vec()).await?.position;
        }
        ensure!(self.engine.reached(self.tenant, position, PATIENCE).await, "the engine is stuck");
        Ok(began.elapsed().as_secs_f64())
    }

    fn event(&mut self, (kind, subject, body): Call) -> NewEvent {
        self.made += 1;
        NewEvent {
            message_id: format!("bench-{}", self.made),
            kind,
            name: String::new(),
            part: Some(subject.part(self.tenant)),
            occurred_at: Timestamp::from_micros(NOW.micros() + self.made as i64),
            received_at: NOW,
            historical: false,
            authority: Authority::Server,
            cause: None,
            body: body.to_string(),
        }
    }
}

fn report(customers: u64, first: f64, rates: &[f64], costs: &[(u64, f64)]) {
    println!("Identity: {customers} customers of 3 identities; append, load, compute and commit on SQLite");
    println!("  first seen, 3 identities an event   {:>10} events/s", digits(first));
    println!("  known, 2 % merges, median round     {:>10} events/s", digits(median(rates)));
    for (length, millis) in costs {
        println!("  one merge that moves {length:>7} events {:>10} ms", digits(*millis));
    }
    let costs: Vec<Value> = costs.iter().map(|(events, ms)| json!({"events": events, "ms": digits(*ms)})).collect();
    let line = json!({
        "scenario": "identity", "customers": customers, "first_per_second": digits(first),
        "resolves_per_second": digits(median(rates)), "merge": costs,
    });
    println!("{line}");
}
