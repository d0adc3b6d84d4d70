//! The tenant's identity kinds.

pub(crate) mod get;
pub(crate) mod put;
