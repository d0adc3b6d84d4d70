//! What a call is given and what it answers: plain data in the host's own types.
//!
//! The bindings' generated types stay inside this crate, so that a new version of an interface is adapted here.

use openhub_model::columns::Values;
use openhub_model::{Fault, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::observer::Observed;

/// What a call may know of its surroundings.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The installation's settings, a JSON object without its secrets.
    pub settings: Arc<str>,
    /// Who watches it.
    pub observed: Observed,
}

impl CallContext {
    /// Watched by nobody.
    pub fn new(settings: impl Into<Arc<str>>) -> CallContext {
        CallContext { settings: settings.into(), observed: Observed::default() }
    }
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub fuel: u64,
    /// Bytes of linear memory at its greatest.
    pub peak_memory: u64,
    pub host_calls: u32,
    /// Bytes of the request bodies, headers and URLs that it sent.
    pub bytes_out: u64,
    pub fetches: u32,
}

/// What a call of the pure lane answers, with what it used.
pub trait Receipted {
    fn receipt(&self) -> &Receipt;
}

macro_rules! receipted {
    ($($answer:path),* $(,)?) => {
        $(impl Receipted for $answer {
            fn receipt(&self) -> &Receipt {
                &self.receipt
            }
        })*
    };
}

receipted! { Evaluated, Checked, crate::functions::Applied, crate::steps::Stepped }

/// Why, as a plugin says it: `code` is stable and kebab-case, `message` is for a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: String,
    pub message: String,
    pub args: Vec<(String, String)>,
}

/// A rule's answer, with what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    pub outcome: Outcome,
    pub receipt: Receipt,
}

/// A rule's effects, checked against its declaration: targets, value types, rows, names and limits are in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub writes: Vec<RuleWrite>,
    pub events: Vec<CausedEvent>,
    pub objects: Vec<CausedObject>,
    pub faults: Vec<RowFault>,
}

/// New values of one declared write for some rows, and the rows where it is taken away; both ascending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleWrite {
    /// Index into the rule's declared writes.
    pub target: u32,
    pub rows: Vec<u32>,
    /// For a list: row `i` of `rows` has the values from `ends[i - 1]` (0 for the first) to `ends[i]`. Empty for any other write.
    pub ends: Vec<u32>,
    /// One a row of `rows`, or as many as the ends say.
    pub values: Values,
    pub unset: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CausedEvent {
    pub row: u32,
    /// Index into the rule's declared events.
    pub event: u32,
    pub name: String,
    /// A JSON object as text.
    pub properties: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Merge,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CausedObject {
    pub row: u32,
    pub action: Action,
    pub kind: String,
    pub key: String,
    /// A JSON object as text.
    pub fields: String,
}

/// This row failed: its effects are dropped, the others stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFault {
    pub row: u32,
    pub reason: Reason,
}

/// One change of an object, to be checked by the plugin that declares its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub key: Option<String>,
    pub customer: Option<String>,
    pub at: Timestamp,
    /// The only randomness; asked again with another after a unique conflict.
    pub seed: u64,
    pub operation: Operation,
}

/// The fields before and after, JSON objects as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    Create(String),
    /// Old, new.
    Update(String, String),
    Delete(String),
}

/// The answers of a check, one a change, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    pub answers: Vec<Result<Accepted, Vec<Fault>>>,
    pub receipt: Receipt,
}

/// An object as it shall be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub key: String,
    /// A JSON object as text.
    pub fields: String,
    /// Events that it causes: name, properties (a JSON object as text).
    pub events: Vec<(String, String)>,
}
