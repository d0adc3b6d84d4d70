//! What runs and rules ask of objects, and what became of it.

use openhub_model::{Fault, PartId, Timestamp};
use serde_json::Value;

use super::retry::RequestKey;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The run at this index of the actor, which waits for the answer.
    Run(usize),
    Rule,
}

#[derive(Clone, Debug)]
pub enum Operation {
    Create { key: Option<String>, fields: Value },
    Merge { key: String, fields: Value },
    Delete { key: String },
}

#[derive(Clone, Debug)]
pub struct Request {
    pub actor: usize,
    /// The customer's part that it is made for.
    pub part: Option<PartId>,
    pub asker: Asker,
    pub key: RequestKey,
    pub kind: String,
    pub operation: Operation,
    pub now: Timestamp,
    /// Of the event behind it.
    pub depth: u8,
    /// `message_id` of the event behind it; of a run that time has moved, the run's id.
    pub cause: String,
}

/// Key and fields as stored, or why not.
pub type Answered = Result<(String, Value), Vec<Fault>>;

/// What became of a request.
pub struct Answer {
    pub actor: usize,
    pub asker: Asker,
    pub now: Timestamp,
    pub depth: u8,
    /// Of the request.
    pub cause: String,
    /// The object's type, if it was changed.
    pub kind: Option<String>,
    pub result: Answered,
}
