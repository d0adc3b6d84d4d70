//! Messages, to read, and what can be done about those that were given up or parked.

pub(crate) mod discard;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod retry;
