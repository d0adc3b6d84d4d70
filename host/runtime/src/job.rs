//! Jobs: one runs from where the run before has left off, and answers how far it came.

use openhub_model::Timestamp;
use serde_json::json;

use crate::answer::{Reason, Receipt};
use crate::bindings::job::exports::openhub::job::job as bound;
use crate::bindings::types::types::Failure;
use crate::capabilities::log::escape;
use crate::fault::{CallFault, FaultKind};
use crate::io::{Bounds, Called, IoContext};
use crate::plugin::Plugin;

/// Some limits are for each message of a channel. A run has those of so many.
const ITEMS: usize = 20;
/// Bytes of a cursor, and of a note.
const CURSOR: usize = 64 * 1024;
const NOTE: usize = 1_000;

/// How far a run came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// JSON; none begins anew.
    pub cursor: Option<String>,
    /// Else it goes on soon.
    pub done: bool,
    pub note: Option<String>,
}

/// Why a run did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobFailure {
    /// The plugin says: again, not before so many milliseconds.
    Retry { after_ms: u32, reason: Reason },
    /// The plugin says: never like this.
    Rejected(Reason),
    /// The plugin says: an admin must act.
    Misconfigured(Reason),
    /// The call failed, or its answer cannot be used.
    Failed(CallFault),
    /// It was told to stop.
    Stopped,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub outcome: Result<Progress, JobFailure>,
    pub receipt: Receipt,
    /// The last lines that it logged.
    pub lines: Vec<String>,
}

/// What a run is given.
#[derive(Clone, Debug)]
pub struct JobRunCall<'a> {
    pub job: &'a str,
    /// The time of its schedule that it is for.
    pub scheduled: Timestamp,
    /// JSON.
    pub cursor: Option<&'a str>,
    /// By the clock.
    pub wall_ms: u32,
}

impl Plugin {
    /// Runs a job, until `stopped` is over.
    pub async fn run_job(&self, context: IoContext, run: JobRunCall<'_>, stopped: impl Future<Output = ()>) -> Ran {
        let JobRunCall { job, scheduled, cursor, wall_ms } = run;
        let declared = self.manifest().jobs.iter().any(|shape| shape.name == job);
        let (true, Some(extension)) = (declared, &self.job) else {
            let fault = CallFault::new(FaultKind::Host, format!("the plugin has no job `{job}`"));
            let outcome = Err(JobFailure::Failed(fault));
            return Ran { outcome, receipt: Receipt::default(), lines: Vec::new() };
        };
        let cursor = cursor.map(str::to_owned);
        let given = || json!({"scheduled": scheduled, "cursor": cursor, "wall_ms": wall_ms});
        let mut is_stopped = false;
        let Called { answer, receipt, lines, .. } = self
            .io(
                context,
                Bounds { kind: "job", name: job, given: &given, items: ITEMS, wall_ms },
                async {
                    stopped.await;
                    is_stopped = true;
                },
                async |store| {
                    let instance = extension.instantiate_async(&mut *store).await?;
                    instance.openhub_job_job().call_run(&mut *store, job, scheduled.micros(), cursor.as_ref()).await
                },
            )
            .await;
        let outcome = match answer {
            _ if is_stopped => Err(JobFailure::Stopped),
            Err(fault) => Err(JobFailure::Failed(fault)),
            Ok(Err(failure)) => Err(failed(failure)),
            Ok(Ok(progress)) => checked(progress).map_err(|why| JobFailure::Failed(CallFault::malformed(why))),
        };
        Ran { outcome, receipt, lines }
    }
}

fn failed(failure: Failure) -> JobFailure {
    match failure {
        Failure::Retry(retry) => JobFailure::Retry { after_ms: retry.after_ms, reason: retry.reason.into() },
        Failure::Rejected(reason) => JobFailure::Rejected(reason.into()),
        Failure::Misconfigured(reason) => JobFailure::Misconfigured(reason.into()),
    }
}

fn checked(progress: bound::Progress) -> Result<Progress, String> {
    let bound::Progress { cursor, done, note } = progress;
    if let Some(cursor) = &cursor {
        if cursor.len() > CURSOR {
            return Err(format!("the job gave a cursor of {} bytes: at most {CURSOR}", cursor.len()));
        }
        if serde_json::from_str::<serde::de::IgnoredAny>(cursor).is_err() {
            return Err("the job gave a cursor that is not JSON".to_owned());
        }
    }
    Ok(Progress { cursor, done, note: note.map(|note| escape(&note, NOTE)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(cursor: Option<String>, note: Option<&str>) -> Result<Progress, String> {
        checked(bound::Progress { cursor, done: true, note: note.map(str::to_owned) })
    }

    #[test]
    fn a_cursor_is_json_of_a_bounded_size() {
        assert_eq!(progress(Some("[1]".to_owned()), None).unwrap().cursor.as_deref(), Some("[1]"));
        assert!(progress(Some("[1".to_owned()), None).is_err());
        assert!(progress(Some(format!("\"{}\"", "x".repeat(CURSOR))), None).is_err());
    }

    #[test]
    fn a_note_is_one_line_of_text() {
        let note = progress(None, Some("a\nb\0c\u{1b}[31m")).unwrap().note.unwrap();
        assert!(!note.chars().any(char::is_control), "{note:?}");
        assert!(progress(None, Some(&"x".repeat(10_000))).unwrap().note.unwrap().len() < 1_100);
    }
}
