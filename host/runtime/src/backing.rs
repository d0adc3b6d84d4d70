//! What plugins of the I/O lane ask of the hub's own data. Whoever runs a plugin answers: this crate knows no tenant and no
//! database. What is asked is within the call's bounds and the manifest by then.

use futures::future::BoxFuture;
use openhub_model::Fault;

use crate::answer::Reason;
use crate::bindings::types::types::{self as bound, Failure, Retry};
use crate::receive::SourceEvent;

/// A plugin's own small state, of one installation.
pub trait KeyValues: Send + Sync {
    fn get(&self, key: String) -> BoxFuture<'_, Result<Option<Entry>, Declined>>;

    /// Answers the entry's new version; none if the stored version is not the one that was expected (0: no entry).
    fn set(&self, write: EntryWrite, expected: Option<u64>) -> BoxFuture<'_, Result<Option<u64>, Declined>>;

    fn delete(&self, key: String) -> BoxFuture<'_, Result<(), Declined>>;

    fn scan(&self, range: Range) -> BoxFuture<'_, Result<Scanned, Declined>>;
}

/// The way of a plugin's events into the log.
pub trait EventLog: Send + Sync {
    /// One answer an event, in order. `verified`: whether a verification by a secret held in this call.
    fn track(&self, events: Vec<Tracked>, verified: bool) -> BoxFuture<'_, Result<Vec<Result<(), Fault>>, Declined>>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: Vec<u8>,
    /// Never used twice in an installation.
    pub version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryWrite {
    pub key: String,
    pub value: Vec<u8>,
    /// Whose data it is.
    pub customer: Option<String>,
    /// None keeps it.
    pub ttl_seconds: Option<u32>,
}

/// Entries whose keys begin with `prefix` and stand behind `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub prefix: String,
    pub after: Option<String>,
    pub limit: usize,
}

/// By key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    pub entries: Vec<Entry>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// An event that a plugin gives in a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracked {
    /// Its place among the events of the call, from 0.
    pub number: usize,
    /// Its id may be empty.
    pub event: SourceEvent,
}

/// Why something was not done, as the plugin is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declined {
    /// Again, not before so many milliseconds.
    Later { after_ms: u32, reason: Reason },
    /// Never like this.
    Never(Reason),
}

impl Declined {
    pub fn later(code: &str, message: impl Into<String>) -> Declined {
        Declined::Later { after_ms: 0, reason: reason(code, message) }
    }

    pub fn never(code: &str, message: impl Into<String>) -> Declined {
        Declined::Never(reason(code, message))
    }
}

fn reason(code: &str, message: impl Into<String>) -> Reason {
    Reason { code: code.to_owned(), message: message.into(), args: Vec::new() }
}

impl From<Reason> for bound::Reason {
    fn from(Reason { code, message, args }: Reason) -> bound::Reason {
        bound::Reason { code, message, args }
    }
}

impl From<Declined> for Failure {
    fn from(declined: Declined) -> Failure {
        match declined {
            Declined::Later { after_ms, reason } => Failure::Retry(Retry { after_ms, reason: reason.into() }),
            Declined::Never(reason) => Failure::Rejected(reason.into()),
        }
    }
}
