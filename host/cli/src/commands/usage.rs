//! `openhub usage`: what plugins used, read from the database.

use anyhow::{Result, ensure};
use clap::Args;
use openhub_model::Day;
use openhub_store::{Store, UsageFilter};

use super::empty;
use super::faults::scope;
use super::tenant::look;
use crate::config::{Config, Flags};
use crate::serve;

/// Rows of a page of the database.
const PAGE: usize = 1_000;
/// Days unless told.
const DAYS: i64 = 31;
const MIB: i64 = 1 << 20;

#[derive(Args)]
pub struct Arguments {
    /// Name of the tenant.
    tenant: String,
    /// The first day, in UTC, like 2026-11-01 [default: 30 days before `--to`].
    #[arg(long)]
    from: Option<Day>,
    /// The last day, in UTC [default: today].
    #[arg(long)]
    to: Option<Day>,
    /// Only of this plugin.
    #[arg(long)]
    plugin: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let store = look(&Config::load(&arguments.flags)?).await?;
    let shown = show(&store, arguments).await;
    store.close().await;
    shown
}

async fn show(store: &Store, arguments: Arguments) -> Result<()> {
    let scope = scope(store, &arguments.tenant).await?;
    let to = arguments.to.unwrap_or_else(|| Day::of(serve::wall_clock()));
    let from = arguments.from.unwrap_or(to.before(DAYS - 1));
    ensure!(from <= to, "`--from` is {from}, which is after `--to`, {to}");
    let mut filter = UsageFilter { days: (from, to), plugin: arguments.plugin, after: None };
    loop {
        let page = store.usage(&scope, &filter, PAGE).await?;
        if filter.after.is_none() {
            if page.is_empty() {
                empty(&format!("no plugin was called from {from} to {to}"));
                return Ok(());
            }
            println!(
                "{:<10}  {:<32}  {:<8}  {:>9}  {:>11}  {:>7}  {:>15}  {:>8}  {:>8}  {:>11}",
                "day", "called", "version", "calls", "items", "faults", "fuel", "peak MiB", "requests", "bytes out"
            );
        }
        for row in &page {
            let used = &row.usage;
            let called = format!("{} {}/{}", used.key.called.as_str(), used.key.plugin, used.key.name);
            println!(
                "{}  {called:<32}  {:<8}  {:>9}  {:>11}  {:>7}  {:>15}  {:>8}  {:>8}  {:>11}",
                row.day,
                used.version,
                used.calls,
                used.items,
                used.faults,
                used.fuel,
                (used.peak_memory + MIB - 1) / MIB,
                used.fetches,
                used.bytes_out
            );
        }
        match page.last() {
            Some(last) if page.len() == PAGE => filter.after = Some((last.day, last.usage.key.clone())),
            _ => return Ok(()),
        }
    }
}
