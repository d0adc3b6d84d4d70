//! A tenant's past, put where the engine would have left it: events through the store's own append, customers through its
//! own commit. The engine does not run meanwhile; what it would have computed on the way is not what is measured.
//!
//! Activity is skewed: the customer at the share `q` of all has events in proportion to `1 / √q`, so that one percent of
//! the customers have a tenth of the events. The same history can be written as CSV for somebody else to load.

use anyhow::{Context, Result, anyhow};
use openhub_model::identity::{Age, Authority, Part};
use openhub_model::{Cause, Customer, EventKind, Identity, NewEvent, PartId, TenantId, Timestamp};
use openhub_store::{Changes, ClaimRow, ClaimStatus};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::audiences::ORDER;
use crate::events::Random;
use crate::hub::{Hub, NOW};

pub const VIEW: &str = "Product Viewed";
pub const TICKET: &str = "Ticket Opened";
/// Of a hundred events, so many are orders, and so many views; the others are tickets.
pub const ORDERS: u64 = 30;
const VIEWS: u64 = 60;
/// From the first event to the last.
pub const DAYS: u64 = 365;
pub const CITIES: u64 = 100;
pub const AGES: u64 = 80;
pub const DAY_MICROS: i64 = 86_400_000_000;
/// Rows of one statement.
const CHUNK: usize = 5_000;
/// Appends under way at a time.
const UNDER_WAY: usize = 4;

#[derive(Clone, Copy)]
pub struct History {
    pub customers: usize,
    pub events: usize,
}

/// What a customer is known to be.
struct Person {
    plan: Option<&'static str>,
    city: String,
    age: u64,
}

struct Happened {
    customer: usize,
    name: &'static str,
    at: Timestamp,
    /// In quarters, whose sums are exact in any order; of an order only.
    total: Option<f64>,
}

/// The files `events.csv` and `customers.csv` of a folder.
struct Copy {
    events: BufWriter<File>,
}

impl History {
    /// Loads it into a fresh hub, and, if a folder is given, as CSV into that.
    pub async fn load(self, hub: &Hub, copy: Option<&Path>) -> Result<()> {
        let (sender, mut receiver) = mpsc::channel(2 * UNDER_WAY);
        let (tenant, folder) = (hub.tenant, copy.map(Path::to_path_buf));
        let making = std::thread::spawn(move || self.make(tenant, folder, &sender));
        let mut appends = JoinSet::new();
        while let Some(events) = receiver.recv().await {
            while appends.len() >= UNDER_WAY {
                appends.join_next().await.context("an append is under way")???;
            }
            let (store, scope) = (hub.store.clone(), hub.scope);
            appends.spawn(async move { store.append(&scope, events).await.map(drop) });
        }
        while let Some(appended) = appends.join_next().await {
            appended??;
        }
        making.join().map_err(|_| anyhow!("the history could not be made"))??;
        self.people(hub, copy).await
    }

    fn make(self, tenant: TenantId, folder: Option<PathBuf>, sender: &mpsc::Sender<Vec<NewEvent>>) -> Result<()> {
        let mut copy = folder.as_deref().map(Copy::begin).transpose()?;
        let mut random = Random(7);
        for from in (0..self.events).step_by(CHUNK) {
            let mut events = Vec::with_capacity(CHUNK);
            for number in from..(from + CHUNK).min(self.events) {
                let happened = self.happened(number, &mut random);
                if let Some(copy) = &mut copy {
                    copy.event(&happened)?;
                }
                events.push(event(tenant, number, &happened, &mut random));
            }
            if sender.blocking_send(events).is_err() {
                break;
            }
        }
        copy.map_or(Ok(()), |mut copy| Ok(copy.events.flush()?))
    }

    fn happened(self, number: usize, random: &mut Random) -> Happened {
        let customer = (random.unit().powi(2) * self.customers as f64) as usize;
        let span = DAYS as f64 * DAY_MICROS as f64;
        let late = if random.below(100) < 5 { random.below(DAY_MICROS as u64) as i64 } else { 0 };
        let age = (span * (1.0 - number as f64 / self.events as f64)) as i64;
        let (name, total) = match random.below(100) {
            order if order < ORDERS => (ORDER, Some(random.below(2_000) as f64 / 4.0)),
            view if view < ORDERS + VIEWS => (VIEW, None),
            _ => (TICKET, None),
        };
        let at = Timestamp::from_micros(NOW.micros() - age - late);
        Happened { customer, name, at, total }
    }

