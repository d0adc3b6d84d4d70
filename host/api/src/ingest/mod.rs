//! Segment calls on their way into the log: parse once, check, correct the time, append, then answer.
//!
//! This is the hot path. An event is walked once with borrowed texts; its raw JSON text is what is stored.

mod accept;
mod advice;
mod amend;
mod check;
mod fields;
mod item;
mod joins;
mod misspelt;
mod quota;
mod received;
mod split;
mod time;
mod told;

pub(crate) use accept::{BatchMode, Receipt, Refused, accept_batch, accept_one, admit, try_batch};
pub(crate) use advice::advice;
pub(crate) use check::{BY, MOVED, ORIGINAL, RESERVED};
pub(crate) use quota::{within, within_calls};
pub(crate) use received::{
    Hook, accept_received, note_failed, note_misconfigured, note_refused, note_turned_away, unfit,
};
