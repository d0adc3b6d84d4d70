//! The log, to read.

pub(crate) mod list;
