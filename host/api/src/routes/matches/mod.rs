//! Matches that rules proposed.

pub(crate) mod decide;
pub(crate) mod list;
