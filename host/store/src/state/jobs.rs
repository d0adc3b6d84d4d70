//! Jobs of plugins: when each is due, how far it has come, and who runs it.
//!
//! As a message is claimed before its channel is called, a job is claimed before it runs, under the fence of the tenant's lease;
//! its cursor, and when it is due next, are written with the run's outcome under that claim. So no two nodes run it at once, and a
//! node that has lost the lease writes nothing.

use openhub_model::{TenantId, Timestamp};

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::maybe_time;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::leases::holds;
use crate::log::ready::look_at;
use crate::scope::Scope;
use crate::state::job_runs::{JobRun, put_run};
use crate::store::Store;

/// Names a job of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey {
    pub plugin: String,
    pub job: String,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    pub key: JobKey,
    /// The schedule that it was planned by, as the manifest has it.
    pub schedule: String,
    /// The first time of the schedule that is not served. None: it has none.
    pub slot: Option<Timestamp>,
    /// Whether a run for that time has begun: one that failed, or is not done.
    pub begun: bool,
    /// When it runs next: at its time, when it is tried again, or as soon as it can. None: not by itself.
    pub due: Option<Timestamp>,
    /// Somebody asked for a run that has not begun.
    pub asked: bool,
    /// Runs that succeeded: one that is made again has the same number.
    pub step: i64,
    /// Runs that failed since.
    pub attempt: i64,
    /// Runs that began.
    pub runs: i64,
    /// JSON.
    pub cursor: Option<String>,
    /// The fence under which it runs now, and since when.
    pub claimed_by: Option<i64>,
    pub started_at: Option<Timestamp>,
}

/// When a job is due by its schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPlan {
    pub key: JobKey,
    pub schedule: String,
    pub slot: Option<Timestamp>,
}

/// A run that is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobClaim {
    pub key: JobKey,
    /// The time of its schedule that it serves. None: somebody asked for it.
    pub serves: Option<Timestamp>,
    pub at: Timestamp,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    pub key: JobKey,
    /// The fence under which it was claimed.
    pub claimed_by: i64,
    /// The cursor from now on; none leaves it, as a run does that failed.
    pub cursor: Option<Option<String>>,
    /// Failures in a row; 0 after a run that succeeded.
    pub attempt: i64,
    pub slot: Option<Timestamp>,
    pub begun: bool,
    pub due: Option<Timestamp>,
    pub run: JobRun,
}

#[derive(sqlx::FromRow)]
struct Row {
    plugin: String,
    job: String,
    schedule: String,
    slot: Option<i64>,
    begun: i64,
    due_at: Option<i64>,
    asked: i64,
    step: i64,
    attempt: i64,
    runs: i64,
    cursor: Option<String>,
    claimed_by: Option<i64>,
    started_at: Option<i64>,
}

impl From<Row> for JobRow {
    fn from(row: Row) -> JobRow {
        JobRow {
            key: JobKey { plugin: row.plugin, job: row.job },
            schedule: row.schedule,
            slot: maybe_time(row.slot),
            begun: row.begun != 0,
            due: maybe_time(row.due_at),
            asked: row.asked != 0,
            step: row.step,
            attempt: row.attempt,
            runs: row.runs,
            cursor: row.cursor,
            claimed_by: row.claimed_by,
            started_at: maybe_time(row.started_at),
        }
    }
}

