//! Events that the plugin appends to the log by itself, from a job, a channel or a source.
//!
//! They are committed when [`track`] returns, whatever becomes of the call. The same id, however often and by whichever way, is the
//! same event.

use crate::bindings::io::openhub::events::events;
use crate::event::Event;
use crate::reason::{Failure, Fault};
use crate::source::Happened;

pub use crate::bindings::io::openhub::types::types::NewEvent;

/// Appends events, which may be of several types: see [`Happened::to_event`]. At most 1,000. One answer an event, in order: the
/// others stand if one is refused.
pub fn track(events: &[NewEvent]) -> Result<Vec<Result<(), Vec<Fault>>>, Failure> {
    events::track(events)
}

/// Appends one event; what is refused is an error.
pub fn track_one<E: Event>(happened: &Happened<E>) -> Result<(), Failure> {
    let answers = track(&[happened.to_event()])?;
    match answers.into_iter().next() {
        Some(Err(faults)) => match faults.into_iter().next() {
            Some(fault) => Err(Failure::Rejected(fault.reason)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
