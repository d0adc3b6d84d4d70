//! Tenants: the organisations in a hub.

use openhub_model::{ClockKind, TenantId, Timestamp};

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    pub clock: ClockKind,
    pub created_at: Timestamp,
    /// Nothing is sent for it until somebody says so: see [`Store::release_sends`].
    pub sends_held: bool,
}

type Row = (i64, String, i64, i64, i64);

impl Store {
    /// Makes a tenant and its partition.
    pub async fn create_tenant(&self, name: &str, clock: ClockKind, now: Timestamp) -> Result<Tenant, StoreError> {
        let name = name.to_owned();
        self.writer.write(None, move |tx| Box::pin(async move { insert_tenant(tx, &name, clock, now).await })).await
    }

    /// Whether nothing is to be sent for the tenant now.
    pub async fn sends_held(&self, scope: &Scope) -> Result<bool, StoreError> {
        let held = "SELECT id FROM tenants WHERE id = $1 AND sends_held <> 0";
        Ok(!select!(self, None::<&Scope>, (i64,), held, scope.tenant().0).is_empty())
    }

    /// What was restored sends from now on.
    pub async fn release_sends(&self, scope: &Scope) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(tx.conn(), "UPDATE tenants SET sends_held = 0 WHERE id = $1", tenant.0).map(drop)
                })
            })
            .await
    }

    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            Row,
            "SELECT id, name, clock, created_at, sends_held FROM tenants ORDER BY id"
        );
        rows.into_iter().map(tenant).collect()
    }

    pub async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            Row,
            "SELECT id, name, clock, created_at, sends_held FROM tenants WHERE id = $1",
            id.0
        );
        rows.into_iter().next().map(tenant).transpose()
    }

    pub async fn tenant_by_name(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            Row,
            "SELECT id, name, clock, created_at, sends_held FROM tenants WHERE name = $1",
            name.to_owned()
        );
        rows.into_iter().next().map(tenant).transpose()
    }
}

/// Makes a tenant and its partition.
pub(crate) async fn insert_tenant(
    tx: &mut Tx<'_>,
    name: &str,
    clock: ClockKind,
    now: Timestamp,
) -> Result<Tenant, StoreError> {
    let row = fetch_optional!(
        tx.conn(),
        Row,
        "INSERT INTO tenants (name, clock, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING \
         RETURNING id, name, clock, created_at, sends_held",
        name,
        clock_code(clock),
        now.micros(),
    )?;
    let tenant = tenant(row.ok_or_else(|| StoreError::AlreadyExists(name.to_owned()))?)?;
    execute!(tx.conn(), "INSERT INTO partitions (tenant_id, bucket) VALUES ($1, 0)", tenant.id.0)?;
    Ok(tenant)
}

fn tenant((id, name, clock, created_at, held): Row) -> Result<Tenant, StoreError> {
    let (clock, created_at) = (clock_kind(clock)?, Timestamp::from_micros(created_at));
    Ok(Tenant { id: TenantId(id), name, clock, created_at, sends_held: held != 0 })
}

pub(crate) fn clock_code(clock: ClockKind) -> i64 {
    match clock {
        ClockKind::Live => 0,
        ClockKind::Replay => 1,
    }
}

pub(crate) fn clock_kind(code: i64) -> Result<ClockKind, StoreError> {
    match code {
        0 => Ok(ClockKind::Live),
        1 => Ok(ClockKind::Replay),
        other => Err(StoreError::Corrupt(format!("clock {other}"))),
    }
}