impl Store {
    /// All jobs of a tenant, by plugin and name.
    pub async fn jobs(&self, scope: &Scope) -> Result<Vec<JobRow>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT plugin, job, schedule, slot, begun, due_at, asked, step, attempt, runs, cursor, claimed_by, started_at \
             FROM plugin_jobs WHERE tenant_id = $1 ORDER BY plugin, job",
            scope.tenant().0,
        );
        Ok(rows.into_iter().map(JobRow::from).collect())
    }

    /// Puts jobs on their schedules, and takes those off that are named as `gone`. What runs is left alone.
    pub async fn plan_jobs(
        &self,
        scope: &Scope,
        fence: i64,
        plans: Vec<JobPlan>,
        gone: Vec<JobKey>,
    ) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    for plan in &plans {
                        put_plan(tx, tenant, plan).await?;
                    }
                    for JobKey { plugin, job } in &gone {
                        execute!(
                            tx.conn(),
                            "UPDATE plugin_jobs SET due_at = NULL, asked = 0 \
                             WHERE tenant_id = $1 AND plugin = $2 AND job = $3 AND claimed_by IS NULL",
                            tenant.0,
                            plugin,
                            job,
                        )?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Claims a job that is due. None: it is not, any more.
    pub async fn claim_job(&self, scope: &Scope, fence: i64, claim: JobClaim) -> Result<Option<JobRow>, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    let row = fetch_optional!(
                        tx.conn(),
                        Row,
                        "UPDATE plugin_jobs SET claimed_by = $4, started_at = $5, asked = 0, runs = runs + 1, \
                         slot = COALESCE($6, slot), begun = CASE WHEN CAST($6 AS BIGINT) IS NULL THEN begun ELSE 1 END \
                         WHERE tenant_id = $1 AND plugin = $2 AND job = $3 AND claimed_by IS NULL AND due_at <= $5 \
                         RETURNING plugin, job, schedule, slot, begun, due_at, asked, step, attempt, runs, cursor, \
                         claimed_by, started_at",
                        tenant.0,
                        &claim.key.plugin,
                        &claim.key.job,
                        fence,
                        claim.at.micros(),
                        claim.serves.map(Timestamp::micros),
                    )?;
                    Ok(row.map(JobRow::from))
                })
            })
            .await
    }

    /// Writes what a run came to, if it is claimed as it was. A job that was taken off its schedule meanwhile stays off.
    pub async fn end_job(&self, scope: &Scope, fence: i64, end: JobEnd) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    put_end(tx, tenant, &end).await
                })
            })
            .await
    }

    /// The time of a schedule passed, and is left out.
    pub async fn put_off_job(&self, scope: &Scope, fence: i64, plan: JobPlan) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    execute!(
                        tx.conn(),
                        "UPDATE plugin_jobs SET slot = $4, due_at = $4 WHERE tenant_id = $1 AND plugin = $2 AND job = $3 \
                         AND claimed_by IS NULL AND asked = 0 AND due_at IS NOT NULL",
                        tenant.0,
                        &plan.key.plugin,
                        &plan.key.job,
                        plan.slot.map(Timestamp::micros),
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// Asks for a run as soon as can be: of one that runs, for another. Says so in the tenant's row. The plugin must be there.
    pub async fn ask_job(&self, scope: &Scope, key: JobKey, at: Timestamp) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    look_at(tx, tenant).await?;
                    // Nobody has planned it yet: whoever does sees that it is asked for.
                    let asked = execute!(
                        tx.conn(),
                        "INSERT INTO plugin_jobs (tenant_id, plugin, job, schedule, due_at, asked) \
                         SELECT tenant_id, name, CAST($3 AS TEXT), '', CAST($4 AS BIGINT), 1 FROM plugins \
                         WHERE tenant_id = $1 AND name = $2 \
                         ON CONFLICT (tenant_id, plugin, job) DO UPDATE SET asked = 1, due_at = excluded.due_at",
                        tenant.0,
                        &key.plugin,
                        &key.job,
                        at.micros(),
                    )?;
                    if asked == 0 { Err(StoreError::NotFound) } else { Ok(()) }
                })
            })
            .await
    }
}

async fn put_plan(tx: &mut Tx<'_>, tenant: TenantId, plan: &JobPlan) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugin_jobs (tenant_id, plugin, job, schedule, slot, due_at) \
         SELECT tenant_id, name, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT), CAST($5 AS BIGINT) FROM plugins \
         WHERE tenant_id = $1 AND name = $2 \
         ON CONFLICT (tenant_id, plugin, job) DO UPDATE SET schedule = excluded.schedule, slot = excluded.slot, \
         begun = 0, attempt = 0, due_at = CASE WHEN plugin_jobs.asked = 1 THEN plugin_jobs.due_at ELSE excluded.due_at END \
         WHERE plugin_jobs.claimed_by IS NULL",
        tenant.0,
        &plan.key.plugin,
        &plan.key.job,
        &plan.schedule,
        plan.slot.map(Timestamp::micros),
    )
    .map(drop)
}

async fn put_end(tx: &mut Tx<'_>, tenant: TenantId, end: &JobEnd) -> Result<(), StoreError> {
    let JobEnd { key, run, .. } = end;
    let ended = fetch_optional!(
        tx.conn(),
        (i64,),
        "UPDATE plugin_jobs SET claimed_by = NULL, started_at = NULL, attempt = $5, slot = $6, begun = $7, \
         cursor = CASE WHEN $8 = 1 THEN $9 ELSE cursor END, step = step + $8, \
         due_at = CASE WHEN due_at IS NULL THEN NULL WHEN asked = 1 THEN due_at ELSE $10 END \
         WHERE tenant_id = $1 AND plugin = $2 AND job = $3 AND claimed_by = $4 RETURNING runs",
        tenant.0,
        &key.plugin,
        &key.job,
        end.claimed_by,
        end.attempt,
        end.slot.map(Timestamp::micros),
        i64::from(end.begun),
        i64::from(end.cursor.is_some()),
        end.cursor.as_ref().and_then(Option::as_deref),
        end.due.map(Timestamp::micros),
    )?;
    match ended {
        Some((number,)) => put_run(tx, tenant, key, number, run).await,
        // It was ended before, or its plugin is gone.
        None => Ok(()),
    }
}

/// A plugin that is not enabled runs nothing.
pub(crate) async fn unplan(tx: &mut Tx<'_>, tenant: TenantId, plugin: &str) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE plugin_jobs SET due_at = NULL, asked = 0 WHERE tenant_id = $1 AND plugin = $2 AND due_at IS NOT NULL",
        tenant.0,
        plugin,
    )
    .map(drop)
}

/// When the first job of a tenant is due.
pub(crate) async fn next_job(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Option<i64>, StoreError> {
    let due = "SELECT due_at FROM plugin_jobs WHERE tenant_id = $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1";
    Ok(fetch_optional!(tx.conn(), (i64,), due, tenant.0)?.map(|(due,)| due))
}
