//! What the contract tests share: a fresh store on each database, and small rows to put in it.

mod database;

use openhub_model::identity::Authority;
use openhub_model::{ClockKind, EventKind, Identity, NewEvent, PartId, Timestamp};
use openhub_store::{Changes, Lease, Scope, Store, Tenant};
use std::time::Duration;

pub use database::Database;

/// Longer than any test.
pub const LEASE: Duration = Duration::from_secs(3_600);

pub fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub fn identity(user: usize) -> Identity {
    Identity::new(Identity::USER_ID, user.to_string())
}

pub fn part(tenant: &Tenant, user: usize) -> PartId {
    identity(user).part(tenant.id)
}

pub fn event(message_id: impl Into<String>, part: PartId) -> NewEvent {
    NewEvent {
        message_id: message_id.into(),
        kind: EventKind::Track,
        name: "Order Completed".to_owned(),
        part: Some(part),
        occurred_at: at(1),
        received_at: at(2),
        historical: false,
        authority: Authority::Browser,
        cause: None,
        body: r#"{"properties":{"total":29.33}}"#.to_owned(),
    }
}

pub async fn tenant(store: &Store) -> anyhow::Result<(Tenant, Scope)> {
    let tenant = store.create_tenant("acme", ClockKind::Replay, at(1)).await?;
    let scope = Scope::of(tenant.id);
    Ok((tenant, scope))
}

pub async fn lease(store: &Store) -> anyhow::Result<Lease> {
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    leases.into_iter().next().ok_or_else(|| anyhow::anyhow!("no partition was free"))
}

pub fn changes(checkpoint: i64) -> Changes {
    Changes { checkpoint, clock: at(5), wall: at(100), ..Changes::default() }
}
