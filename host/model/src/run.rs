//! One customer in one journey version, and the timers that runs wait for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
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
    pub told: Told,
}

/// What a run tells of itself, for readers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Of the exit at which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its `update` nodes wrote, the oldest first: the last of them.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub updates: VecDeque<Update>,
}

/// What an `update` node wrote of the run's customer. A value that was refused is not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    pub node: String,
    pub at: Timestamp,
    /// `null` where one was removed; a long value is cut.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Whether each was added or removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, bool>,
}

impl Update {
    /// That a run keeps at most.
    pub const KEPT: usize = 20;
    /// Bytes of a value that are kept.
    const LONGEST: usize = 200;

    /// A value as it is kept.
    pub fn kept(value: Value) -> Value {
        let text = match &value {
            Value::String(text) if text.len() > Update::LONGEST => text.clone(),
            Value::Array(_) | Value::Object(_) => value.to_string(),
            _ => return value,
        };
        if text.len() <= Update::LONGEST {
            return value;
        }
        format!("{}…", &text[..text.floor_char_boundary(Update::LONGEST)]).into()
    }
}

impl Told {
    pub fn is_nothing(&self) -> bool {
        self.reason.is_none() && self.updates.is_empty()
    }

    /// Keeps what an `update` node wrote, if it wrote anything.
    pub fn wrote(&mut self, update: Update) {
        if update.attributes.is_empty() && update.tags.is_empty() {
            return;
        }
        if self.updates.len() == Update::KEPT {
            self.updates.pop_front();
        }
        self.updates.push_back(update);
    }
}
