//! P1: HTTP batches of the standard event into the release hub on SQLite with FULL durability, beside a bare loop
//! that puts the same rows into the same tables with the same durability.
//!
//! The hub does more in the same time: it parses, authenticates, answers, and its engine works through what has
//! come in. What it stored is counted in its database file, not in the answers.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use openhub_model::{Identity, TenantId};
use serde::Deserialize;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, SqlSafeStr, SqliteConnection};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::process::Command;

use crate::events::{BATCH, StandardEvent, standard};
use crate::statistics::{digits, median, percentile};
use xtask::demo::{Api, Usage};
use xtask::process::Server;

/// Clients that send at the same time, one request each.
const CONNECTIONS: usize = 16;
/// Events of a round and side.
const EVENTS: usize = 256_000;

#[derive(Deserialize)]
struct Tenant {
    tenant: i64,
    write_key: String,
    api_key: String,
}

/// What a side did in a round.
#[derive(Default)]
struct Side {
    events_per_second: Vec<f64>,
    cpu_micros_per_event: Vec<f64>,
    request_ms: Vec<f64>,
}

pub fn run(program: &Path, rounds: u64) -> Result<()> {
    let place = tempfile::Builder::new().prefix("openhub-bench-").tempdir()?;
    let (hub, bare) = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(measure(program, place.path(), rounds))?;
    report(&hub, &bare, rounds)
}

async fn measure(program: &Path, place: &Path, rounds: u64) -> Result<(Side, Side)> {
    let (hub_data, bare_data) = (place.join("hub"), place.join("bare"));
    let tenant = create_tenant(program, &hub_data).await?;
    create_tenant(program, &bare_data).await?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(&hub_data);
    let server = Server::start(&mut command, &place.join("hub.log")).await?;
    let mut writer = open(&bare_data.join("openhub.db")).await?;
    let (mut hub, mut bare) = (Side::default(), Side::default());
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        let events = standard(EVENTS, round, Timestamp::now());
        hub_round(&server, &tenant, &hub_data, &events, &mut hub).await?;
        bare_round(&mut writer, tenant.tenant, round, &events, &mut bare).await?;
    }
    server.stop().await?;
    Ok((hub, bare))
}

