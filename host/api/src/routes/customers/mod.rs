//! Customers: found, read, and changed through the log.

pub(crate) mod create;
pub(crate) mod data;
pub(crate) mod erase;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod objects;
pub(crate) mod segments;
pub(crate) mod timeline;
pub(crate) mod unmerge;
pub(crate) mod update;
