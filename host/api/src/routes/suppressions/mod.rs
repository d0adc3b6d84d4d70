//! Erased identities that are refused.

pub(crate) mod check;
pub(crate) mod get;
pub(crate) mod remove;
