//! What plugins are asked to erase of a customer whom the hub has erased. A request is written with the erasure's last step, and stays
//! open until its plugin has answered or somebody waives it: until then the erasure is not complete.
//!
//! Who it is about is sealed by who writes it, and goes when the request is closed. A plugin that keeps failing stands in the list of
//! faults; what closes the fault there asks again, or waives.

use openhub_model::{Id, TenantId, Timestamp};

use crate::database::bulk;
use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{corrupt, id, limit, maybe_time};
use crate::database::dialect::{Overwriting, overwrite};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::leases::holds;
use crate::log::ready::look_at;
use crate::scope::Scope;
use crate::state::fault_kinds::{FaultKind, FaultStatus};
use crate::state::faults::{NewFault, fault_rows, put_faults};
use crate::store::Store;

/// What a plugin is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewErasureRequest {
    pub plugin: String,
    /// Sealed.
    pub who: String,
}

/// How a request stands. The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum ErasureRequestStatus {
    /// The plugin has yet to erase what it keeps.
    Open = 0,
    /// It has erased it.
    Done = 1,
    /// It kept nothing.
    Nothing = 2,
    /// Somebody decided that it is not asked any more.
    Waived = 3,
}

impl ErasureRequestStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    fn from_code(code: i64) -> Option<ErasureRequestStatus> {
        use ErasureRequestStatus::{Done, Nothing, Open, Waived};
        [Open, Done, Nothing, Waived].into_iter().find(|status| status.code() == code)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRequest {
    pub erasure: Id,
    pub plugin: String,
    pub status: ErasureRequestStatus,
    /// Attempts that have failed.
    pub attempt: i64,
    /// When it is asked next, while it is open.
    pub due_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub code: Option<String>,
    /// What the plugin said when it was done.
    pub receipt: Option<String>,
    pub closed_at: Option<Timestamp>,
}

/// One that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRequest {
    pub erasure: Id,
    pub plugin: String,
    pub who: String,
    pub attempt: i64,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErasureAnswer {
    Done(String),
    Nothing,
    /// The plugin is at it: nothing has failed.
    Later(Timestamp),
    /// With the fault that is filed, if it is time to tell somebody.
    Failed {
        code: String,
        again: Timestamp,
        fault: Option<Box<NewFault>>,
    },
}

impl NewFault {
    /// A plugin that does not erase what it keeps.
    pub fn of_erasure(erasure: Id, plugin: &str, code: &str, text: &str) -> NewFault {
        let fault = NewFault::one(FaultKind::Erasure, &erasure.to_string(), plugin, code, text);
        NewFault { place: erasure.to_string(), ..fault }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    erasure: String,
    plugin: String,
    status: i64,
    attempt: i64,
    due_at: Option<i64>,
    code: Option<String>,
    receipt: Option<String>,
    closed_at: Option<i64>,
}

impl Store {
    /// What plugins were asked for these erasures, by erasure and plugin.
    pub async fn erasure_requests(&self, scope: &Scope, erasures: &[Id]) -> Result<Vec<ErasureRequest>, StoreError> {
        if erasures.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT erasure, plugin, status, attempt, due_at, code, receipt, closed_at FROM erasure_requests \
             WHERE tenant_id = $1 AND erasure IN (SELECT atom FROM json_each($2)) ORDER BY erasure, plugin",
            scope.tenant().0,
            bulk::list(erasures),
        );
        rows.into_iter().map(request).collect()
    }

    /// The requests that are due, those that wait longest first.
    pub async fn due_erasure_requests(
        &self,
        scope: &Scope,
        now: Timestamp,
        rows: usize,
    ) -> Result<Vec<DueRequest>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, String, String, i64),
            "SELECT erasure, plugin, who, attempt FROM erasure_requests WHERE tenant_id = $1 AND due_at <= $2 \
             AND who IS NOT NULL ORDER BY due_at, erasure, plugin LIMIT $3",
            scope.tenant().0,
            now.micros(),
            limit(rows),
        );
        let due = |(erasure, plugin, who, attempt): (String, String, String, i64)| {
            Ok(DueRequest { erasure: id(&erasure)?, plugin, who, attempt })
        };
        rows.into_iter().map(due).collect()
    }

    /// When the next request is due; none if none is open.
    pub async fn next_erasure_request(&self, scope: &Scope) -> Result<Option<Timestamp>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT due_at FROM erasure_requests WHERE tenant_id = $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1",
            scope.tenant().0,
        );
        Ok(rows.first().map(|(due,)| Timestamp::from_micros(*due)))
    }

    /// Writes what came of asking a plugin. A request that was closed meanwhile stays as it is.
    pub async fn answer_erasure_request(
        &self,
        scope: &Scope,
        fence: i64,
        (erasure, plugin): (Id, String),
        answer: ErasureAnswer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    let of = (erasure, plugin.as_str());
                    match answer {
                        ErasureAnswer::Done(receipt) => {
                            close(tx, tenant, of, ErasureRequestStatus::Done, Some(&receipt), now).await
                        }
                        ErasureAnswer::Nothing => close(tx, tenant, of, ErasureRequestStatus::Nothing, None, now).await,
                        ErasureAnswer::Later(at) => put_off(tx, tenant, of, (0, None, at)).await.map(drop),
                        ErasureAnswer::Failed { code, again, fault } => {
                            let is_open = put_off(tx, tenant, of, (1, Some(&code), again)).await?;
                            match fault.and_then(|fault| fault_rows(&[*fault], now)).filter(|_| is_open) {
                                Some(rows) => put_faults(tx, tenant, now, &rows).await,
                                None => Ok(()),
                            }
                        }
                    }
                })
            })
            .await
    }
}

