//! The tree of tenants: what is below one, how each stands, and what it may have at most. Everything here is asked by a tenant
//! about those below it; of another tenant there is nothing to be found. None of it reads what a tenant keeps.

use openhub_model::ceiling::Ceiling;
use openhub_model::{ClockKind, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

use crate::database::bulk;
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::{corrupt, json, limit, maybe_time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::keys::{Key, insert_key};
use crate::state::tenants::{clock_kind, insert_tenant};
use crate::store::Store;

/// So many tenants stand above one at most.
pub const DEEPEST: usize = 8;

/// How a tenant stands. The number is what the database stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum TenantStatus {
    #[default]
    Active = 0,
    /// Its doors are closed, and nothing of it is lost.
    Paused = 1,
    /// As paused, until the day on which it is deleted.
    Deleting = 2,
    /// Its rows are gone, or are going.
    Deleted = 3,
}

impl TenantStatus {
    pub const ALL: [TenantStatus; 4] =
        [TenantStatus::Active, TenantStatus::Paused, TenantStatus::Deleting, TenantStatus::Deleted];

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<TenantStatus> {
        TenantStatus::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// A tenant in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeTenant {
    pub id: TenantId,
    pub parent: Option<TenantId>,
    pub name: String,
    pub clock: ClockKind,
    pub created_at: Timestamp,
    pub status: TenantStatus,
    /// What was set for it; those above may have set less.
    pub ceiling: Ceiling,
    pub delete_at: Option<Timestamp>,
}

/// What follows for a tenant from itself and all above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The worst of theirs.
    pub status: TenantStatus,
    pub ceiling: Ceiling,
    /// How many are above it.
    pub above: usize,
}

/// A tenant to be made below another.
#[derive(Clone, Debug)]
pub struct NewTenant {
    pub name: String,
    pub clock: ClockKind,
    pub ceiling: Ceiling,
    pub at: Timestamp,
}

/// Why a place in the tree cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unplaced {
    /// A tenant would stand below itself.
    Cycle,
    /// It would stand too deep.
    TooDeep,
    /// Its ceiling would be wider than before, or than that of those above: in what.
    Wider(String),
    /// It is not as this asks for: it is deleted, or about to be.
    Stands(TenantStatus),
    /// There are tenants below it.
    HasOthers,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    parent_id: Option<i64>,
    name: String,
    clock: i64,
    created_at: i64,
    status: i64,
    ceiling: String,
    delete_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<TreeTenant, StoreError> {
        Ok(TreeTenant {
            id: TenantId(self.id),
            parent: self.parent_id.map(TenantId),
            name: self.name,
            clock: clock_kind(self.clock)?,
            created_at: Timestamp::from_micros(self.created_at),
            status: TenantStatus::from_code(self.status).ok_or_else(|| corrupt("status of a tenant"))?,
            ceiling: json(&self.ceiling, "ceiling of a tenant")?,
            delete_at: maybe_time(self.delete_at),
        })
    }
}

/// Tenants with those above them: of each the number of steps up to it.
const UP: &str = "WITH RECURSIVE up (tenant, id, parent_id, status, ceiling, steps) AS (\
    SELECT t.id, t.id, t.parent_id, t.status, t.ceiling, CAST(0 AS BIGINT) FROM tenants t \
    WHERE t.id IN (SELECT CAST(atom AS BIGINT) FROM json_each($1)) \
    UNION ALL SELECT up.tenant, t.id, t.parent_id, t.status, t.ceiling, up.steps + 1 FROM up JOIN tenants t ON t.id = up.parent_id \
    WHERE up.steps < 64) SELECT tenant, id, status, ceiling FROM up ORDER BY tenant, steps";

type Step = (i64, i64, i64, String);

impl Store {
    /// What follows for tenants from those above them.
    pub async fn lineages(&self, tenants: &[TenantId]) -> Result<HashMap<TenantId, Lineage>, StoreError> {
        let ids = bulk::list(tenants.iter().map(|tenant| tenant.0));
        let rows = select!(self, None::<&Scope>, Step, UP, ids);
        lineages(rows)
    }

