//! P6: the first fill of one segment and of 1,000, over customers and events that are there already, beside DuckDB on the
//! same data. Whom both find must be as many, segment by segment.
//!
//! The sides do not do the same. DuckDB scans columns that it was given ready, and stores pairs of segment and customer; the
//! hub reads its log, evaluates, and commits memberships, the events of entering, timers and its progress, while it would
//! go on with what comes in. Both are on the disk when they say that they are done.

mod audience;
mod peer;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::HashMap;

use crate::costs::{Cost, Meter, machine_load};
use crate::history::History;
use crate::hub::{Hub, Segment};
use crate::scale::Scale;
use crate::statistics::{digits, median};
use audience::{Audience, EVENTS_EACH};
use peer::{Found, Members, Peer};

const CUSTOMERS: usize = 200_000;
const SEGMENTS: usize = 1_000;
/// Rounds of the one segment; the thousand are filled once.
const ROUNDS: u64 = 3;

/// The rounds of one side.
#[derive(Default)]
struct Side(Vec<Cost>);

/// Everything that was measured.
struct Figures {
    history: History,
    loading: Cost,
    one: Side,
    many: Side,
    members: i64,
    /// Of the thousand segments, those that somebody is in.
    inhabited: usize,
    peer: Option<Beside>,
    load: f64,
}

/// DuckDB's.
struct Beside {
    version: String,
    threads: u32,
    loading_seconds: f64,
    one: Side,
    /// Without storing the members.
    one_counted: Side,
    many: Side,
}

pub fn run(rounds: u64, scale: Scale) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(rounds.min(ROUNDS), scale))
}

async fn measure(rounds: u64, scale: Scale) -> Result<()> {
    let customers = scale.of(CUSTOMERS);
    let history = History { customers, events: customers * EVENTS_EACH as usize };
    let place = tempfile::Builder::new().prefix("openhub-bench-").tempdir()?;
    let (load, mut hub) = (machine_load(), Hub::open().await?);
    eprintln!("{} events of {customers} customers are loaded", history.events);
    let meter = Meter::start()?;
    history.load(&hub, Some(place.path())).await?;
    let loading = meter.stop()?;
    let mut peer = Peer::start(place.path())
        .inspect_err(|error| eprintln!("DuckDB cannot be had, so the hub stands alone: {error:#}"))
        .ok();
    let mut beside = peer.as_ref().map(|peer| Beside {
        version: peer.loaded.version.clone(),
        threads: peer.loaded.threads,
        loading_seconds: peer.loaded.seconds,
        one: Side::default(),
        one_counted: Side::default(),
        many: Side::default(),
    });
    hub.start();
    let (mut one, mut many) = (Side::default(), Side::default());
    for round in 0..rounds {
        eprintln!("one segment, round {} of {rounds}", round + 1);
        let asked = [audience::one(format!("one-{round}"))];
        let counts = one.fill(&hub, &asked).await?;
        if let Some((peer, beside)) = peer.as_mut().zip(beside.as_mut()) {
            agree(&asked, &counts, &beside.one_counted.find(peer, &asked, Members::Counted)?)?;
            agree(&asked, &counts, &beside.one.find(peer, &asked, Members::Stored)?)?;
        }
    }
    eprintln!("{SEGMENTS} segments");
    let asked = audience::many(SEGMENTS);
    let counts = many.fill(&hub, &asked).await?;
    if let Some((peer, beside)) = peer.as_mut().zip(beside.as_mut()) {
        agree(&asked, &counts, &beside.many.find(peer, &asked, Members::Stored)?)?;
    }
    let (members, inhabited) = (counts.iter().sum(), counts.iter().filter(|count| **count > 0).count());
    hub.close().await;
    peer.map_or(Ok(()), Peer::stop)?;
    report(&Figures { history, loading, one, many, members, inhabited, peer: beside, load });
    Ok(())
}

/// The first difference is an error: then one of the sides has measured something else.
fn agree(asked: &[Audience], ours: &[i64], theirs: &[i64]) -> Result<()> {
    for ((audience, ours), theirs) in asked.iter().zip(ours).zip(theirs) {
        ensure!(
            ours == theirs,
            "`{}` has {ours} members, and {theirs} by DuckDB: {}",
            audience.name,
            audience.condition
        );
    }
    Ok(())
}

