//! The database: tenants, the log, customers, runs, timers, objects, the outbox, one file per noun.
//!
//! One SQL text serves SQLite (the default) and PostgreSQL; the few true differences lie in `dialect`. All
//! writes pass one writer task, which makes what waits SAVEPOINTs of one transaction and answers after its
//! COMMIT: one fsync for all. Reads go to a pool. Nothing here decides anything about a customer: the engine
//! does, and commits its changes in one call.

mod bulk;
mod checkpoints;
mod commit;
mod conditions;
mod connection;
mod crowd;
mod decode;
mod deeds;
mod dialect;
mod error;
mod fate;
mod filters;
mod mentions;
mod object_writes;
mod open;
mod queues;
mod refusals;
mod scope;
mod scrub;
mod signals;
mod store;
mod writer;

pub mod attributes;
pub mod changes;
pub mod claims;
pub mod customers;
pub mod erase;
pub mod erasures;
pub mod facts;
pub mod faults;
pub mod held;
pub mod history;
pub mod identity_policies;
pub mod journeys;
pub mod keys;
pub mod log;
pub mod matches;
pub mod messages;
pub mod objects;
pub mod outbox;
pub mod partitions;
pub mod parts;
pub mod plugins;
pub mod properties;
pub mod runs;
pub mod segments;
pub mod settlements;
pub mod suppressions;
pub mod tenants;
pub mod timeline;
pub mod tombstones;
pub mod transact;

pub use changes::{CatalogChange, Changes, NodeCount, SetAside, Wake};
pub use claims::{Claim, ClaimStatus, Judged};
pub use commit::Prepared;
pub use conditions::{AsOf, Preview};
pub use customers::CustomerFilter;
pub use deeds::{Deed, Sought};
pub use erase::{EraseStep, Erasing};
pub use erasures::{Afterwards, Erasure, NewErasure};
pub use error::{Clash, ObjectKey, StoreError};
pub use facts::CustomerFacts;
pub use faults::{FaultCursor, FaultFilter, FaultKind, FaultStatus, Faulted, NewFault, Remedy};
pub use history::Before;
pub use journeys::{JourneyRow, JourneyStatus, JourneyVersion, NodeStanding};
pub use keys::Key;
pub use log::{Appended, EventFilter};
pub use matches::{Decision, Match, MatchStatus, NewMatch};
pub use messages::{MessageFilter, MessageRow};
pub use objects::{ObjectChange, ObjectFilter, Unique};
pub use outbox::Outgoing;
pub use partitions::{Lease, Standing};
pub use plugins::{Candidate, Installation, PluginStatus, Unreadable};
pub use refusals::Refused;
pub use runs::{Entry, RunFilter};
pub use scope::Scope;
pub use scrub::Scrubbed;
pub use segments::{Fill, Filling, Membership, Segment, SegmentVersion};
pub use settlements::{Settled, Verdicts};
pub use store::{Config, Store};
pub use tenants::Tenant;
pub use timeline::{InvalidCursor, TimelineCursor, TimelineFilter, TimelineItem, TimelineKind};
pub use tombstones::Tombstone;
pub use transact::Op;
