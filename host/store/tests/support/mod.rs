//! What the contract tests share: a fresh store on each database, and small rows to put in it.

use openhub_model::identity::Authority;
use openhub_model::{ClockKind, EventKind, Identity, NewEvent, PartId, Timestamp};
use openhub_store::{Changes, Config, Lease, Scope, Store, Tenant};
use openhub_test_postgres::Server;
use tempfile::TempDir;

/// A database that outlives the stores opened on it.
pub struct Database {
    pub url: String,
    _folder: Option<TempDir>,
}

impl Database {
    pub fn sqlite() -> anyhow::Result<Database> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("hub.db").display());
        Ok(Database { url, _folder: Some(folder) })
    }

    pub async fn postgres(server: &Server) -> anyhow::Result<Database> {
        Ok(Database { url: server.database().await?, _folder: None })
    }

    pub async fn open(&self, node: &str) -> anyhow::Result<Store> {
        Ok(Store::open(&Config { url: self.url.clone(), node: node.to_owned(), read_connections: 4 }).await?)
    }
}

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
    let leases = store.claim_partitions(at(10), at(1_000), 10).await?;
    leases.into_iter().next().ok_or_else(|| anyhow::anyhow!("no partition was free"))
}

pub fn changes(checkpoint: i64) -> Changes {
    Changes { checkpoint, clock: at(5), wall: at(100), ..Changes::default() }
}
