//! `openhub faults`: works on the database, beside a hub or without one.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use openhub_engine::again::remedy;
use openhub_model::plain::plain;
use openhub_model::{ClockKind, Id};
use openhub_store::{FaultFilter, FaultStatus, Faulted, Remedy, Scope, Store};

use super::empty;
use super::tenant::{as_operator, look, open};
use crate::config::{Config, Flags};
use crate::serve;

/// Faults of a page of the database.
const PAGE: usize = 1_000;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List what failed, newest first.
    List {
        /// Name of the tenant.
        tenant: String,
        /// Also list faults that were retried or discarded.
        #[arg(long)]
        all: bool,
        /// Only of one subject: `<plugin>/<rule>`, `<journey>/<node>`, a channel.
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Show one fault: whose event it was, where in the log, and what can be done.
    Show {
        /// Name of the tenant.
        tenant: String,
        /// The fault's id.
        id: Id,
        #[command(flatten)]
        flags: Flags,
    },
    /// Print the recorded call of a rule or a check that failed, for `openhub plugin replay`. It has data of a customer.
    Recording {
        /// Name of the tenant.
        tenant: String,
        /// The fault's id.
        id: Id,
        #[command(flatten)]
        flags: Flags,
    },
    /// Retry faults: those that you name, or with `--subject` all of a rule or a channel.
    Retry(Chosen),
    /// Close faults for which nothing more needs to be done.
    Discard(Chosen),
}

#[derive(Args)]
struct Chosen {
    /// Name of the tenant.
    tenant: String,
    /// Ids of faults, or `--subject`.
    #[arg(required_unless_present = "subject")]
    ids: Vec<Id>,
    /// All open faults of one subject, as `list` names it: `<plugin>/<rule>`, or a channel.
    #[arg(long)]
    subject: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::List { tenant, all, subject, flags } => {
            let store = look(&Config::load(&flags)?).await?;
            let listed = list(&store, &tenant, all, subject).await;
            store.close().await;
            listed
        }
        Command::Show { tenant, id, flags } => {
            let store = look(&Config::load(&flags)?).await?;
            let shown = show(&store, &tenant, id).await;
            store.close().await;
            print!("{}", shown?);
            Ok(())
        }
        Command::Recording { tenant, id, flags } => {
            let store = look(&Config::load(&flags)?).await?;
            let recording = recording(&store, &tenant, id).await;
            store.close().await;
            println!("{}", recording?);
            Ok(())
        }
        Command::Retry(chosen) => close(chosen, FaultStatus::Retried).await,
        Command::Discard(chosen) => close(chosen, FaultStatus::Discarded).await,
    }
}

async fn list(store: &Store, tenant: &str, all: bool, subject: Option<String>) -> Result<()> {
    let scope = scope(store, tenant).await?;
    let status = (!all).then_some(FaultStatus::Open);
    let mut filter = FaultFilter { status, subject, limit: PAGE, ..FaultFilter::default() };
    let mut is_empty = true;
    loop {
        let page = store.faults(&scope, &filter).await?;
        is_empty &= page.is_empty();
        for Faulted { fault, status, at, .. } in &page {
            let closed = match status {
                FaultStatus::Open => String::new(),
                closed => format!("  {}", word(*closed)),
            };
            let times = if fault.count > 1 { format!(" ({} times)", fault.count) } else { String::new() };
            let place = if fault.place.is_empty() { String::new() } else { format!(" at {}", plain(&fault.place)) };
            println!(
                "{}  {at}  {:<11}  {}{place}  {}: {}{times}{closed}",
                fault.id,
                fault.kind.name(),
                plain(&fault.subject),
                plain(&fault.code),
                plain(&fault.text)
            );
        }
        match page.last() {
            Some(last) if page.len() == PAGE => filter.before = Some(last.cursor()),
            _ => break,
        }
    }
    match (is_empty, all) {
        (true, true) => empty("nothing has failed"),
        (true, false) => empty("no fault is open; `--all` lists those that were retried or discarded, too"),
        (false, _) => {}
    }
    Ok(())
}

const fn word(status: FaultStatus) -> &'static str {
    match status {
        FaultStatus::Open => "open",
        FaultStatus::Retried => "retried",
        FaultStatus::Discarded => "discarded",
    }
}

