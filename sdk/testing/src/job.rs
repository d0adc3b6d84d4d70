//! Jobs: a test runs one from a cursor, and is told how far it came and which events it appended.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::source::SourceEvent;
use crate::told::{CallFault, Reason};

/// A run of a job in the making.
pub struct JobCase<'h> {
    hub: &'h Hub,
    name: String,
    cursor: Option<Value>,
}

/// How far a run came.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub cursor: Option<Value>,
    /// Else the hub goes on soon.
    pub done: bool,
    pub note: Option<String>,
    /// Events that it appended by `openhub_sdk::events`.
    pub tracked: Vec<SourceEvent>,
    /// The last lines that it logged, each with its level.
    pub lines: Vec<String>,
}

/// Why a run failed: the hub makes it again from the same cursor, unless it is rejected or misconfigured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobFailure {
    /// Not before `after_ms`; 0 leaves it to the hub.
    Retry {
        after_ms: u64,
        reason: Reason,
    },
    Rejected(Reason),
    Misconfigured(Reason),
    /// The call failed.
    Failed(CallFault),
}

impl<'h> JobCase<'h> {
    pub(crate) fn new(hub: &'h Hub, name: &str) -> Self {
        JobCase { hub, name: name.to_owned(), cursor: None }
    }

    /// Where the run before has left off.
    #[must_use]
    pub fn cursor(mut self, cursor: Value) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// # Panics
    /// If the run fails.
    #[track_caller]
    pub fn run(&self) -> Progress {
        self.try_run().unwrap_or_else(|why| panic!("the job `{}` failed: {why:?}", self.name))
    }

    /// For tests of runs that fail, too.
    #[track_caller]
    pub fn try_run(&self) -> Result<Progress, JobFailure> {
        let (settings, secrets, at) = (self.hub.settings(), self.hub.secrets(), self.hub.now().micros());
        let told = self.hub.ask(&json!({"job": {
            "name": self.name, "settings": settings, "secrets": secrets, "at": at, "cursor": self.cursor,
        }}));
        if let Some(fault) = CallFault::of(&told["fault"]) {
            return Err(JobFailure::Failed(fault));
        }
        if let Some((kind, said)) = told["failed"].as_object().and_then(|failed| failed.iter().next()) {
            return Err(match kind.as_str() {
                "retry" => JobFailure::Retry {
                    after_ms: said["after_ms"].as_u64().unwrap_or_default(),
                    reason: Reason::of(&said["reason"]),
                },
                "misconfigured" => JobFailure::Misconfigured(Reason::of(said)),
                _ => JobFailure::Rejected(Reason::of(said)),
            });
        }
        let list = |name: &str| told[name].as_array().cloned().unwrap_or_default();
        Ok(Progress {
            cursor: (!told["cursor"].is_null()).then(|| told["cursor"].clone()),
            done: told["done"] == true,
            note: told["note"].as_str().map(str::to_owned),
            tracked: list("tracked").iter().map(SourceEvent::of).collect(),
            lines: list("lines").iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        })
    }
}
