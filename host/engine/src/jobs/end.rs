//! What becomes of a job after a run: its cursor, when it runs next, and what is told of the run.

use openhub_model::{ClockKind, Span, Timestamp};
use openhub_runtime::{JobFailure, Ran};
use openhub_store::{JobEnd, JobOutcome, JobRow, JobRun};

use super::plan::Job;

/// A run that fails is made again so often before it waits for the next time of its schedule.
const ATTEMPTS: i64 = 6;
/// Before it is made again; twice as long each time.
const BACKOFF: i64 = 10_000_000;
const LONGEST: i64 = 3_600_000_000;
/// A plugin may ask for a later attempt, of at most so many milliseconds, and for none that is sooner.
const LATEST_MS: u32 = 86_400_000;
const SOONEST_MS: u32 = 1_000;

/// A run that has ended, or is lost.
pub struct Over {
    /// As it was claimed.
    pub row: JobRow,
    /// None: whoever ran it is gone.
    pub ran: Option<Ran>,
    pub scheduled: Timestamp,
    pub ended_at: Timestamp,
    pub version: String,
    pub digest: Option<String>,
}

/// How a run went, with why it failed.
struct Went {
    outcome: JobOutcome,
    code: Option<String>,
    note: Option<String>,
    /// When it is tried again, as the plugin asks.
    after_ms: Option<u32>,
}

/// What is written. `job` is the one that has the schedule now: none if its plugin has changed, which plans it anew.
pub fn end(over: Over, job: Option<&Job>, kind: ClockKind) -> JobEnd {
    let Over { row, ran, scheduled, ended_at, version, digest } = over;
    let went = went(&row, ran.as_ref());
    let cursor = ran.as_ref().and_then(|ran| ran.outcome.as_ref().ok()).map(|progress| progress.cursor.clone());
    let serves = row.begun;
    let next_slot = || match (serves, row.slot, job) {
        (true, Some(slot), Some(job)) => job.next(kind, slot),
        // It was run before its time, which is still to come.
        _ => row.slot,
    };
    let (attempt, slot, begun, due) = match went.outcome {
        JobOutcome::Done | JobOutcome::Failed => {
            let slot = next_slot();
            (0, slot, false, slot)
        }
        JobOutcome::More => (0, row.slot, serves, Some(ended_at)),
        JobOutcome::Retried | JobOutcome::Lost => {
            let pause = went.after_ms.map_or_else(|| backoff(row.attempt), |after| i64::from(after) * 1_000);
            (row.attempt + 1, row.slot, serves, Some(ended_at + Span::from_micros(pause)))
        }
        JobOutcome::Stopped => (row.attempt, row.slot, serves, Some(ended_at)),
    };
    let run = JobRun {
        attempt: row.attempt,
        scheduled,
        started_at: row.started_at.unwrap_or(ended_at),
        ended_at,
        outcome: went.outcome,
        code: went.code,
        note: went.note,
        fuel: ran.as_ref().map_or(0, |ran| i64::try_from(ran.receipt.fuel).unwrap_or(i64::MAX)),
        lines: ran.map(|ran| ran.lines).unwrap_or_default(),
        version,
        digest,
    };
    JobEnd { claimed_by: row.claimed_by.unwrap_or_default(), key: row.key, cursor, attempt, slot, begun, due, run }
}

fn backoff(attempt: i64) -> i64 {
    BACKOFF.saturating_mul(1 << attempt.clamp(0, 20)).min(LONGEST)
}