    /// Those above the tenant with their names, the nearest first.
    pub async fn tenants_above(&self, scope: &Scope) -> Result<Vec<(TenantId, String)>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (i64, String),
            "WITH RECURSIVE up (id, parent_id, name, steps) AS (\
             SELECT t.id, t.parent_id, t.name, CAST(0 AS BIGINT) FROM tenants t WHERE t.id = $1 \
             UNION ALL SELECT t.id, t.parent_id, t.name, up.steps + 1 FROM up JOIN tenants t ON t.id = up.parent_id \
             WHERE up.steps < 64) SELECT id, name FROM up WHERE steps > 0 ORDER BY steps",
            scope.tenant().0,
        );
        Ok(rows.into_iter().map(|(id, name)| (TenantId(id), name)).collect())
    }

    /// Those directly below the tenant, by id.
    pub async fn tenants_below(
        &self,
        scope: &Scope,
        behind: Option<TenantId>,
        rows: usize,
    ) -> Result<Vec<TreeTenant>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            Row,
            "SELECT id, parent_id, name, clock, created_at, status, ceiling, delete_at FROM tenants \
             WHERE parent_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            scope.tenant().0,
            behind.map_or(0, |tenant| tenant.0),
            limit(rows),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// One that stands somewhere below the tenant.
    pub async fn tenant_below(&self, scope: &Scope, id: TenantId) -> Result<Option<TreeTenant>, StoreError> {
        let lines = select!(self, None::<&Scope>, Step, UP, bulk::list([id.0]));
        if id == scope.tenant() || !lines.iter().any(|(_, above, ..)| *above == scope.tenant().0) {
            return Ok(None);
        }
        let rows = select!(
            self,
            None::<&Scope>,
            Row,
            "SELECT id, parent_id, name, clock, created_at, status, ceiling, delete_at FROM tenants WHERE id = $1",
            id.0
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// Makes a tenant below this one, or below one that is below it, with a key by which its owner comes in.
    pub async fn create_below(
        &self,
        scope: &Scope,
        parent: TenantId,
        new: NewTenant,
        key: impl FnOnce(TenantId) -> Key + Send + 'static,
    ) -> Result<Result<TenantId, Unplaced>, StoreError> {
        let maker = scope.tenant();
        self.writer
            .write_in_time(maker, move |tx| {
                Box::pin(async move {
                    if parent != maker {
                        below(tx, maker, parent).await?;
                    }
                    let line = hold(tx, parent).await?;
                    if let Some(wider) = new.ceiling.beyond(&line.ceiling) {
                        return refused(Unplaced::Wider(wider));
                    }
                    if line.above + 1 > DEEPEST {
                        return refused(Unplaced::TooDeep);
                    }
                    if line.status != TenantStatus::Active {
                        return refused(Unplaced::Stands(line.status));
                    }
                    let ceiling = serde_json::json!(new.ceiling).to_string();
                    let made = insert_tenant(tx, &new.name, new.clock, new.at).await?;
                    execute!(
                        tx.conn(),
                        "UPDATE tenants SET parent_id = $2, ceiling = $3 WHERE id = $1",
                        made.id.0,
                        parent.0,
                        &ceiling
                    )?;
                    insert_key(tx, &key(made.id)).await?;
                    Ok(Ok(made.id))
                })
            })
            .await
    }

    /// Puts a tenant below another one, both of which stand below this one, or are it.
    pub async fn move_tenant(
        &self,
        scope: &Scope,
        id: TenantId,
        to: TenantId,
    ) -> Result<Result<(), Unplaced>, StoreError> {
        let mover = scope.tenant();
        self.writer
            .write_in_time(mover, move |tx| {
                Box::pin(async move {
                    hold(tx, mover).await?;
                    let steps = fetch_all!(tx.conn(), Step, UP, bulk::list([id.0, to.0]))?;
                    let above = |tenant: TenantId, other: TenantId| {
                        steps.iter().any(|(of, above, ..)| *of == tenant.0 && *above == other.0)
                    };
                    if id == mover || !above(id, mover) || !above(to, mover) {
                        return Err(StoreError::NotFound);
                    }
                    if above(to, id) {
                        return refused(Unplaced::Cycle);
                    }
                    let lines = lineages(steps)?;
                    let none = Lineage::default();
                    let (old, new) = (lines.get(&id).unwrap_or(&none), lines.get(&to).unwrap_or(&none));
                    for line in [old, new] {
                        if line.status > TenantStatus::Paused {
                            return refused(Unplaced::Stands(line.status));
                        }
                    }
                    let deepest = fetch_optional!(
                        tx.conn(),
                        (i64,),
                        "WITH RECURSIVE down (id, steps) AS (SELECT CAST($1 AS BIGINT), CAST(0 AS BIGINT) UNION ALL \
                         SELECT t.id, down.steps + 1 FROM down JOIN tenants t ON t.parent_id = down.id WHERE down.steps < 64) \
                         SELECT MAX(steps) FROM down",
                        id.0
                    )?;
                    let deepest = deepest.map_or(0, |(steps,)| usize::try_from(steps).unwrap_or(usize::MAX));
                    if new.above + 1 + deepest > DEEPEST {
                        return refused(Unplaced::TooDeep);
                    }
                    let own = fetch_optional!(
                        tx.conn(),
                        (String,),
                        "SELECT ceiling FROM tenants WHERE id = $1",
                        id.0
                    )?;
                    let own: Ceiling = json(&own.ok_or(StoreError::NotFound)?.0, "ceiling of a tenant")?;
                    if let Some(wider) = own.and(&new.ceiling).wider_than(&old.ceiling) {
                        return refused(Unplaced::Wider(wider));
                    }
                    execute!(tx.conn(), "UPDATE tenants SET parent_id = $2 WHERE id = $1", id.0, to.0)?;
                    Ok(Ok(()))
                })
            })
            .await
    }

    /// Sets what a tenant below this one may have at most: no more than those above it.
    pub async fn set_ceiling(
        &self,
        scope: &Scope,
        id: TenantId,
        ceiling: Ceiling,
    ) -> Result<Result<(), Unplaced>, StoreError> {
        let setter = scope.tenant();
        self.writer
            .write_in_time(setter, move |tx| {
                Box::pin(async move {
                    let tenant = below(tx, setter, id).await?;
                    let parent = tenant.parent.ok_or(StoreError::NotFound)?;
                    let steps = fetch_all!(tx.conn(), Step, UP, bulk::list([parent.0]))?;
                    let line = lineages(steps)?.remove(&parent).unwrap_or_default();
                    if let Some(wider) = ceiling.beyond(&line.ceiling) {
                        return refused(Unplaced::Wider(wider));
                    }
                    let ceiling = serde_json::json!(ceiling).to_string();
                    execute!(tx.conn(), "UPDATE tenants SET ceiling = $2 WHERE id = $1", id.0, &ceiling)?;
                    Ok(Ok(()))
                })
            })
            .await
    }

    /// Pauses a tenant, opens it again, or says when it will be deleted.
    pub async fn set_tenant_status(
        &self,
        scope: &Scope,
        id: TenantId,
        status: TenantStatus,
        delete_at: Option<Timestamp>,
    ) -> Result<Result<(), Unplaced>, StoreError> {
        let setter = scope.tenant();
        self.writer
            .write_in_time(setter, move |tx| {
                Box::pin(async move {
                    let tenant = below(tx, setter, id).await?;
                    let is_pause_of_deleting =
                        status == TenantStatus::Paused && tenant.status == TenantStatus::Deleting;
                    if tenant.status == TenantStatus::Deleted || is_pause_of_deleting {
                        return refused(Unplaced::Stands(tenant.status));
                    }
                    if status == TenantStatus::Deleting {
                        let others = "SELECT id FROM tenants WHERE parent_id = $1 AND status < 3 LIMIT 1";
                        if fetch_optional!(tx.conn(), (i64,), others, id.0)?.is_some() {
                            return refused(Unplaced::HasOthers);
                        }
                    }
                    execute!(
                        tx.conn(),
                        "UPDATE tenants SET status = $2, delete_at = $3 WHERE id = $1",
                        id.0,
                        status.code(),
                        delete_at.map(Timestamp::micros)
                    )?;
                    Ok(Ok(()))
                })
            })
            .await
    }
}

fn refused<T>(why: Unplaced) -> Result<Result<T, Unplaced>, StoreError> {
    Ok(Err(why))
}

/// Keeps others from changing the tree around a tenant until the transaction ends: all take the row of its root first.
async fn hold(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Lineage, StoreError> {
    let steps = fetch_all!(tx.conn(), Step, UP, bulk::list([tenant.0]))?;
    let root = steps.last().ok_or(StoreError::NotFound)?.1;
    execute!(tx.conn(), "UPDATE tenants SET status = status WHERE id = $1", root)?;
    // As it is now, that nobody changes it any more.
    let steps = fetch_all!(tx.conn(), Step, UP, bulk::list([tenant.0]))?;
    lineages(steps)?.remove(&tenant).ok_or(StoreError::NotFound)
}

/// A tenant that stands below another one; held as [`hold`] does.
async fn below(tx: &mut Tx<'_>, above: TenantId, id: TenantId) -> Result<TreeTenant, StoreError> {
    hold(tx, above).await?;
    let steps = fetch_all!(tx.conn(), Step, UP, bulk::list([id.0]))?;
    if id == above || !steps.iter().any(|(_, step, ..)| *step == above.0) {
        return Err(StoreError::NotFound);
    }
    let row = fetch_optional!(
        tx.conn(),
        Row,
        "SELECT id, parent_id, name, clock, created_at, status, ceiling, delete_at FROM tenants WHERE id = $1",
        id.0
    )?;
    row.ok_or(StoreError::NotFound)?.read()
}

/// Sums the steps up; they come by tenant, from itself on.
fn lineages(steps: Vec<Step>) -> Result<HashMap<TenantId, Lineage>, StoreError> {
    let mut lines: HashMap<TenantId, Lineage> = HashMap::new();
    for (tenant, id, status, ceiling) in steps {
        let line = lines.entry(TenantId(tenant)).or_default();
        let status = TenantStatus::from_code(status).ok_or_else(|| corrupt("status of a tenant"))?;
        let ceiling: Ceiling = json(&ceiling, "ceiling of a tenant")?;
        line.status = line.status.max(status);
        line.ceiling = line.ceiling.and(&ceiling);
        line.above += usize::from(id != tenant);
    }
    Ok(lines)
}
