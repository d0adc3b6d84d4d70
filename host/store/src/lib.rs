//! The database: tenants, the log, customers, runs, timers, objects, the outbox, one file per noun.
//!
//! One SQL text serves SQLite (the default) and PostgreSQL; the few true differences lie in `dialect`. All
//! writes pass one writer task, which makes what waits SAVEPOINTs of one transaction and answers after its
//! COMMIT: one fsync for all. Reads go to a pool. Nothing here decides anything about a customer: the engine
//! does, and commits its changes in one call.

pub mod act;
mod commit;
mod database;
mod error;
mod scope;
mod sight;
mod store;
mod weights;

pub mod backup;
pub mod changes;
pub mod erasure;
pub mod history;
pub mod log;
pub mod state;
pub mod tables;

pub use act::{Deeded, Notary, Once, acting, acting_once};
pub use changes::{CatalogChange, Changes, NodeCount, SetAside, Wake};
pub use commit::Prepared;
pub use database::connection::in_time;
pub use database::room::Room;
pub use database::scrub::Scrubbed;
pub use erasure::erase::{EraseStep, Erasing};
pub use erasure::erasures::{Afterwards, Erasure, NewErasure};
pub use erasure::mentions::Looked;
pub use erasure::requests::{DueRequest, ErasureAnswer, ErasureRequest, ErasureRequestStatus, NewErasureRequest};
pub use error::{Clash, Leads, ObjectKey, StoreError};
pub use history::conditions::{AsOf, Preview};
pub use history::facts::CustomerFacts;
pub use history::said::Before;
pub use history::timeline::{InvalidCursor, TimelineCursor, TimelineFilter, TimelineItem, TimelineKind};
pub use history::unfit::{Then, Unfit, Walk};
pub use log::deeds::{Deed, NEWEST, Sought};
pub use log::events::{Appended, EventFilter};
pub use log::leases::{Claimed, Lease};
pub use log::partitions::Standing;
pub use log::ready::{Asleep, Ready};
pub use log::said::{Met, own_id};
pub use log::tombstones::Tombstone;
pub use log::transact::Op;
pub use scope::Scope;
pub use sight::MASKED;
pub use state::active_customers::Active;
pub use state::audit::AuditFilter;
pub use state::blocks::{BLOCKS, Block};
pub use state::claims::{ClaimRow, ClaimStatus, Judged};
pub use state::customers::CustomerFilter;
pub use state::fault_kinds::{FaultKind, FaultStatus};
pub use state::faults::{FaultCursor, FaultFilter, Faulted, NewFault, REFUSED_ROW, Remedy};
pub use state::former_fields::{FormerFields, LeftOut};
pub use state::idempotency_keys::Begun;
pub use state::identity_providers::{IdentityProvider, Subject};
pub use state::job_runs::{JOB_RUNS, JobOutcome, JobRun};
pub use state::jobs::{JobClaim, JobEnd, JobKey, JobPlan, JobRow};
pub use state::journeys::{JourneyRow, JourneyStatus, JourneyVersion, NodeStanding, Outcomes};
pub use state::keys::{Former, Key, KeyCursor, Rotation};
pub use state::matches::{Decision, Match, MatchStatus, NewMatch};
pub use state::measured::Measured;
pub use state::messages::{MadeAttempt, MessageFilter, MessageRow};
pub use state::metered::{Metered, MeteredFilter, MeteredRow, MeteredSum};
pub use state::object_relations::{Referrer, Relation};
pub use state::object_types::{DeclaredType, Migrating, Presumes};
pub use state::objects::{Indexed, ObjectChange, ObjectFilter, Unique};
pub use state::offerings::{OFFERING_VERSIONS, OFFERINGS, Offering, OfferingVersion};
pub use state::operations::{Made, Operation};
pub use state::outbox::Outgoing;
pub use state::persons::{Invitation, OwnerKept, Person, PersonChange, PersonCursor, SecondFactor};
pub use state::plugin_kv::{KV_BYTES, KV_ENTRIES, KvEntry, KvOf, KvPut, KvRange, KvWrite};
pub use state::plugin_logs::{LOG_LINES, LogFilter, PluginLog};
pub use state::plugin_recordings::{NewRecording, PluginRecording, RECORDING_BYTES, RECORDINGS, RecordingOrder};
pub use state::plugin_removals::{NewRemoval, PluginData, Removal, RemovalStep};
pub use state::plugin_trials::{Canary, SHADOW_ROWS, Shadow, ShadowCount, ShadowRow};
pub use state::plugin_versions::{PluginMigrating, PluginVersion, Standing as PluginStanding};
pub use state::plugins::{Installation, PluginStatus, Unreadable};
pub use state::pushes::{Push, Target};
pub use state::refusals::Refused;
pub use state::runs::{Entry, RunFilter};
pub use state::second_factors::Proof;
pub use state::segments::{Fill, Filling, Membership, Segment, SegmentVersion};
pub use state::sessions::{NewSession, Session, Shown};
pub use state::settings::{PageSettings, Settings};
pub use state::settlements::{Settled, Verdicts};
pub use state::shares::{Granted, Share, SharedMember};
pub use state::statements::{Contracted, Stands, StatementFilter, StatementRow};
pub use state::subscriptions::{Agreement, Limit, Subscription, SubscriptionFilter};
pub use state::tenant_deletions::TenantDeletion;
pub use state::tenant_tree::{DEEPEST, Lineage, NewTenant, TenantStatus, TreeTenant, Unplaced};
pub use state::tenants::Tenant;
pub use state::usage::{Called, Usage, UsageCursor, UsageFilter, UsageKey, UsageOfDay};
pub use state::usage_reports::{NewUsage, Reported};
pub use state::webhook_attempts::{Attempt, Delivery, DeliveryFilter};
pub use state::webhook_deliveries::{
    AfterAttempts, Again, DeliveryState, DueDelivery, GivenUp, NewDelivery, News, Tried,
};
pub use state::webhooks::{Health, WEBHOOKS, Webhook};
pub use store::{Config, Store};
pub use weights::Weights;
