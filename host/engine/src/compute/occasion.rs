//! When, and on account of what, segments are asked.

use openhub_model::identity::Authority;
use openhub_model::{EventKind, Origin, Timestamp};
use serde_json::Value;

use super::event::Happening;

/// The occasion at which segments are asked, and what it descends from.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    pub now: Timestamp,
    /// `message_id` of the event, or what names the timer.
    pub cause: &'a str,
    pub depth: u8,
    pub historical: bool,
}

impl<'a> Occasion<'a> {
    pub fn of(event: &'a Happening) -> Occasion<'a> {
        Occasion { now: event.now, cause: &event.message_id, depth: event.depth, historical: event.historical }
    }

    pub fn timer(now: Timestamp, cause: &'a str) -> Occasion<'a> {
        Occasion { now, cause, depth: 0, historical: false }
    }

    pub fn happening(&self) -> Happening {
        Happening {
            message_id: self.cause.into(),
            part: None,
            authority: Authority::Browser,
            kind: EventKind::Track,
            name: String::new(),
            at: self.now,
            now: self.now,
            bound: self.now,
            historical: self.historical,
            origin: Origin::Caused,
            depth: self.depth,
            position: 0,
            active_in: None,
            body: None,
            properties: Value::Null,
            subject: None,
            only: None,
        }
    }
}