fn went(row: &JobRow, ran: Option<&Ran>) -> Went {
    let is_last = row.attempt + 1 >= ATTEMPTS;
    let again = if is_last { JobOutcome::Failed } else { JobOutcome::Retried };
    let failed = |outcome, code: &str, note: &str, after_ms: Option<u32>| Went {
        outcome,
        code: Some(code.to_owned()),
        note: Some(note.to_owned()),
        after_ms,
    };
    let Some(ran) = ran else {
        let outcome = if is_last { JobOutcome::Failed } else { JobOutcome::Lost };
        return failed(outcome, "interrupted", "the hub that ran it is gone", None);
    };
    match &ran.outcome {
        Ok(progress) => {
            let outcome = if progress.done { JobOutcome::Done } else { JobOutcome::More };
            Went { outcome, code: None, note: progress.note.clone(), after_ms: None }
        }
        Err(JobFailure::Retry { after_ms, reason }) => {
            let after = (*after_ms > 0).then(|| (*after_ms).clamp(SOONEST_MS, LATEST_MS));
            failed(again, &reason.code, &reason.message, after)
        }
        Err(JobFailure::Rejected(reason) | JobFailure::Misconfigured(reason)) => {
            failed(JobOutcome::Failed, &reason.code, &reason.message, None)
        }
        Err(JobFailure::Failed(fault)) => failed(again, fault.kind.as_str(), &fault.message, None),
        Err(JobFailure::Stopped) => Went { outcome: JobOutcome::Stopped, code: None, note: None, after_ms: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_runtime::{CallFault, FaultKind, Progress, Receipt};
    use openhub_store::JobKey;

    const SLOT: Timestamp = Timestamp::from_micros(1_000_000_000);
    const ENDED: Timestamp = Timestamp::from_micros(1_005_000_000);

    fn row(attempt: i64, begun: bool) -> JobRow {
        JobRow {
            key: JobKey { plugin: "p".to_owned(), job: "j".to_owned() },
            schedule: String::new(),
            slot: Some(SLOT),
            begun,
            due: Some(SLOT),
            asked: false,
            step: 3,
            attempt,
            runs: 9,
            cursor: Some("1".to_owned()),
            claimed_by: Some(7),
            started_at: Some(SLOT),
        }
    }

    fn ended(attempt: i64, outcome: Option<Result<Progress, JobFailure>>) -> JobEnd {
        let ran = outcome.map(|outcome| Ran { outcome, receipt: Receipt::default(), lines: Vec::new() });
        let row = row(attempt, true);
        let (version, digest) = ("1.0.0".to_owned(), Some("d".to_owned()));
        let over = Over { row, ran, scheduled: SLOT, ended_at: ENDED, version, digest };
        end(over, None, ClockKind::Live)
    }

    fn progress(done: bool) -> Option<Result<Progress, JobFailure>> {
        Some(Ok(Progress { cursor: Some("2".to_owned()), done, note: None }))
    }

    fn trapped() -> Option<Result<Progress, JobFailure>> {
        let fault = CallFault::new(FaultKind::Trap, "unreachable");
        Some(Err(JobFailure::Failed(fault)))
    }

    #[test]
    fn only_a_run_that_succeeded_moves_the_cursor() {
        let more = ended(2, progress(false));
        assert_eq!((more.cursor, more.attempt, more.due), (Some(Some("2".to_owned())), 0, Some(ENDED)));
        assert!(more.begun, "it goes on for the same time");
        let stopped = ended(2, Some(Err(JobFailure::Stopped)));
        assert_eq!((stopped.cursor, stopped.attempt, stopped.begun), (None, 2, true));
        for failed in [trapped(), None] {
            let failed = ended(0, failed);
            assert_eq!((failed.cursor, failed.attempt, failed.begun), (None, 1, true));
            assert_eq!(failed.due, Some(ENDED + Span::from_micros(BACKOFF)));
        }
    }

    #[test]
    fn what_fails_again_and_again_waits_for_its_next_time() {
        let waits: Vec<Option<Timestamp>> = (0..ATTEMPTS).map(|attempt| ended(attempt, trapped()).due).collect();
        assert!(waits[..5].windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
        let last = ended(ATTEMPTS - 1, trapped());
        assert_eq!((last.run.outcome, last.attempt, last.begun), (JobOutcome::Failed, 0, false));
        let rejected = Reason { code: "never".to_owned(), message: String::new(), args: Vec::new() };
        assert_eq!(ended(0, Some(Err(JobFailure::Rejected(rejected)))).run.outcome, JobOutcome::Failed);
        assert_eq!(backoff(60), LONGEST);
    }

    #[test]
    fn a_plugin_says_when_it_is_tried_again_within_bounds() {
        let asks = |after_ms| {
            let reason = Reason { code: "later".to_owned(), message: String::new(), args: Vec::new() };
            ended(0, Some(Err(JobFailure::Retry { after_ms, reason }))).due.map(Timestamp::micros)
        };
        let after = |millis: i64| Some(ENDED.micros() + millis * 1_000);
        assert_eq!(asks(30_000), after(30_000));
        assert_eq!(asks(1), after(1_000));
        assert_eq!(asks(u32::MAX), after(86_400_000));
        assert_eq!(asks(0), after(10_000));
    }

    use openhub_runtime::Reason;
}
