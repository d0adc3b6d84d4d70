//! P8: the same rule native and in a plugin whose sandbox is fresh for every batch, at 1, 100 and 1,000 rows.
//!
//! The rule is our plugin `points`: two reads of numbers, one of a text, two writes, sometimes an event. Both sides
//! get the same columns and answer with the same writes, which is checked before anything is timed. Rows whose order
//! moves nobody to another tier cause no event; beside them stand rows of which about every fourth causes one. The same rule with
//! the same orders in Extism stands beside both, with a fresh instance for every batch, and with one that lives on.

use anyhow::{Context, Result, ensure};
use openhub_model::columns::{Column, ColumnBuilder, RecordBatch, Values};
use openhub_model::manifest::RuleShape;
use openhub_runtime::{CallContext, Plugin, Runtime};
use serde_json::json;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::extism::Extism;
use crate::installed;
use crate::scale::Scale;
use crate::statistics::{digits, median};
use xtask::demo::Usage;

const SIZES: [usize; 3] = [1, 100, 1000];
/// How long one side runs in a round.
const SLICE: Duration = Duration::from_millis(300);

pub fn run(file: &Path, beside: &Path, rounds: u64, scale: Scale) -> Result<()> {
    let component = std::fs::read(file).with_context(|| file.display().to_string())?;
    let runtime = Runtime::new(openhub_runtime::Config::default())?;
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let plugin = executor.block_on(runtime.prepare(&component))?;
    let rule = plugin.manifest().rules.first().context("points has a rule")?.clone();
    let mut extism = Extism::start(beside)?;
    let mut measured = Vec::new();
    for causing in [Causing::Nothing, Causing::Events] {
        for rows in SIZES {
            measured.push(measure(&plugin, &rule, &mut extism, &orders(rows, causing), rounds)?);
        }
    }
    report(&measured, rounds);
    drop(extism);
    installed::run(file, scale)
}

/// What the rows of a call bring about beside writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Causing {
    Nothing,
    Events,
}

struct Measured {
    rows: usize,
    events: usize,
    native_micros_a_row: f64,
    plugin_micros_a_row: f64,
    plugin_cpu_micros_a_row: f64,
    plugin_micros_a_call: f64,
    extism_cpu_micros_a_row: f64,
    extism_reused_cpu_micros_a_row: f64,
    fuel_a_row: u64,
}

impl Measured {
    /// How many times as much of the CPU Extism takes, with a fresh instance and with one that lives on.
    fn times(&self) -> [f64; 2] {
        [self.extism_cpu_micros_a_row, self.extism_reused_cpu_micros_a_row]
            .map(|theirs| digits(theirs / self.plugin_cpu_micros_a_row))
    }
}

fn measure(
    plugin: &Arc<Plugin>,
    rule: &RuleShape,
    extism: &mut Extism,
    orders: &[Order],
    rounds: u64,
) -> Result<Measured> {
    let rows = orders.len();
    let batch = columns(rule, orders)?;
    let context = CallContext::new("{}");
    let call = || plugin.evaluate(&context, &rule.name, &batch).map_err(|fault| anyhow::anyhow!("{fault:?}"));
    let evaluated = call()?;
    let target =
        rule.writes.iter().position(|write| write.path.ends_with(".points")).context("points writes points")?;
    let written = evaluated.outcome.writes.iter().find(|write| write.target as usize == target);
    let events = evaluated.outcome.events.len();
    ensure!(events == native(orders).moved.len(), "the sides cause different events");
    ensure!(written.is_some_and(|write| write.values == Values::Integers(native(orders).points)), "the sides differ");
    let theirs = extism.set(&as_json(orders))?;
    let their_points: Vec<i64> = theirs.iter().map(|effects| effects.points).collect();
    ensure!(their_points == native(orders).points, "Extism differs");
    ensure!(theirs.iter().filter(|effects| effects.event.is_some()).count() == events, "Extism causes other events");

    let (mut native_times, mut plugin_times, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    let (mut fresh, mut reused) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        native_times.push(timed(|| drop(black_box(native(black_box(orders))))));
        let before = Usage::of(std::process::id() as i32)?;
        let mut outcome = Ok(());
        let (micros, calls) = counted(|| {
            if let Err(error) = call() {
                outcome = Err(error);
            }
        });
        outcome?;
        plugin_times.push(micros);
        cpu.push((Usage::of(std::process::id() as i32)?.cpu_seconds() - before.cpu_seconds()) * 1e6 / calls as f64);
        fresh.push(extism.fresh()?);
        reused.push(extism.reused()?);
    }
    let a_row = |times: &[f64]| digits(median(times) / rows as f64);
    Ok(Measured {
        rows,
        events,
        native_micros_a_row: a_row(&native_times),
        plugin_micros_a_row: a_row(&plugin_times),
        plugin_cpu_micros_a_row: a_row(&cpu),
        plugin_micros_a_call: digits(median(&plugin_times)),
        extism_cpu_micros_a_row: a_row(&fresh),
        extism_reused_cpu_micros_a_row: a_row(&reused),
        fuel_a_row: evaluated.receipt.fuel / rows as u64,
    })
}

/// Microseconds a run.
fn timed(work: impl FnMut()) -> f64 {
    counted(work).0
}

/// Microseconds a run, and how many runs there were; the clock is read once for many.
fn counted(mut work: impl FnMut()) -> (f64, u64) {
    let (start, mut runs) = (Instant::now(), 0);
    while start.elapsed() < SLICE {
        for _ in 0..64 {
            work();
        }
        runs += 64;
    }
    (start.elapsed().as_secs_f64() * 1e6 / runs as f64, runs)
}

