//! At most K SQL statements an attempt of the engine, whatever the batch's size, counted at the driver.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openhub_engine::{Config, Engine, Sealer};
use openhub_model::ClockKind;
use openhub_test_postgres::Server;
use openhub_tests::house::{HOST_NOW, House, Order, PATIENCE};
use openhub_tests::patience::until;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// LOAD and COMMIT together; what plugins used is one of them.
const MOST: f64 = 25.0;
/// What conditions ask about, and who entered and left: as many for ten segments as for a thousand.
const FACTS: f64 = 12.0;
/// A catalog is loaded, and webhooks, jobs and the meters' rights are looked at, once a run, which counts where a run is a single
/// attempt.
const CATALOG: f64 = 18.0;
/// Tenants that have nothing to do.
const IDLE: usize = 40;
/// What is not an attempt's own: transaction control, which attempts share, and what goes by the clock: the node's life and its
/// claims, and the look of who waits for a position.
const AROUND: [&str; 12] = [
    "SELECT checkpoint FROM partitions",
    "BEGIN",
    "PRAGMA",
    "COMMIT",
    "SAVEPOINT",
    "RELEASE",
    "SELECT set_config",
    "UPDATE partitions SET owner",
    "SELECT alive_until",
    "SELECT tenant_id, bucket",
    "INSERT INTO nodes",
    "DELETE FROM nodes",
];

/// Counts what sqlx logs of each statement.
#[derive(Clone, Default)]
struct Statements {
    all: Arc<AtomicU64>,
    commits: Arc<AtomicU64>,
    /// What they began with, to be looked at where there are too many.
    texts: Arc<Mutex<Vec<String>>>,
    /// How often a node has asked for what others have appended.
    asked: Arc<AtomicU64>,
}

struct Summary(String);

impl Visit for Summary {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            self.0 = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "summary" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut summary = Summary(String::new());
        event.record(&mut summary);
        if AROUND.iter().any(|around| summary.0.starts_with(around)) {
            return;
        }
        if summary.0.starts_with("SELECT tenant_id, arrived") {
            self.asked.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.all.fetch_add(1, Ordering::Relaxed);
        if summary.0.starts_with("UPDATE partitions SET checkpoint") {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).push(summary.0);
    }
}

impl Statements {
    fn take(&self) -> (u64, u64) {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        (self.all.swap(0, Ordering::Relaxed), self.commits.swap(0, Ordering::Relaxed))
    }
}

fn orders() -> Vec<Order> {
    let orders = (0..600).map(|row: u64| Order {
        row,
        customer: (row % 211).to_string(),
        at: format!("2025-0{}-{:02}T12:00:00Z", 1 + row / 300, 1 + row % 300 / 12).parse().expect("a time"),
        total: "42.00".into(),
    });
    orders.collect()
}

async fn statements(url: Option<String>, batch: usize, segments: Segments, counted: &Statements) -> f64 {
    let house = House::furnished(url).await;
    if segments == Segments::Ten {
        house.publish_segments().await;
    }
    let engine = house.start(batch, 1);
    let position = house.advance("2024-12-31T00:00:00Z").await;
    assert!(engine.reached(house.tenant, position, PATIENCE).await);
    engine.stop().await;
    let position = house.append(&orders()).await;
    counted.take();
    house.run(batch, 1, position).await;
    let texts = counted.texts.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
    let (all, commits) = counted.take();
    assert!(commits >= 600_u64.div_ceil(batch as u64), "only {commits} commits at batches of {batch}");
    let each = all as f64 / commits as f64;
    let most = if segments == Segments::None { MOST } else { MOST + FACTS };
    let most = if batch < 5_000 { most } else { most + CATALOG };
    assert!(each <= most, "batches of {batch}, segments {segments:?}: {each:.1} statements an attempt:\n{texts}");
    each
}

/// Tenants who have nothing to do ask nothing: the node asks for all of them at once. Answers how many other statements there
/// were while it asked so often.
async fn at_rest(url: Option<String>, tenants: usize, counted: &Statements) -> u64 {
    let house = House::open(url).await;
    let mut all = vec![house.tenant];
    for number in 1..tenants {
        let tenant = house.store.create_tenant(&format!("idle-{number}"), ClockKind::Live, HOST_NOW).await;
        all.push(tenant.expect("a tenant").id);
    }
    let sealer = Arc::new(Sealer::from_key([1; 32]));
    let config = Config { hold: Duration::from_millis(50), ..Config::default() };
    let engine = Engine::start(house.store.clone(), house.runtime.clone(), sealer, Arc::new(|| HOST_NOW), config);
    let asked = async |times: u64| {
        let from = counted.asked.load(Ordering::Relaxed);
        let asked = || async { (counted.asked.load(Ordering::Relaxed) >= from + times).then_some(()) };
        until("the node asks for what others have appended", asked).await;
    };
    // Nothing of them is left in memory then. A lane may be about to begin at the first such look.
    let looks = Cell::new(0);
    until("all tenants are looked at, and sleep", || async {
        let held = house.store.held_here().await.expect("leases").len();
        let ready = house.store.ready_here(HOST_NOW).await.expect("who has work");
        let sleep = ready.is_empty() && all.iter().all(|id| engine.catalog(*id).is_none());
        looks.set(if held == all.len() && sleep { looks.get() + 1 } else { 0 });
        (looks.get() == 2).then_some(())
    })
    .await;
    asked(1).await;
    counted.take();
    asked(10).await;
    let (others, _) = counted.take();
    engine.stop().await;
    others
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segments {
    None,
    Ten,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_do_not_grow_with_the_batch() {
    let counted = Statements::default();
    let filter = tracing_subscriber::filter::Targets::new().with_target("sqlx::query", tracing::Level::TRACE);
    tracing_subscriber::registry().with(counted.clone().with_filter(filter)).init();
    let server = Server::start().await.expect("PostgreSQL starts");
    for database in ["SQLite", "PostgreSQL"] {
        for (batch, segments) in
            [1, 37, 5_000].into_iter().flat_map(|batch| [(batch, Segments::None), (batch, Segments::Ten)])
        {
            let url = if database == "SQLite" { None } else { Some(server.database().await.expect("a database")) };
            let each = statements(url, batch, segments, &counted).await;
            println!("{database}, batches of {batch}, segments {segments:?}: {each:.1} statements an attempt");
        }
        let url = if database == "SQLite" { None } else { Some(server.database().await.expect("a database")) };
        let others = at_rest(url, IDLE, &counted).await;
        println!("{database}: {others} statements of {IDLE} tenants at rest while the node asked ten times");
        assert_eq!(others, 0, "{database}: statements of tenants that have nothing to do");
    }
}
