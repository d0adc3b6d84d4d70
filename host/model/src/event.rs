//! Something that happened, at a time, usually to a customer. Never changed once accepted.

use serde::{Deserialize, Serialize};

use crate::id::PartId;
use crate::identity::Authority;
use crate::time::Timestamp;

/// The events by which the hub says that a customer has come to be a member of a segment, or is one no longer.
pub const SEGMENT_ENTERED: &str = "Segment Entered";
pub const SEGMENT_LEFT: &str = "Segment Left";
/// The event by which the hub says what a provider reported on a message that was sent: its `status` is `delivered`, `bounced`, …
pub const MESSAGE_REPORTED: &str = "Message Reported";

/// The call that an event came by. The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum EventKind {
    Identify = 1,
    Track = 2,
    Page = 3,
    Screen = 4,
    Group = 5,
    Alias = 6,
    /// A change of a customer that came by the hub's own API: body `{"attributes": {…}, "tags": {…}, "asked_by": key}`.
    Update = 7,
    /// An object that was created, updated or deleted by the hub's own API.
    Object = 8,
    /// A change of what the engine runs (clock, plugins, journeys). Takes effect at its position, in a batch of its own.
    Control = 9,
    /// What is left of an event whose customer was erased: its place in the log, and a mark that a copy of it is known by.
    Erased = 10,
}

impl EventKind {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<EventKind> {
        use EventKind::*;
        [Identify, Track, Page, Screen, Group, Alias, Update, Object, Control, Erased]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// Whether an event came in by a door, and so waits for the engine, or was caused in COMPUTE, and so is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum Origin {
    Arrived = 0,
    Caused = 1,
}

/// The control event that erases a customer. Its body names the erasure, and nobody.
pub const ERASED: &str = "customer.erased";
/// The control event that moves a replay's clock on, to its own time.
pub const CLOCK_ADVANCED: &str = "clock.advanced";
/// The control event that ends such a move where it has come to.
pub const CLOCK_STOPPED: &str = "clock.stopped";

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Dedupe key, per tenant.
    pub message_id: String,
    pub kind: EventKind,
    /// The name of a `track`, `page` or `screen`, or of a control event; else empty.
    pub name: String,
    /// Whose it is: derived from the body's `userId`, else its `anonymousId`. Control events have none.
    pub part: Option<PartId>,
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
    /// History changes state and triggers nothing.
    pub historical: bool,
    /// On whose word its claims stand.
    pub authority: Authority,
    /// For a caused event, the `message_id` that it descends from directly.
    pub cause: Option<String>,
    /// The JSON object as it came, once, as text.
    pub body: String,
}

impl NewEvent {
    /// Where a replay's clock stands at the least once this has happened.
    pub fn moves_to(&self) -> Option<Timestamp> {
        match self.kind {
            EventKind::Erased => None,
            EventKind::Control if self.name != CLOCK_ADVANCED => None,
            _ => Some(self.occurred_at),
        }
    }
}

/// An accepted event at its place in the tenant's log.
#[derive(Clone, Debug)]
pub struct Event {
    /// Ascending per tenant in commit order; gaps are possible.
    pub position: i64,
    pub origin: Origin,
    pub message_id: String,
    pub kind: EventKind,
    pub name: String,
    pub part: Option<PartId>,
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
    pub historical: bool,
    pub authority: Authority,
    pub cause: Option<String>,
    pub body: String,
}
