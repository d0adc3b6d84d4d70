//! The list of what did not go through: seen, tried again, discarded.

pub(crate) mod discard;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod retry;
