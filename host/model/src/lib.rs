//! The words of OpenHub as types: ids, time, tenants, identities, customers, events, objects,
//! conditions, plugin manifests, runs, timers and messages.
//!
//! Everything here is pure: no IO, no async, no ambient clock or randomness. Time and randomness are
//! parameters, so that whatever is computed from these types replays.

pub mod access;
pub mod asks;
pub mod attribute;
pub mod audit;
pub mod block;
pub mod ceiling;
pub mod columns;
pub mod condition;
pub mod customer;
mod day;
pub mod decimal;
pub mod endpoint;
pub mod event;
pub mod fault;
pub mod field;
pub mod id;
pub mod identity;
pub mod limits;
pub mod manifest;
pub mod message;
pub mod misfits;
mod month;
pub mod network;
pub mod object;
pub mod object_read;
pub mod object_type;
pub mod offering;
pub mod once;
pub mod plain;
pub mod price;
pub mod principal;
pub mod push;
mod quarter;
pub mod release;
pub mod role;
pub mod run;
pub mod schedule;
pub mod share;
pub mod statement;
pub mod strict;
pub mod subscription;
pub mod tenant;
pub mod time;
pub mod timer;
pub mod webhook;

pub use condition::Condition;
pub use customer::{Attribute, Cause, Customer, Values};
pub use day::Day;
pub use event::{Event, EventKind, NewEvent, Origin};
pub use fault::Fault;
pub use id::{Id, PartId, Seed};
pub use identity::Identity;
pub use month::Month;
pub use network::Network;
pub use object::Object;
pub use principal::Principal;
pub use quarter::Quarter;
pub use role::Role;
pub use tenant::{ClockKind, TenantId};
pub use time::{Span, Timestamp};