/// All that is known of a fault, a line each.
async fn show(store: &Store, tenant: &str, id: Id) -> Result<String> {
    let scope = scope(store, tenant).await?;
    let Faulted { fault, status, first_at, at, recorded } =
        store.fault(&scope, id).await?.with_context(|| no_fault(id))?;
    let customer = match fault.part {
        Some(part) => store.customer_ids(&scope, &[part]).await?.get(&part).map(ToString::to_string),
        None => None,
    };
    let position = fault.position.map(|position| position.to_string());
    let recording = recorded.then(|| format!("openhub faults recording {tenant} {id} > call.json"));
    let retry = fault.kind.can_retry().then(|| format!("openhub faults retry {tenant} {id}"));
    let is_open = status == FaultStatus::Open;
    let lines = [
        ("kind", Some(fault.kind.name().to_owned())),
        ("subject", Some(plain(&fault.subject))),
        ("status", Some(word(status).to_owned())),
        ("code", Some(plain(&fault.code))),
        ("text", Some(plain(&fault.text))),
        ("place", Some(plain(&fault.place)).filter(|place| !place.is_empty())),
        ("customer", customer),
        ("event", fault.message_id.as_deref().map(plain)),
        ("position", position),
        ("times", (fault.count > 1).then(|| format!("{}, first at {first_at}", fault.count))),
        ("at", Some(at.to_string())),
        ("recording", recording),
        ("retry", retry.filter(|_| is_open)),
        ("discard", is_open.then(|| format!("openhub faults discard {tenant} {id}"))),
    ];
    let told = lines.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name:<10} {value}\n")));
    Ok(told.collect())
}

async fn recording(store: &Store, tenant: &str, id: Id) -> Result<String> {
    let scope = scope(store, tenant).await?;
    store.fault(&scope, id).await?.with_context(|| no_fault(id))?;
    let recording = store.fault_recording(&scope, id).await?;
    recording.context(
        "it has no recording: only a rule, a check, a step or a function that breaks off on one row is recorded",
    )
}

fn no_fault(id: Id) -> String {
    format!("there is no fault {id}: `openhub faults list` lists them")
}

async fn close(chosen: Chosen, status: FaultStatus) -> Result<()> {
    let store = open(&Config::load(&chosen.flags)?).await?;
    let closed = close_in(&store, chosen, status).await;
    store.close().await;
    closed
}

async fn close_in(store: &Store, chosen: Chosen, status: FaultStatus) -> Result<()> {
    let scope = scope(store, &chosen.tenant).await?;
    let mut faults = Vec::new();
    let by_id: HashSet<Id> = chosen.ids.iter().copied().collect();
    for id in chosen.ids {
        faults.push(store.fault(&scope, id).await?.with_context(|| no_fault(id))?);
    }
    if let Some(subject) = chosen.subject {
        let status = Some(FaultStatus::Open);
        let filter = FaultFilter { status, subject: Some(subject), limit: usize::MAX, ..FaultFilter::default() };
        faults.extend(store.faults(&scope, &filter).await?);
    }
    // In the order in which they were met, each once.
    faults.reverse();
    let mut named = HashSet::new();
    faults.retain(|faulted| named.insert(faulted.fault.id));
    let found = faults.len();
    if status == FaultStatus::Retried {
        // Of all of a subject, those that can be.
        faults.retain(|faulted| faulted.fault.kind.can_retry() || by_id.contains(&faulted.fault.id));
    }
    let not_retried = found - faults.len();
    let mut done = 0;
    let act = if status == FaultStatus::Retried { "openhub faults retry" } else { "openhub faults discard" };
    for Faulted { fault, .. } in &faults {
        let by = match status {
            FaultStatus::Retried => {
                ensure!(
                    fault.kind.can_retry(),
                    "a fault of the kind `{}` cannot be retried: discard it",
                    fault.kind.name()
                );
                let remedy = remedy(store, &scope, fault, now(store, &scope).await?).await?;
                remedy.context("its event no longer exists: discard the fault")?
            }
            _ => Remedy::Discard,
        };
        let closing = store.close_fault(&scope, fault.id, by, serve::wall_clock());
        done += usize::from(as_operator(act, "", closing).await?);
    }
    let closed = if done < faults.len() { ": the others were already closed" } else { "" };
    let verb = if status == FaultStatus::Retried { "retried" } else { "discarded" };
    println!("{verb} {done} of {} faults{closed}", faults.len());
    if not_retried > 0 {
        println!(
            "{not_retried} more cannot be retried, such as rows that a rule skipped: `openhub faults discard` closes them"
        );
    }
    Ok(())
}

async fn now(store: &Store, scope: &Scope) -> Result<openhub_model::Timestamp> {
    let tenant = store.tenant(scope.tenant()).await?.context("the tenant no longer exists")?;
    Ok(match tenant.clock {
        ClockKind::Live => serve::wall_clock(),
        ClockKind::Replay => store.clock(scope).await?.max(openhub_model::Timestamp::default()),
    })
}

pub(super) async fn scope(store: &Store, tenant: &str) -> Result<Scope> {
    let found = store
        .tenant_by_name(tenant)
        .await?
        .with_context(|| format!("there is no tenant `{tenant}`: `openhub tenant list` lists them"))?;
    Ok(Scope::of(found.id))
}