/// What the rule reads of a row.
struct Order {
    cents: i64,
    points: i64,
    tier: &'static str,
}

fn orders(rows: usize, causing: Causing) -> Vec<Order> {
    let order = |row: i64| {
        let points = row * 7 % 600;
        let cents = 100 + row * 1_117 % 25_000;
        let moves = tier(points + cents / 100) != tier(points);
        // Who would move has the tier already, as after another purchase.
        let points = if moves && causing == Causing::Nothing { points + 600 } else { points };
        Order { cents, points, tier: tier(points) }
    };
    (0..rows as i64).map(order).collect()
}

/// The orders as they are given to Extism.
fn as_json(orders: &[Order]) -> serde_json::Value {
    let order = |order: &Order| json!({"cents": order.cents, "points": order.points, "tier": order.tier});
    orders.iter().map(order).collect()
}

/// The orders in the columns that the rule declares.
fn columns(rule: &RuleShape, orders: &[Order]) -> Result<RecordBatch> {
    let column = |path: &str| -> Result<Values> {
        Ok(match path.rsplit('.').next() {
            Some("total") => Values::Integers(orders.iter().map(|order| order.cents).collect()),
            Some("points") => Values::Integers(orders.iter().map(|order| order.points).collect()),
            Some("tier") => Values::Texts(orders.iter().map(|order| format!("{}\0", order.tier)).collect()),
            _ => anyhow::bail!("the benchmark knows no column {path}"),
        })
    };
    let columns = rule.reads.iter().map(|read| Ok(Column { values: column(&read.path)?, absent: Vec::new() }));
    let columns = columns.collect::<Result<_>>()?;
    let params = rule.params.iter().map(|field| ColumnBuilder::one(&field.of, None)).collect();
    Ok(RecordBatch { rows: orders.len() as u32, params, columns, tables: Vec::new() })
}

/// The rule's answer: points for all, and who moved to which tier.
struct Effects {
    points: Vec<i64>,
    moved: Vec<(u32, &'static str)>,
}

fn native(orders: &[Order]) -> Effects {
    let mut effects = Effects { points: Vec::with_capacity(orders.len()), moved: Vec::new() };
    for (row, order) in (0..).zip(orders) {
        let points = order.points.saturating_add(order.cents / 100);
        let tier = tier(points);
        effects.points.push(points);
        if tier != order.tier {
            effects.moved.push((row, tier));
        }
    }
    black_box(&effects.moved);
    effects
}

fn tier(points: i64) -> &'static str {
    match points {
        500.. => "gold",
        200.. => "silver",
        _ => "bronze",
    }
}

/// What a row more costs because rows of the largest call cause events, and what each event costs.
fn caused(measured: &[Measured]) -> serde_json::Value {
    let largest =
        |has_events: bool| measured.iter().filter(|one| (one.events > 0) == has_events).max_by_key(|one| one.rows);
    let (Some(without), Some(with)) = (largest(false), largest(true)) else { return serde_json::Value::Null };
    let a_row = with.plugin_cpu_micros_a_row - without.plugin_cpu_micros_a_row;
    let an_event = digits(a_row * with.rows as f64 / with.events as f64);
    println!(
        "{} of {} rows cause an event: {} CPU µs a row more (aim 0.2), {an_event} an event",
        with.events,
        with.rows,
        digits(a_row)
    );
    json!({"cpu_micros_a_row": digits(a_row), "cpu_micros_an_event": an_event})
}

fn report(measured: &[Measured], rounds: u64) {
    println!("P8 plugins: the rule `points`, a fresh sandbox a batch, fuel and epoch on; medians of {rounds} rounds");
    println!(
        "{:>8} {:>8} {:>16} {:>16} {:>18} {:>16} {:>18} {:>19} {:>10}",
        "rows",
        "events",
        "native, µs/row",
        "plugin, µs/row",
        "plugin, CPU µs/row",
        "plugin, µs/call",
        "Extism, CPU µs/row",
        "Extism reused, same",
        "fuel/row"
    );
    for one in measured {
        println!(
            "{:>8} {:>8} {:>16} {:>16} {:>18} {:>16} {:>18} {:>19} {:>10}",
            one.rows,
            one.events,
            one.native_micros_a_row,
            one.plugin_micros_a_row,
            one.plugin_cpu_micros_a_row,
            one.plugin_micros_a_call,
            one.extism_cpu_micros_a_row,
            one.extism_reused_cpu_micros_a_row,
            one.fuel_a_row
        );
    }
    for one in measured {
        let [fresh, reused] = one.times();
        println!(
            "{} rows, {} events: Extism with JSON takes {fresh} times the CPU (aim 10), {reused} times with one instance for all calls",
            one.rows, one.events
        );
    }
    let sizes: Vec<_> = measured
        .iter()
        .map(|size| {
            json!({"rows": size.rows, "events": size.events, "native_micros_a_row": size.native_micros_a_row, "plugin_micros_a_row": size.plugin_micros_a_row,
                "plugin_cpu_micros_a_row": size.plugin_cpu_micros_a_row, "plugin_micros_a_call": size.plugin_micros_a_call,
                "extism_cpu_micros_a_row": size.extism_cpu_micros_a_row,
                "extism_reused_cpu_micros_a_row": size.extism_reused_cpu_micros_a_row, "extism_times": size.times(),
                "fuel_a_row": size.fuel_a_row})
        })
        .collect();
    println!("{}", json!({"scenario": "p8", "rounds": rounds, "sizes": sizes, "caused_event": caused(measured)}));
}
