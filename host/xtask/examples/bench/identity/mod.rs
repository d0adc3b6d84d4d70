//! Identity: events that name three identities each, on customers whom the hub knows; 2 % of them join two known
//! customers. From append to commit, and from the log to the commit, which is the resolving alone: appending is another
//! scenario's. What the looking-up of those identities takes of that. And what one merge costs, by the length of the
//! history that it moves.
//!
//! There is no segment, rule or journey: what is left beside identity is the log, and the customer's row.

mod known;

use anyhow::{Result, ensure};
use openhub_model::identity::Part;
use openhub_model::{EventKind, Identity, NewEvent, PartId, Timestamp};
use serde_json::{Value, json};
use std::collections::HashSet;

use crate::costs::{Cost, Meter, machine_load};
use crate::events::Random;
use crate::feed::{Fed, feed};
use crate::hub::{Hub, NOW};
use crate::statistics::{digits, median};
use known::{call, first, identities};

/// Events of a measured round.
const ROUND: u64 = 50_000;
/// One event in so many joins two customers.
const MERGES: u64 = 50;
/// Customers who are new to the hub in a round.
const NEW: u64 = 10_000;
/// Events whose identities are looked up in one statement of a kind: as many as an attempt of the engine takes.
const BATCH: usize = 8_000;
const HISTORIES: [u64; 4] = [1, 100, 10_000, 100_000];
/// A request of this many events.
const REQUEST: usize = 5_000;
/// Resolves a second, of the brief of this scenario.
const AIM: f64 = 30_000.0;

struct Bench {
    hub: Hub,
    customers: u64,
    made: u64,
}

/// Rounds of one kind of work.
#[derive(Default)]
struct Rounds {
    count: f64,
    costs: Vec<Cost>,
}

pub fn run(customers: u64, rounds: u64) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(customers, rounds))
}

async fn measure(customers: u64, rounds: u64) -> Result<()> {
    let load = machine_load();
    known::prove().await?;
    let mut bench = Bench { hub: Hub::open().await?, customers, made: 0 };
    eprintln!("{customers} customers are loaded");
    let meter = Meter::start()?;
    known::load(&bench.hub, customers as usize).await?;
    let loading = meter.stop()?;
    bench.hub.start();
    let [mut new, mut mixed, mut resolved, mut looked] = std::array::from_fn(|_| Rounds::default());
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        new.take(bench.first_seen(round).await?);
        mixed.take(bench.mixed(2 * round).await?);
        resolved.take(bench.resolved(2 * round + 1).await?);
        looked.take(bench.looked_up(round).await?);
    }
    let mut merges: Vec<(u64, Rounds)> = HISTORIES.map(|length| (length, Rounds::default())).into();
    for round in 0..rounds {
        for (length, costs) in &mut merges {
            costs.take((1.0, bench.merge(round, *length).await?));
        }
    }
    bench.hub.standing().await?;
    bench.hub.close().await;
    report(customers, rounds, load, &loading, [&new, &mixed, &resolved, &looked], &merges);
    Ok(())
}

impl Rounds {
    fn take(&mut self, (count, cost): (f64, Cost)) {
        self.count = count;
        self.costs.push(cost);
    }

    fn a_second(&self) -> f64 {
        self.count / self.seconds()
    }

    fn seconds(&self) -> f64 {
        median(&self.costs.iter().map(|cost| cost.seconds).collect::<Vec<_>>())
    }

    fn cpu_seconds(&self) -> f64 {
        median(&self.costs.iter().map(|cost| cost.cpu_seconds).collect::<Vec<_>>())
    }

    fn peak_mib(&self) -> f64 {
        self.costs.iter().map(|cost| cost.peak_mib).fold(0.0, f64::max)
    }
}

impl Bench {
    /// Customers of three identities each whom the hub has not met.
    async fn first_seen(&self, round: u64) -> Result<(f64, Cost)> {
        let (tenant, from) = (self.hub.tenant, self.customers + round * NEW);
        let Fed { accepted, cost } =
            feed(&self.hub, (from..from + NEW).map(move |number| first(tenant, number))).await?;
        Ok((accepted as f64, cost))
    }

    /// From append to commit.
    async fn mixed(&mut self, round: u64) -> Result<(f64, Cost)> {
        let events = self.known(round).await?;
        let Fed { accepted, cost } = feed(&self.hub, events.into_iter()).await?;
        Ok((accepted as f64, cost))
    }

    /// From the log to the commit: the events are appended while no engine runs.
    async fn resolved(&mut self, round: u64) -> Result<(f64, Cost)> {
        let events = self.known(round).await?;
        self.hub.stop().await;
        let position = self.hub.append(events, REQUEST).await?;
        let meter = Meter::start()?;
        self.hub.start();
        self.hub.reached(position).await?;
        Ok((ROUND as f64, meter.stop()?))
    }

    /// Events of customers whom the hub knows; one in fifty joins one of them to a card, and who has the card.
    async fn known(&mut self, round: u64) -> Result<Vec<NewEvent>> {
        let merges = ROUND / MERGES;
        let cards: Vec<NewEvent> = (0..merges).map(|merge| self.holder(round * merges + merge)).collect();
        let position = self.hub.append(cards, REQUEST).await?;
        self.hub.reached(position).await?;
        let mut random = Random(round);
        let card = |event: u64| event.is_multiple_of(MERGES).then_some(round * merges + event / MERGES);
        Ok((0..ROUND).map(|event| self.seen(random.below(self.customers), card(event))).collect())
    }

