//! Jobs of plugins, and their runs.

use openhub_model::Timestamp;
use openhub_model::manifest::{CatchUp, JobShape};
use openhub_model::schedule::in_words;
use openhub_store::{JobOutcome, JobRow, JobRun};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct JobList {
    pub jobs: Vec<JobView>,
}

/// A job of a plugin.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    name: String,
    /// In words: `every 15m`, or the cron expression with its time zone.
    schedule: String,
    /// What becomes of times that passed while nobody could run it: `skip`, `once` or `all`.
    #[schema(value_type = String)]
    catch_up: CatchUp,
    /// When it runs next. Absent: only when somebody asks, as the jobs of a plugin that is not enabled, and those of a replaying
    /// tenant.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// Since when it runs now.
    #[schema(value_type = Option<String>, format = DateTime)]
    running_since: Option<Timestamp>,
    /// Runs in a row that failed: it is tried again from the same cursor.
    failures: i64,
    /// How far it has come, as the plugin says it; `null` at the beginning.
    cursor: Value,
    /// The last runs, the latest first.
    runs: Vec<JobRunView>,
}

/// A run that has ended.
#[derive(Serialize, ToSchema)]
#[schema(as = JobRun)]
pub(crate) struct JobRunView {
    /// The time of the schedule that it was for; of a run that somebody asked for, when it began.
    #[schema(value_type = String, format = DateTime)]
    scheduled_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    ended_at: Timestamp,
    /// `done`; `more`: it goes on soon; `retried`: it failed and is tried again; `failed`: it waits for its next time; `stopped`: it
    /// was broken off, and runs again; `lost`: the hub that ran it is gone.
    #[schema(value_type = String)]
    outcome: JobOutcome,
    /// Why it failed, kebab-case.
    code: Option<String>,
    /// What the plugin says of it, or the failure's message.
    note: Option<String>,
    /// CPU that it took, in units of the runtime.
    fuel: i64,
    /// The last lines that the plugin logged.
    log: Vec<String>,
    /// The plugin's version.
    version: String,
    /// The digest of the component that served it.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl JobView {
    /// `row` is absent until the job was planned once.
    pub fn of(shape: &JobShape, row: Option<JobRow>, runs: Vec<JobRun>) -> JobView {
        let row = row.as_ref();
        let cursor = row.and_then(|row| row.cursor.as_deref());
        JobView {
            name: shape.name.clone(),
            schedule: in_words(shape),
            catch_up: shape.catch_up,
            next_at: row.and_then(|row| row.due),
            running_since: row.and_then(|row| row.started_at),
            failures: row.map_or(0, |row| row.attempt),
            cursor: cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or_default(),
            runs: runs.into_iter().map(JobRunView::from).collect(),
        }
    }
}

impl From<JobRun> for JobRunView {
    fn from(run: JobRun) -> JobRunView {
        JobRunView {
            scheduled_at: run.scheduled,
            started_at: run.started_at,
            ended_at: run.ended_at,
            outcome: run.outcome,
            code: run.code,
            note: run.note,
            fuel: run.fuel,
            log: run.lines,
            version: run.version,
            digest: run.digest,
        }
    }
}
