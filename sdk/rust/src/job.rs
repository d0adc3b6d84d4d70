//! Jobs: work by the clock. `plugin.toml` says when; the hub runs one at a time, and keeps how far it has come.
//!
//! A run that fails is made again from the same cursor. What it has done by then stands: give events the id that the other system
//! has, or let the run name them, and nothing is doubled.

use serde_json::Value;

use crate::bindings::job::exports::openhub::job::job as raw;
use crate::reason::{Failure, Reason};
use crate::time::Timestamp;

pub use raw::{Guest, Progress as RawProgress};

/// Made by `#[job(…)]` on a function `fn(Run) -> Result<Progress, Failure>`.
pub trait Job {
    const NAME: &'static str;

    fn run(run: Run) -> Result<Progress, Failure>;
}

/// What a run is for, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The time of the schedule; it may be over for long. Of a run that somebody asks for, when it begins.
    pub scheduled: Timestamp,
    /// What the run before has left; none at the beginning.
    pub cursor: Option<Value>,
}

/// How far a run came.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    cursor: Option<Value>,
    done: bool,
    note: Option<String>,
}

impl Progress {
    /// All is done until the next time of the schedule, which begins anew unless a cursor is set.
    pub fn done() -> Progress {
        Progress { cursor: None, done: true, note: None }
    }

    /// There is more to do, from this cursor on: the hub goes on soon, after others had their turn.
    pub fn more(cursor: impl Into<Value>) -> Progress {
        Progress { cursor: Some(cursor.into()), done: false, note: None }
    }

    /// Where the next run begins: any JSON of at most 64 KiB.
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<Value>) -> Progress {
        self.cursor = Some(cursor.into());
        self
    }

    /// Shown in the list of runs. No personal data.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Progress {
        self.note = Some(note.into());
        self
    }
}

/// Runs one job, for generated code.
pub fn run<J: Job>(scheduled: i64, cursor: Option<String>) -> Result<RawProgress, Failure> {
    let unreadable = |error| Failure::Rejected(Reason::new("cursor", format!("the cursor is not JSON: {error}")));
    let cursor = cursor.map(|cursor| serde_json::from_str(&cursor)).transpose().map_err(unreadable)?;
    let Progress { cursor, done, note } = J::run(Run { scheduled: Timestamp::from_micros(scheduled), cursor })?;
    Ok(RawProgress { cursor: cursor.map(|cursor| cursor.to_string()), done, note })
}
