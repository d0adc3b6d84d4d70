//! An event as COMPUTE handles it: arrived from the log, or caused in this batch.

use std::sync::Arc;

use openhub_model::identity::Authority;
use openhub_model::{Event, EventKind, Identity, Origin, PartId, Quarter, Timestamp};
use serde_json::Value;

use crate::body::{self, Body, Retry};
use crate::catalog::RuleName;

/// Events that cause events that cause events … end here.
pub const MAX_DEPTH: u8 = 8;
/// Events that one item of the log causes in its batch, with all that follows from them.
pub const MAX_CAUSED: usize = 1_000;

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
    /// Whether it came by the log, or was caused in this batch.
    pub origin: Origin,
    /// How many events it descends from, one caused by the other; 0 for what nothing has caused.
    pub depth: u8,
    pub position: i64,
    /// When it arrived, if its customer is active by it: neither the hub nor history says so.
    pub active_in: Option<Quarter>,
    /// What it says of the customer besides who they are, if anything; taken when it is absorbed.
    pub body: Option<Box<Body>>,
    pub properties: Value,
    pub subject: Option<Identity>,
    /// It is computed again for one rule that failed on it, and for nothing else.
    pub only: Option<Box<RuleName>>,
}

impl Happening {
    /// An event of the log. What it says is in `body`.
    pub fn of(event: &Event, mut body: Body, now: Timestamp, bound: Timestamp) -> Happening {
        let again = body.retry.take().map(|retry| *retry);
        let depth = body::depth(event);
        let says_active = event.kind.code() <= EventKind::Alias.code() && !event.historical && depth == 0;
        let happening = Happening {
            message_id: event.message_id.as_str().into(),
            part: event.part,
            authority: event.authority,
            kind: event.kind,
            name: event.name.clone(),
            at: event.occurred_at,
            now,
            bound,
            historical: event.historical,
            origin: Origin::Arrived,
            depth,
            position: event.position,
            active_in: says_active.then(|| Quarter::of(event.received_at)),
            properties: std::mem::replace(&mut body.properties, Value::Null),
            subject: body.subject(),
            body: (!body.is_plain(event.kind)).then(|| Box::new(body)),
            only: None,
        };
        match again {
            None => happening,
            // Its effects have the causes that they would have had.
            Some(Retry { plugin, rule, message_id, event: name, properties }) => Happening {
                message_id: message_id.as_str().into(),
                name,
                properties,
                only: Some(Box::new(RuleName { plugin, rule })),
                ..happening
            },
        }
    }

    /// Which of two comes later, whatever the batches.
    pub fn place(&self) -> (i64, u8, &str) {
        (self.position, self.depth, &self.message_id)
    }

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
            origin: event.origin,
            depth: event.depth,
            position: event.position,
            active_in: None,
            body: None,
            properties: Value::Null,
            subject: event.subject.clone(),
            only: None,
        }
    }

    pub fn arrived(&self) -> bool {
        self.origin == Origin::Arrived
    }

    /// Journeys and rules are triggered by what customers do; an update of attributes triggers neither.
    pub fn triggers(&self) -> bool {
        matches!(self.kind, EventKind::Track | EventKind::Page | EventKind::Screen)
    }
}
