//! What plugins of the I/O lane ask of the hub's own data. Whoever runs a plugin answers: this crate knows no tenant and no
//! database. What is asked is within the call's bounds and the manifest by then.

use futures::future::BoxFuture;
use openhub_model::condition::FieldTest;
use openhub_model::{Fault, Identity};
use serde_json::{Map, Value};

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

/// The tenant's customers: whole ones, of which the plugin is told what was granted.
pub trait Customers: Send + Sync {
    /// One answer an id, in order.
    fn get(&self, ids: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Known>>, Declined>>;

    fn find(&self, identities: Vec<Identity>) -> BoxFuture<'_, Result<Vec<Option<Known>>, Declined>>;

    /// Ids of the members of a segment behind `after`, ascending.
    fn members(
        &self,
        segment: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<String>, Declined>>;
}

/// The tenant's objects.
pub trait Objects: Send + Sync {
    fn get(&self, kind: String, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Record>>, Declined>>;

    fn find(
        &self,
        kind: String,
        tests: Vec<FieldTest>,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Found, Declined>>;

    /// All or nothing.
    fn commit(&self, changes: Vec<RecordChange>) -> BoxFuture<'_, Result<Result<(), Conflict>, Declined>>;
}

#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub id: String,
    /// By name.
    pub attributes: Map<String, Value>,
    pub tags: Map<String, Value>,
    pub consents: Map<String, Value>,
    pub identities: Vec<Identity>,
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub kind: String,
    pub key: String,
    pub customer: Option<String>,
    pub version: u64,
    pub fields: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub records: Vec<Record>,
    /// How far was looked, if there is more behind.
    pub next: Option<String>,
    /// How many were looked at.
    pub looked: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RecordChange {
    Create { kind: String, fields: Map<String, Value> },
    Replace { kind: String, key: String, version: u64, fields: Map<String, Value> },
    Delete { kind: String, key: String, version: u64 },
}

impl RecordChange {
    pub fn kind(&self) -> &str {
        match self {
            RecordChange::Create { kind, .. }
            | RecordChange::Replace { kind, .. }
            | RecordChange::Delete { kind, .. } => kind,
        }
    }

    /// None while it has none.
    pub fn key(&self) -> Option<&str> {
        match self {
            RecordChange::Create { .. } => None,
            RecordChange::Replace { key, .. } | RecordChange::Delete { key, .. } => Some(key),
        }
    }
}

/// Why nothing was written: at this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    Exists(String),
    Missing(String),
    Version(String),
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
