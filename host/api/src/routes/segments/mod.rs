//! Segments: named conditions with their members, and lists that are kept by hand.

pub(crate) mod change_members;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod preview;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod versions;
pub(crate) mod why;
pub(crate) mod why_condition;