/// It is asked again then; answers whether it is open at all.
async fn put_off(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (erasure, plugin): (Id, &str),
    (failed, code, at): (i64, Option<&str>, Timestamp),
) -> Result<bool, StoreError> {
    let put_off = execute!(
        tx.conn(),
        "UPDATE erasure_requests SET attempt = attempt + $4, code = $5, due_at = $6 \
         WHERE tenant_id = $1 AND erasure = $2 AND plugin = $3 AND status = 0",
        tenant.0,
        erasure.to_string(),
        plugin,
        failed,
        code,
        at.micros(),
    )?;
    Ok(put_off > 0)
}

/// Who it was about goes, and its fault is seen to.
async fn close(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (erasure, plugin): (Id, &str),
    status: ErasureRequestStatus,
    receipt: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    overwrite(tx.conn(), Overwriting::On).await?;
    execute!(
        tx.conn(),
        "UPDATE erasure_requests SET status = $4, receipt = $5, closed_at = $6, who = NULL, due_at = NULL, code = NULL \
         WHERE tenant_id = $1 AND erasure = $2 AND plugin = $3 AND status = 0",
        tenant.0,
        erasure.to_string(),
        plugin,
        status.code(),
        receipt,
        now.micros(),
    )?;
    overwrite(tx.conn(), Overwriting::Off).await?;
    let fault = NewFault::of_erasure(erasure, plugin, "", "");
    execute!(
        tx.conn(),
        "UPDATE faults SET status = $3 WHERE tenant_id = $1 AND id = $2 AND status = 0",
        tenant.0,
        fault.id.to_string(),
        FaultStatus::Retried.code(),
    )
    .map(drop)
}

/// It is asked as soon as can be.
pub(crate) async fn ask_again(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (erasure, plugin): (Id, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    look_at(tx, tenant).await?;
    execute!(
        tx.conn(),
        "UPDATE erasure_requests SET due_at = $4 WHERE tenant_id = $1 AND erasure = $2 AND plugin = $3 AND status = 0",
        tenant.0,
        erasure.to_string(),
        plugin,
        now.micros(),
    )
    .map(drop)
}

/// It is not asked any more.
pub(crate) async fn waive(tx: &mut Tx<'_>, tenant: TenantId, of: (Id, &str), now: Timestamp) -> Result<(), StoreError> {
    close(tx, tenant, of, ErasureRequestStatus::Waived, None, now).await
}

/// With the last step of an erasure.
pub(crate) async fn put_requests(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    erasure: Id,
    requests: &[NewErasureRequest],
    now: Timestamp,
) -> Result<(), StoreError> {
    for NewErasureRequest { plugin, who } in requests {
        execute!(
            tx.conn(),
            "INSERT INTO erasure_requests (tenant_id, erasure, plugin, who, due_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant_id, erasure, plugin) DO NOTHING",
            tenant.0,
            erasure.to_string(),
            plugin,
            who,
            now.micros(),
        )?;
    }
    Ok(())
}

/// When the first request of a tenant is due.
pub(crate) async fn next_request(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Option<i64>, StoreError> {
    let due = "SELECT due_at FROM erasure_requests WHERE tenant_id = $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1";
    Ok(fetch_optional!(tx.conn(), (i64,), due, tenant.0)?.map(|(due,)| due))
}

fn request(row: Row) -> Result<ErasureRequest, StoreError> {
    Ok(ErasureRequest {
        erasure: id(&row.erasure)?,
        plugin: row.plugin,
        status: ErasureRequestStatus::from_code(row.status).ok_or_else(|| corrupt("status of an erasure request"))?,
        attempt: row.attempt,
        due_at: maybe_time(row.due_at),
        code: row.code,
        receipt: row.receipt,
        closed_at: maybe_time(row.closed_at),
    })
}
