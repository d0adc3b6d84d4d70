//! Customers: found, read, and changed through the log.

pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod objects;
pub(crate) mod segments;
pub(crate) mod timeline;
pub(crate) mod update;
