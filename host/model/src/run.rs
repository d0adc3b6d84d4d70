//! One customer in one journey version, and the timers that runs wait for.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::id::{Id, PartId};
use crate::time::Timestamp;

/// The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum RunStatus {
    Waiting = 0,
    Done = 1,
    Failed = 2,
    /// Its journey was stopped, or its customer has another run since two became one: `fault` says which.
    Stopped = 3,
}

impl RunStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<RunStatus> {
        use RunStatus::*;
        [Waiting, Done, Failed, Stopped].into_iter().find(|status| status.code() == code)
    }
}

/// The stored state of a run. At rest a run waits at a node or has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: Id,
    pub part: PartId,
    pub journey: String,
    pub version: i64,
    /// Where it waits, or where it ended.
    pub node: String,
    /// Transitions made so far; (run, step) is the key of a transition.
    pub step: i64,
    pub status: RunStatus,
    /// Names of the events that it waits for: the first of them to happen ends the wait.
    pub awaits: Vec<String>,
    /// The place in the log at which its wait began: what happened behind it may end the wait.
    pub since: i64,
    /// When its wait ends by time. The timer's id is the run's.
    pub due: Option<Timestamp>,
    /// What the journey keeps of the trigger and of what it made, as a JSON object; only what its graph uses.
    pub state: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Why it failed, if it did.
    pub fault: Option<String>,
    /// The digest of the version of a plugin whose step moved it last.
    pub served_by: Option<Arc<str>>,
}
