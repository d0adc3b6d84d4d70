//! An event as COMPUTE handles it: arrived from the log, or caused in this batch.

use std::sync::Arc;

use openhub_model::identity::Authority;
use openhub_model::{EventKind, Identity, PartId, Timestamp};
use serde_json::Value;

use crate::body::Body;

/// Events that cause events that cause events … end here.
pub const MAX_DEPTH: u8 = 8;

pub struct Happening {
    /// Shared by the causes of all that it changes.
    pub message_id: Arc<str>,
    /// The part that it belongs to, if any.
    pub part: Option<PartId>,
    pub authority: Authority,
    pub kind: EventKind,
    pub name: String,
    /// Event time.
    pub at: Timestamp,
    /// The tenant's clock when it is handled.
    pub now: Timestamp,
    pub bound: Timestamp,
    pub historical: bool,
    /// 0 for an event that arrived.
    pub depth: u8,
    pub position: i64,
    /// What it says of the customer besides who they are, if anything; taken when it is absorbed.
    pub body: Option<Box<Body>>,
    pub properties: Value,
    pub subject: Option<Identity>,
    /// It is computed again for one rule that failed on it, and for nothing else.
    pub only: Option<Box<Only>>,
}

/// A rule by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    pub plugin: String,
    pub rule: String,
}

impl Happening {
    /// The event again, without what it says.
    pub fn noted(event: &Happening) -> Happening {
        Happening {
            message_id: event.message_id.clone(),
            part: event.part,
            authority: event.authority,
            kind: event.kind,
            name: event.name.clone(),
            at: event.at,
            now: event.now,
            bound: event.bound,
            historical: event.historical,
            depth: event.depth,
            position: event.position,
            body: None,
            properties: Value::Null,
            subject: event.subject.clone(),
            only: None,
        }
    }

    /// Journeys and rules are triggered by what customers do; an update of attributes triggers neither.
    pub fn triggers(&self) -> bool {
        matches!(self.kind, EventKind::Track | EventKind::Page | EventKind::Screen)
    }
}
