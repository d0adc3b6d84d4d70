//! A customer whose history has become too long: what they do from then on is set aside, since what conditions ask of a history
//! is read whenever its customer comes back. A page, whose key anybody can read, comes to that sooner.

use openhub_model::identity::Authority;
use openhub_model::limits::{EVENTS, PAGE_EVENTS};
use openhub_store::{FaultKind, NewFault, SetAside};

use super::batch::Batch;
use super::event::Happening;

/// The code of the fault.
pub const TOO_MANY: &str = "too-many";

/// Whether the event is one too many of its customer; then it is set aside.
pub fn set_aside(batch: &mut Batch<'_>, actor: usize, event: &Happening) -> bool {
    let most = match event.authority {
        Authority::Browser => PAGE_EVENTS,
        _ => EVENTS,
    };
    let customer = batch.actors[actor].customer.as_ref();
    if !event.arrived() || !event.triggers() || customer.is_none_or(|customer| customer.events < most) {
        return false;
    }
    let text = format!("Its customer already has {most} events, the most that this sender may add up to.");
    let filed = NewFault::one(FaultKind::Event, &event.message_id, "event", TOO_MANY, text.as_str());
    let (position, message_id) = (event.position, event.message_id.to_string());
    batch.faults.push(NewFault {
        position: Some(position),
        message_id: Some(message_id.clone()),
        part: event.part,
        ..filed
    });
    batch.set_aside.push(SetAside { position, message_id, fault: text, at: event.now });
    true
}
