//! Receipts of erasures.

pub(crate) mod get;
pub(crate) mod list;
