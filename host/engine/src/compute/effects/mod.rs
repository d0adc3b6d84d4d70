//! What items do, whoever asks for it: an event about its customer, a rule, a journey, a segment, an object's check. All of them
//! say it as effects, and this is the one place where effects are applied, one file a family. A new family is a file here, a
//! variant, and a line of [`apply`].
//!
//! Runs and timers are no effects: they are what a journey's step and a segment's answer leave in the actor, and what is written of
//! them is the difference to what was loaded.

pub mod admission;
pub mod events;
pub mod messages;
pub mod objects;
pub mod refused;
pub mod room;
pub mod source;
pub mod state;

use openhub_model::message::NewMessage;

use self::events::CausedEvent;
use self::source::Source;
use self::state::Change;
use super::ask::Request;
use super::batch::Batch;

/// One thing that is done.
pub enum Effect<'a> {
    /// The customer's state changes.
    Change(Source, Change<'a>),
    /// It changes in several ways on the same account, as one write; the customer may only have been seen.
    Changes(Source, Vec<Change<'a>>),
    /// Another event is caused.
    Event(CausedEvent<'a>),
    /// Something is asked of an object.
    Object(Request),
    /// A message is to be sent.
    Message(NewMessage),
}

pub fn apply(batch: &mut Batch<'_>, actor: usize, effect: Effect<'_>) {
    match effect {
        Effect::Change(source, change) => state::put_one(&mut batch.actors[actor], batch.catalog, source, change),
        Effect::Changes(source, changes) => state::put(&mut batch.actors[actor], batch.catalog, &source, changes),
        Effect::Event(event) => events::cause(batch, actor, event),
        Effect::Object(request) => objects::ask(batch, request),
        Effect::Message(message) => messages::send(batch, message),
    }
}
