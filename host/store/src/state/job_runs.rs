//! The last runs of each job: when, what came of it, and what the plugin said meanwhile.

use openhub_model::{TenantId, Timestamp};

use crate::database::bulk::json_text;
use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, json, limit, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::jobs::JobKey;
use crate::store::Store;

/// Runs of a job that are kept.
pub const JOB_RUNS: i64 = 50;

/// What a run came to. The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum JobOutcome {
    Done = 0,
    /// It succeeded, and goes on soon.
    More = 1,
    /// It failed, and is tried again from the same cursor.
    Retried = 2,
    /// It failed, and waits for the next time of its schedule.
    Failed = 3,
    /// It was broken off: the hub stopped, or its plugin changed. It is run again, if the plugin still runs.
    Stopped = 4,
    /// Whoever ran it is gone: nobody knows how far it came. It is tried again.
    Lost = 5,
}

impl JobOutcome {
    pub const fn code(self) -> i64 {
        self as i64
    }

    fn from_code(code: i64) -> Option<JobOutcome> {
        use JobOutcome::*;
        [Done, More, Retried, Failed, Stopped, Lost].into_iter().find(|outcome| outcome.code() == code)
    }
}

/// One run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// How many had failed before it.
    pub attempt: i64,
    /// The time that it was for.
    pub scheduled: Timestamp,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub outcome: JobOutcome,
    /// Why it failed, kebab-case.
    pub code: Option<String>,
    /// What the plugin, or the failure, says.
    pub note: Option<String>,
    pub fuel: i64,
    /// The last lines that the plugin logged.
    pub lines: Vec<String>,
    /// Of the plugin, and the digest of its component.
    pub version: String,
    pub digest: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    attempt: i64,
    scheduled: i64,
    started_at: i64,
    ended_at: i64,
    outcome: i64,
    code: Option<String>,
    note: Option<String>,
    fuel: i64,
    lines: String,
    version: String,
    digest: Option<String>,
}

impl Store {
    /// The last runs of a job, the latest first.
    pub async fn job_runs(&self, scope: &Scope, key: &JobKey, rows: usize) -> Result<Vec<JobRun>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT attempt, scheduled, started_at, ended_at, outcome, code, note, fuel, lines, version, digest \
             FROM plugin_job_runs WHERE tenant_id = $1 AND plugin = $2 AND job = $3 ORDER BY run DESC LIMIT $4",
            scope.tenant().0,
            &key.plugin,
            &key.job,
            limit(rows),
        );
        rows.into_iter().map(|row| Ok(scope.job_run(run(row)?))).collect()
    }
}

fn run(row: Row) -> Result<JobRun, StoreError> {
    Ok(JobRun {
        attempt: row.attempt,
        scheduled: time(row.scheduled),
        started_at: time(row.started_at),
        ended_at: time(row.ended_at),
        outcome: JobOutcome::from_code(row.outcome).ok_or_else(|| corrupt("outcome of a job's run"))?,
        code: row.code,
        note: row.note,
        fuel: row.fuel,
        lines: json(&row.lines, "lines of a job's run")?,
        version: row.version,
        digest: row.digest,
    })
}

/// Beside the job's row, whose end it is; those that are too old go.
pub(crate) async fn put_run(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    key: &JobKey,
    number: i64,
    run: &JobRun,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugin_job_runs (tenant_id, plugin, job, run, attempt, scheduled, started_at, ended_at, outcome, code, \
         note, fuel, lines, version, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (tenant_id, plugin, job, run) DO NOTHING",
        tenant.0,
        &key.plugin,
        &key.job,
        number,
        run.attempt,
        run.scheduled.micros(),
        run.started_at.micros(),
        run.ended_at.micros(),
        run.outcome.code(),
        run.code.as_deref(),
        run.note.as_deref(),
        run.fuel,
        json_text(&run.lines.iter().cloned().map(serde_json::Value::from).collect::<serde_json::Value>()),
        &run.version,
        run.digest.as_deref(),
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM plugin_job_runs WHERE tenant_id = $1 AND plugin = $2 AND job = $3 AND run <= $4",
        tenant.0,
        &key.plugin,
        &key.job,
        number - JOB_RUNS,
    )
    .map(drop)
}
