//! Everything of a kind, as a file.

pub(crate) mod customers;
pub(crate) mod events;
pub(crate) mod objects;