    /// The customers, in the order of their ids, and the checkpoint behind all events.
    async fn people(self, hub: &Hub, copy: Option<&Path>) -> Result<()> {
        let mut ids: Vec<(PartId, usize)> =
            (0..self.customers).map(|number| (identity(number).part(hub.tenant), number)).collect();
        ids.sort_unstable();
        let leases = hub.store.claim_partitions(Duration::from_secs(3_600), 1).await?.leases;
        let mut lease = *leases.first().context("the tenant is moved by somebody else")?;
        let checkpoint = hub.standing().await?.head;
        for ids in ids.chunks(CHUNK) {
            let mut changes = Changes { checkpoint, clock: NOW, wall: NOW, ..Changes::default() };
            for (id, number) in ids {
                arrive(&mut changes, *id, *number);
            }
            lease = hub.store.commit(&hub.scope, &lease, &changes).await?;
        }
        hub.store.release_leases(&leases).await?;
        let Some(folder) = copy else { return Ok(()) };
        let mut file = BufWriter::new(File::create(folder.join("customers.csv"))?);
        writeln!(file, "id,plan,city,age")?;
        for number in 0..self.customers {
            let Person { plan, city, age } = person(number);
            writeln!(file, "{number},{},{city},{age}", plan.unwrap_or_default())?;
        }
        Ok(file.flush()?)
    }
}

impl Copy {
    fn begin(folder: &Path) -> Result<Copy> {
        let mut events = BufWriter::new(File::create(folder.join("events.csv"))?);
        writeln!(events, "customer,name,happened_at,total")?;
        Ok(Copy { events })
    }

    fn event(&mut self, happened: &Happened) -> Result<()> {
        let Happened { customer, name, at, total } = happened;
        let total = total.map(|total| total.to_string()).unwrap_or_default();
        Ok(writeln!(self.events, "{customer},{name},{},{total}", at.micros())?)
    }
}

fn identity(customer: usize) -> Identity {
    Identity::new(Identity::USER_ID, format!("user-{customer}"))
}

fn person(customer: usize) -> Person {
    let mut random = Random(customer as u64 ^ 0x5eed);
    let plan = match random.below(100) {
        0..5 => Some("gold"),
        5..30 => Some("silver"),
        30..90 => Some("bronze"),
        _ => None,
    };
    Person { plan, city: format!("city-{}", random.below(CITIES)), age: 18 + random.below(AGES) }
}

/// The rows of a customer, as if an `identify` at position 1 had made them.
fn arrive(changes: &mut Changes, id: PartId, number: usize) {
    let identity = identity(number);
    let at = Timestamp::from_micros(NOW.micros() - DAYS as i64 * DAY_MICROS);
    let source = format!("identify-{number}");
    let cause = Cause { at, event: source.as_str().into(), plugin: None, rule: None };
    let Person { plan, city, age } = person(number);
    let mut customer = Customer::new(id, identity.clone(), at);
    for (name, value) in
        [("plan", plan.map(|plan| json!(plan))), ("city", Some(json!(city))), ("age", Some(json!(age)))]
    {
        if let Some(value) = value {
            customer.set(name, value, cause.clone());
        }
    }
    changes.customers.push(customer.into());
    changes.claims.push(ClaimRow {
        part: id,
        identity: identity.clone(),
        authority: Authority::Browser,
        policy: 0,
        position: 1,
        source: source.clone(),
        status: ClaimStatus::Joined,
    });
    let age = Age { position: 1, claimed: false, id };
    changes.parts.push(Part { age, customer: id, identity, source, seen: true, state: None });
}

fn event(tenant: TenantId, number: usize, happened: &Happened, random: &mut Random) -> NewEvent {
    let Happened { customer, name, at, total } = happened;
    let identity = identity(*customer);
    let filling = "lorem ipsum dolor sit amet ".repeat(1 + random.below(15) as usize);
    let total = total.map(|total| format!(r#""total":{total},"#)).unwrap_or_default();
    let body = format!(
        r#"{{"type":"track","event":"{name}","messageId":"past-{number}","userId":"{}","timestamp":"{at}","context":{{"library":{{"name":"bench","version":"1"}},"locale":"en-GB","page":{{"path":"/checkout","referrer":"https://shop.example.com/cart"}}}},"properties":{{{total}"order_id":"o-{number}","note":"{filling}"}}}}"#,
        identity.value
    );
    NewEvent {
        message_id: format!("past-{number}"),
        kind: EventKind::Track,
        name: (*name).to_owned(),
        part: Some(identity.part(tenant)),
        occurred_at: *at,
        received_at: *at,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_the_same_each_time_and_skewed() {
        let history = History { customers: 1_000, events: 20_000 };
        let draw = || {
            let mut random = Random(7);
            (0..history.events).map(|number| history.happened(number, &mut random)).collect::<Vec<_>>()
        };
        let (first, second) = (draw(), draw());
        assert!(first.iter().zip(&second).all(|(a, b)| (a.customer, a.name, a.at) == (b.customer, b.name, b.at)));
        let top = first.iter().filter(|happened| happened.customer < 10).count();
        assert!((1_700..2_300).contains(&top), "{top}");
        assert!(first.iter().all(|happened| happened.at <= NOW && happened.customer < history.customers));
    }
}
