//! The log: appended, read in order, and how far each tenant has come in it.

pub(crate) mod deeds;
pub mod events;
pub mod leases;
pub mod partitions;
pub mod ready;
pub mod said;
pub mod tombstones;
pub mod transact;