    /// The reads by which the engine finds out whom an event is about, as for the events above.
    async fn looked_up(&self, round: u64) -> Result<(f64, Cost)> {
        let mut random = Random(round ^ 0xf00d);
        let (tenant, store, scope) = (self.hub.tenant, &self.hub.store, &self.hub.scope);
        let mut events: Vec<[Identity; 3]> = (0..ROUND).map(|_| identities(random.below(self.customers))).collect();
        let meter = Meter::start()?;
        for events in events.chunks_mut(BATCH) {
            events.sort_by_cached_key(|all| all[0].part(tenant));
            let subjects: Vec<PartId> = events.iter().map(|all| all[0].part(tenant)).collect();
            let claimed =
                events.iter().zip(&subjects).flat_map(|(all, part)| all[1..].iter().map(|one| (*part, one.clone())));
            let pairs: Vec<(PartId, Identity)> = claimed.collect();
            let (parts, judged) =
                tokio::try_join!(store.parts_around(scope, &subjects), store.judged_pairs(scope, &pairs))?;
            let known: HashSet<PartId> = parts.iter().map(Part::id).collect();
            let all_known = pairs.iter().all(|(_, identity)| known.contains(&identity.part(tenant)));
            ensure!(all_known && !judged.is_empty(), "known identities are not found");
        }
        Ok((ROUND as f64, meter.stop()?))
    }

    /// One event that joins to a customer who has a card and so many events.
    async fn merge(&mut self, round: u64, length: u64) -> Result<Cost> {
        let card = u64::MAX - round * 1_000_000 - length;
        let history: Vec<NewEvent> = (0..length).map(|_| self.holder(card)).collect();
        let position = self.hub.append(history, REQUEST).await?;
        self.hub.reached(position).await?;
        let joining = self.seen((round * 7 + length) % self.customers, Some(card));
        let both: Vec<PartId> = joining.part.into_iter().chain([till(card).part(self.hub.tenant)]).collect();
        let meter = Meter::start()?;
        let position = self.hub.append(vec![joining], 1).await?;
        self.hub.reached(position).await?;
        let cost = meter.stop()?;
        let owners = self.hub.store.customer_ids(&self.hub.scope, &both).await?;
        ensure!(owners.get(&both[0]) == owners.get(&both[1]), "nobody was joined");
        Ok(cost)
    }

    /// Names all three identities of a known customer, and maybe a card.
    fn seen(&mut self, number: u64, card: Option<u64>) -> NewEvent {
        let [user, visitor, email] = identities(number);
        let mut named = vec![json!({"kind": email.kind, "value": email.value})];
        named.extend(card.map(card_identity));
        let body = json!({"userId": user.value, "anonymousId": visitor.value, "identities": named});
        self.track(&user, &body)
    }

    /// Somebody with a card, seen in a shop.
    fn holder(&mut self, card: u64) -> NewEvent {
        let visitor = till(card);
        let body = json!({"anonymousId": visitor.value, "identities": [card_identity(card)]});
        self.track(&visitor, &body)
    }

    fn track(&mut self, subject: &Identity, body: &Value) -> NewEvent {
        self.made += 1;
        let at = Timestamp::from_micros(NOW.micros() + self.made as i64);
        call(EventKind::Track, format!("bench-{}", self.made), subject.part(self.hub.tenant), at, body)
    }
}

/// The identity under which the holder of a card is seen.
fn till(card: u64) -> Identity {
    Identity::new(Identity::ANONYMOUS_ID, format!("till-{card}"))
}

fn card_identity(card: u64) -> Value {
    json!({"kind": "card", "value": format!("card-{card}")})
}

fn report(customers: u64, rounds: u64, load: f64, loading: &Cost, work: [&Rounds; 4], merges: &[(u64, Rounds)]) {
    println!("Identity: {customers} customers of 3 identities on SQLite, synchronous=FULL; medians of {rounds} rounds");
    println!("  loaded in {} s, peak {} MiB", digits(loading.seconds), digits(loading.peak_mib));
    let heads = ["events/s", "CPU µs/event", "peak MiB"].map(|head| format!("{head:>14}"));
    println!("{:<48} {}", "", heads.join(""));
    let names = [
        "first seen, from append to commit",
        "known, 2 % merges, from append to commit",
        "known, 2 % merges, from the log to the commit",
        "looking the identities up, alone",
    ];
    for (name, rounds) in names.iter().zip(work) {
        let cpu_micros = rounds.cpu_seconds() * 1e6 / rounds.count;
        let figures =
            [rounds.a_second(), cpu_micros, rounds.peak_mib()].map(|figure| format!("{:>14}", digits(figure)));
        println!("  {name:<46} {}", figures.join(""));
    }
    let [new, mixed, resolved, looked] = work;
    println!("  resolves to the aim of {AIM} a second: {}", digits(resolved.a_second() / AIM));
    for (length, costs) in merges {
        let (ms, cpu_ms) = (costs.seconds() * 1e3, costs.cpu_seconds() * 1e3);
        println!("  one merge that moves {length:>7} events {:>10} ms, {:>8} ms of CPU", digits(ms), digits(cpu_ms));
    }
    let rounds_json = |rounds: &Rounds| {
        json!({"events_per_second": digits(rounds.a_second()),
            "cpu_micros_per_event": digits(rounds.cpu_seconds() * 1e6 / rounds.count), "peak_mib": digits(rounds.peak_mib())})
    };
    let merges = merges.iter().map(|(length, costs)| {
        json!({"events": length, "ms": digits(costs.seconds() * 1e3), "cpu_ms": digits(costs.cpu_seconds() * 1e3)})
    });
    let line = json!({
        "scenario": "identity", "database": "sqlite", "synchronous": "full", "customers": customers, "rounds": rounds,
        "load": load, "first": rounds_json(new), "known": rounds_json(mixed),
        "resolved": rounds_json(resolved), "looked_up": rounds_json(looked),
        "merge": merges.collect::<Vec<_>>(),
    });
    println!("{line}");
}