impl Side {
    /// Publishes segments and waits for their fill; answers how many members each has.
    async fn fill(&mut self, hub: &Hub, asked: &[Audience]) -> Result<Vec<i64>> {
        let segments: Vec<Segment> =
            asked.iter().map(|audience| (audience.name.clone(), audience.condition.clone())).collect();
        let position = hub.publish_segments(&segments).await?;
        // The fill begins when the last of them is in force.
        hub.reached(position).await?;
        let meter = Meter::start()?;
        hub.filled().await?;
        self.0.push(meter.stop()?);
        hub.standing().await?;
        let stored = hub.store.segments(&hub.scope).await?;
        let members: HashMap<String, i64> = stored.into_iter().map(|segment| (segment.name, segment.members)).collect();
        asked.iter().map(|audience| members.get(&audience.name).copied().context("a segment is gone")).collect()
    }

    fn find(&mut self, peer: &mut Peer, asked: &[Audience], members: Members) -> Result<Vec<i64>> {
        let Found { counts, cost } = peer.find(asked, members)?;
        self.0.push(cost);
        Ok(counts)
    }

    fn median(&self, of: fn(&Cost) -> f64) -> f64 {
        median(&self.0.iter().map(of).collect::<Vec<_>>())
    }

    fn seconds(&self) -> f64 {
        self.median(|cost| cost.seconds)
    }

    fn row(&self, label: &str) -> String {
        let figures = [self.seconds(), self.median(|cost| cost.cpu_seconds), self.peak_mib()];
        format!("{label:<38} {}", figures.map(|figure| format!("{:>14}", digits(figure))).join(""))
    }

    fn peak_mib(&self) -> f64 {
        self.0.iter().map(|cost| cost.peak_mib).fold(0.0, f64::max)
    }

    fn json(&self) -> Value {
        json!({
            "seconds": digits(self.seconds()), "cpu_seconds": digits(self.median(|cost| cost.cpu_seconds)),
            "peak_mib": digits(self.peak_mib()), "rounds": self.0.len(),
        })
    }
}

fn report(figures: &Figures) {
    let Figures { history, loading, one, many, members, inhabited, peer, load } = figures;
    let (customers, events) = (history.customers, history.events);
    println!(
        "P6 fill: {customers} customers, {events} events; SQLite, synchronous=FULL; {members} memberships in {inhabited} of {SEGMENTS} segments"
    );
    let heads = ["seconds", "CPU seconds", "peak MiB"].map(|head| format!("{head:>14}"));
    println!("{:<38} {}", "", heads.join(""));
    println!("{}", Side(vec![*loading]).row("loading of the history"));
    println!("{}", one.row("one segment"));
    println!("{}", many.row("1,000 segments"));
    let aim = |what: &str, ratio: f64, aim: f64| {
        let verdict = if ratio <= aim { "met".to_owned() } else { format!("missed {} times", digits(ratio / aim)) };
        println!("{what}: {} (aim {aim}, {verdict})", digits(ratio));
    };
    if let Some(peer) = peer {
        println!(
            "DuckDB {}, {} threads; loaded from CSV in {} s",
            peer.version,
            peer.threads,
            digits(peer.loading_seconds)
        );
        println!("{}", peer.one_counted.row("one segment, counted only"));
        println!("{}", peer.one.row("one segment"));
        println!("{}", peer.many.row("1,000 segments"));
        aim("one, to DuckDB's", one.seconds() / peer.one.seconds(), 1.5);
        aim("one, to DuckDB's that counts only", one.seconds() / peer.one_counted.seconds(), 1.5);
        aim("1,000, to DuckDB's", many.seconds() / peer.many.seconds(), 1.5);
    }
    aim("1,000 to one", many.seconds() / one.seconds(), 20.0);
    let beside = peer.as_ref().map(|peer| {
        json!({"version": peer.version, "threads": peer.threads, "loading_seconds": digits(peer.loading_seconds),
            "one": peer.one.json(), "one_counted": peer.one_counted.json(), "many": peer.many.json()})
    });
    let line = json!({
        "scenario": "fill", "database": "sqlite", "synchronous": "full", "customers": customers, "events": events,
        "segments": SEGMENTS, "members": members, "inhabited": inhabited, "load": load, "one": one.json(), "many": many.json(), "duckdb": beside,
    });
    println!("{line}");
}
