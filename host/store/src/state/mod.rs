//! What is so now: one file a noun, with its rows, its bulk statements and its reads.

pub mod attributes;
pub mod claims;
pub mod customers;
pub mod fault_kinds;
pub mod faults;
pub mod identity_policies;
pub mod journeys;
pub mod keys;
pub mod matches;
pub mod messages;
pub mod object_relations;
pub mod object_types;
pub(crate) mod object_writes;
pub mod objects;
pub mod outbox;
pub mod parts;
pub mod plugin_kv;
pub mod plugins;
pub(crate) mod refusals;
pub mod runs;
pub mod segments;
pub mod settings;
pub mod settlements;
pub mod suppressions;
pub mod tenants;