async fn create_tenant(program: &Path, data: &Path) -> Result<Tenant> {
    let output =
        Command::new(program).args(["tenant", "create", "bench", "--json", "--data"]).arg(data).output().await?;
    ensure!(output.status.success(), "the tenant could not be created: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn hub_round(
    server: &Server,
    tenant: &Tenant,
    data: &Path,
    events: &[StandardEvent],
    side: &mut Side,
) -> Result<()> {
    let bodies: Vec<String> = events.chunks(BATCH).map(request).collect();
    let bodies = Arc::new(bodies);
    let before = stored(data).await?;
    let usage = Usage::of(server.pid())?;
    let start = Instant::now();
    let clients = (0..CONNECTIONS).map(|client| {
        let (url, key, bodies) = (server.url.clone(), tenant.write_key.clone(), bodies.clone());
        tokio::spawn(async move { send(&url, &key, bodies.iter().skip(client).step_by(CONNECTIONS)).await })
    });
    for client in clients.collect::<Vec<_>>() {
        side.request_ms.extend(client.await??);
    }
    let seconds = start.elapsed().as_secs_f64();
    let spent = Usage::of(server.pid())?.cpu_seconds() - usage.cpu_seconds();
    let accepted = (stored(data).await? - before) as f64;
    side.events_per_second.push(accepted / seconds);
    side.cpu_micros_per_event.push(spent * 1e6 / accepted);
    caught_up(server, tenant).await
}

fn request(events: &[StandardEvent]) -> String {
    let texts: Vec<&str> = events.iter().map(|event| event.body.as_str()).collect();
    format!("{{\"batch\":[{}]}}", texts.join(","))
}

/// Sends the bodies one after the other; answers how long each took, in milliseconds.
async fn send<'a>(url: &str, key: &str, bodies: impl Iterator<Item = &'a String>) -> Result<Vec<f64>> {
    let api = Api::new(url, key)?;
    let mut times = Vec::new();
    for body in bodies {
        let start = Instant::now();
        api.ingest("/v1/batch", body.clone()).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Waits until the engine has done the round's events, so that the next round starts from rest.
async fn caught_up(server: &Server, tenant: &Tenant) -> Result<()> {
    let api = Api::new(&server.url, &tenant.api_key)?;
    while api.get("/api/v1/status").await?["behind"].as_u64().context("the status has no `behind`")? > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn open(file: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-40960")
        .pragma("wal_autocheckpoint", "64000");
    Ok(SqliteConnection::connect_with(&options).await?)
}

async fn stored(data: &Path) -> Result<i64> {
    let mut reader = open(&data.join("openhub.db")).await?;
    let count =
        sqlx::query_scalar("SELECT COUNT(*) FROM events WHERE origin = 0 AND kind <> 9").fetch_one(&mut reader).await?;
    reader.close().await?;
    Ok(count)
}

/// The same rows as the hub writes, as many a transaction as the hub's clients have under way.
async fn bare_round(
    writer: &mut SqliteConnection,
    tenant: i64,
    round: u64,
    events: &[StandardEvent],
    side: &mut Side,
) -> Result<()> {
    let rows: Vec<Row<'_>> = events.iter().map(|event| Row::of(event, tenant)).collect();
    let forms = Forms::new();
    let first = (round as usize * EVENTS) as i64 + 1;
    let own = Usage::of(std::process::id() as i32)?;
    let start = Instant::now();
    let mut inserted = 0;
    for (transaction, at) in rows.chunks(BATCH * CONNECTIONS).zip((first..).step_by(BATCH * CONNECTIONS)) {
        let mut begun = writer.begin_with("BEGIN IMMEDIATE").await?;
        for (chunk, at) in transaction.chunks(BATCH).zip((at..).step_by(BATCH)) {
            inserted += forms.insert(&mut begun, tenant, at, chunk).await?;
        }
        begun.commit().await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let spent = Usage::of(std::process::id() as i32)?.cpu_seconds() - own.cpu_seconds();
    side.events_per_second.push(inserted as f64 / seconds);
    side.cpu_micros_per_event.push(spent * 1e6 / inserted as f64);
    Ok(())
}

/// An event as the log's columns.
struct Row<'a> {
    event: &'a StandardEvent,
    part: String,
    kind: i64,
}

impl Row<'_> {
    fn of(event: &StandardEvent, tenant: i64) -> Row<'_> {
        let part = Identity::new(Identity::USER_ID, event.user_id.as_str()).part(TenantId(tenant)).to_string();
        Row { event, part, kind: if event.is_identify { 1 } else { 2 } }
    }
}

/// The two inserts of a batch.
struct Forms {
    events: Arc<str>,
    bodies: Arc<str>,
}

impl Forms {
    fn new() -> Forms {
        let rows = |row: &str| vec![row; BATCH].join(", ");
        let events = format!(
            "INSERT INTO events (tenant_id, position, origin, message_id, kind, name, part_id, occurred_at, received_at, historical) \
             VALUES {} ON CONFLICT (tenant_id, message_id) DO NOTHING",
            rows("(?, ?, 0, ?, ?, ?, ?, ?, ?, 0)")
        );
        let bodies = format!("INSERT INTO event_bodies (tenant_id, position, body) VALUES {}", rows("(?, ?, ?)"));
        Forms { events: events.into(), bodies: bodies.into() }
    }

    async fn insert(&self, writer: &mut SqliteConnection, tenant: i64, at: i64, rows: &[Row<'_>]) -> Result<u64> {
        let mut query = sqlx::query(AssertSqlSafe(self.events.clone()).into_sql_str());
        for (row, position) in rows.iter().zip(at..) {
            let time = row.event.at.as_microsecond();
            query = query.bind(tenant).bind(position).bind(row.event.message_id.as_str()).bind(row.kind);
            query = query.bind(row.event.name).bind(row.part.as_str()).bind(time).bind(time);
        }
        let inserted = query.execute(&mut *writer).await?.rows_affected();
        let mut query = sqlx::query(AssertSqlSafe(self.bodies.clone()).into_sql_str());
        for (row, position) in rows.iter().zip(at..) {
            query = query.bind(tenant).bind(position).bind(row.event.body.as_str());
        }
        query.execute(&mut *writer).await?;
        Ok(inserted)
    }
}

fn report(hub: &Side, bare: &Side, rounds: u64) -> Result<()> {
    let figure = |values: &[f64]| digits(median(values));
    let (hub_rate, bare_rate) = (figure(&hub.events_per_second), figure(&bare.events_per_second));
    let p99 = digits(percentile(&hub.request_ms, 0.99));
    println!(
        "P1 ingest: SQLite WAL, synchronous=FULL; {CONNECTIONS} connections, batches of {BATCH}; medians of {rounds} rounds of {EVENTS} events"
    );
    println!("{:<28} {:>14} {:>14}", "", "hub over HTTP", "bare inserts");
    println!("{:<28} {:>14} {:>14}", "events stored a second", hub_rate, bare_rate);
    println!(
        "{:<28} {:>14} {:>14}",
        "CPU, µs an event",
        figure(&hub.cpu_micros_per_event),
        figure(&bare.cpu_micros_per_event)
    );
    println!("{:<28} {:>14} {:>14}", "request, ms: median", figure(&hub.request_ms), "");
    println!("{:<28} {:>14} {:>14}", "request, ms: p99", p99, "");
    println!("{:<28} {:>14}", "hub to bare", digits(hub_rate / bare_rate));
    let line = json!({
        "scenario": "p1", "database": "sqlite", "synchronous": "full", "rounds": rounds, "connections": CONNECTIONS, "batch": BATCH,
        "hub": {"events_per_second": hub_rate, "cpu_micros_per_event": figure(&hub.cpu_micros_per_event),
            "request_ms_p50": figure(&hub.request_ms), "request_ms_p99": p99},
        "bare": {"events_per_second": bare_rate, "cpu_micros_per_event": figure(&bare.cpu_micros_per_event)},
        "ratio": digits(hub_rate / bare_rate),
    });
    println!("{line}");
    Ok(())
}
