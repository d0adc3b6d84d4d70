//! Customers whom the hub knows by three identities each: the events that say so, and the rows that the engine makes of
//! them. A million are put in as rows; that those are the engine's is proven on a few first.

use anyhow::{Context, Result, ensure};
use openhub_model::identity::{Age, Authority, Part};
use openhub_model::{Cause, Customer, EventKind, Identity, NewEvent, PartId, TenantId, Timestamp};
use openhub_store::{Changes, ClaimRow, ClaimStatus, CustomerFilter};
use serde_json::{Value, json};
use std::time::Duration;

use crate::hub::{Hub, NOW};

/// Customers on whom rows and engine are compared.
const PROVEN: usize = 300;
/// Rows of one statement.
const CHUNK: usize = 5_000;

/// Of a customer by its number: the identity that its events are stored under comes first.
pub fn identities(number: u64) -> [Identity; 3] {
    [
        Identity::new(Identity::USER_ID, format!("user-{number}")),
        Identity::new(Identity::ANONYMOUS_ID, format!("visitor-{number}")),
        Identity::new(Identity::EMAIL, format!("{number}@example.com")),
    ]
}

/// The call by which the hub learns of a customer.
pub fn first(tenant: TenantId, number: u64) -> NewEvent {
    let [user, visitor, email] = identities(number);
    let body = json!({
        "userId": user.value, "anonymousId": visitor.value, "traits": {"email": email.value, "plan": "gold"},
    });
    call(EventKind::Identify, source(number), user.part(tenant), seen_at(number), &body)
}

pub fn call(kind: EventKind, id: String, part: PartId, at: Timestamp, body: &Value) -> NewEvent {
    NewEvent {
        message_id: id,
        kind,
        name: if kind == EventKind::Track { "Seen".to_owned() } else { String::new() },
        part: Some(part),
        occurred_at: at,
        received_at: NOW,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}

fn source(number: u64) -> String {
    format!("first-{number}")
}

fn seen_at(number: u64) -> Timestamp {
    Timestamp::from_micros(NOW.micros() + number as i64)
}

/// Puts customers into a fresh hub: their events in order, and what the engine would make of them.
pub async fn load(hub: &Hub, customers: usize) -> Result<()> {
    let numbers: Vec<u64> = (0..customers as u64).collect();
    for numbers in numbers.chunks(CHUNK) {
        let events = numbers.iter().map(|number| first(hub.tenant, *number)).collect();
        hub.store.append(&hub.scope, events).await?;
    }
    let leases = hub.store.claim_partitions(Duration::from_secs(3_600), 1).await?.leases;
    let mut lease = *leases.first().context("the tenant is moved by somebody else")?;
    let standing = hub.standing().await?;
    let clock = seen_at(customers as u64 - 1);
    let empty = || Changes { checkpoint: standing.head, clock, wall: NOW, ..Changes::default() };
    // A table at a time and in the order of its key, which is many times faster.
    let mut parts: Vec<(PartId, u64, usize)> = Vec::with_capacity(3 * customers);
    for number in numbers {
        parts.extend((0..3).map(|which| (identities(number)[which].part(hub.tenant), number, which)));
    }
    parts.sort_unstable();
    for parts in parts.chunks(CHUNK) {
        let parts = parts.iter().map(|(_, number, which)| part(hub.tenant, *number, *which)).collect();
        lease = hub.store.commit(&hub.scope, &lease, &Changes { parts, ..empty() }).await?;
    }
    parts.retain(|(_, _, which)| *which == 0);
    for users in parts.chunks(CHUNK) {
        let claims = users.iter().flat_map(|(_, number, _)| (0..3).map(|which| claim(hub.tenant, *number, which)));
        let customers = users.iter().map(|(id, number, _)| customer(*id, *number).into()).collect();
        let changes = Changes { claims: claims.collect(), customers, ..empty() };
        lease = hub.store.commit(&hub.scope, &lease, &changes).await?;
    }
    Ok(hub.store.release_leases(&leases).await?)
}

/// Fails if the engine makes other rows of the same events.
pub async fn prove() -> Result<()> {
    let mut computed = Hub::open().await?;
    computed.start();
    let events = (0..PROVEN as u64).map(|number| first(computed.tenant, number)).collect();
    let position = computed.append(events, CHUNK).await?;
    computed.reached(position).await?;
    let loaded = Hub::open().await?;
    load(&loaded, PROVEN).await?;
    let (theirs, ours) = (rows(&computed).await?, rows(&loaded).await?);
    computed.close().await;
    loaded.close().await;
    ensure!(theirs.len() == 7 * PROVEN, "{} rows of {PROVEN} customers", theirs.len());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        ensure!(theirs == ours, "the engine makes\n{theirs}\nwhere the benchmark would put\n{ours}");
    }
    ensure!(theirs.len() == ours.len(), "the benchmark would put {} rows, the engine {}", ours.len(), theirs.len());
    Ok(())
}

/// All customers, parts and claims, in an order of their own.
async fn rows(hub: &Hub) -> Result<Vec<String>> {
    let filter = CustomerFilter { limit: 2 * PROVEN, ..CustomerFilter::default() };
    let customers = hub.store.customers(&hub.scope, &filter).await?;
    let ids: Vec<PartId> = customers.iter().map(|customer| customer.customer).collect();
    let parts = hub.store.parts_around(&hub.scope, &ids).await?;
    let ids: Vec<PartId> = parts.iter().map(Part::id).collect();
    let claims = hub.store.claims_by_part(&hub.scope, &ids).await?;
    let mut rows: Vec<String> = customers.iter().map(|row| format!("{row:?}")).collect();
    rows.extend(parts.iter().map(|row| format!("{row:?}")));
    rows.extend(claims.iter().map(|row| format!("{row:?}")));
    rows.sort_unstable();
    Ok(rows)
}

/// The event of a customer stands at its number in the log of a fresh tenant, which begins at 1.
fn position(number: u64) -> i64 {
    number as i64 + 1
}

fn part(tenant: TenantId, number: u64, which: usize) -> Part {
    let identities = identities(number);
    let customer = identities[0].part(tenant);
    let identity = identities[which].clone();
    let age = Age { position: position(number), claimed: which > 0, id: identity.part(tenant) };
    Part { age, customer, identity, source: source(number), seen: which == 0, state: None }
}

fn claim(tenant: TenantId, number: u64, which: usize) -> ClaimRow {
    let identities = identities(number);
    ClaimRow {
        part: identities[0].part(tenant),
        identity: identities[which].clone(),
        authority: if which == 0 { Authority::Browser } else { Authority::Server },
        policy: 0,
        position: position(number),
        source: source(number),
        status: ClaimStatus::Joined,
    }
}

fn customer(id: PartId, number: u64) -> Customer {
    let [user, _, email] = identities(number);
    let mut customer = Customer::new(id, user, seen_at(number));
    let cause = Cause { at: seen_at(number), event: source(number).into(), plugin: None, rule: None };
    customer.set("email", email.value.into(), cause.clone());
    customer.set("plan", "gold".into(), cause);
    customer
}
