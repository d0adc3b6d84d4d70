//! What moves: the lanes that take events from the log through LOAD, COMPUTE and COMMIT, the delivery
//! of messages through channels, and the objects that the API writes.
//!
//! The engine is the one writer of customers, runs and timers. COMPUTE (`compute/`) is a pure function of
//! what LOAD read; everything it changes leaves in one transaction.

pub mod again;
mod ahead;
mod alone;
mod aside;
mod attempt;
mod body;
mod brake;
pub mod catalog;
mod clock;
mod compute;
mod control;
mod delivery;
mod door;
pub mod enable;
mod endpoint;
mod engine;
mod erase;
mod error;
mod fill;
mod follow;
mod followed;
mod gather;
mod held;
mod home;
mod jobs;
pub mod judge;
mod kept;
mod lane;
mod load;
pub mod measures;
mod meter;
mod metering;
mod migrate;
pub mod object_types;
pub mod objects;
pub mod over;
pub mod plugin_types;
mod plugins;
mod pressure;
mod privacy;
pub mod quotas;
pub mod remove;
mod schedule;
mod scrubs;
pub mod secrets;
pub mod settings;
mod shared;
pub mod shares;
pub mod signing;
mod source;
pub mod statements;
mod suppressed;
mod suppression;
mod tracked;
mod unmerge;
mod unsubscribe;
pub mod uses;
pub mod watch;
mod webhook_test;
pub mod webhooks;

pub use body::{PROPOSED, SERVED_BY, identities_of};
pub use catalog::{Catalog, EntryKind};
pub use clock::Clock;
pub use compute::{REFUSED, VALUE_REFUSED};
pub use control::{
    ACTIVATED, BLOCKED, CANARY_ENDED, CANARY_SET, ENABLED, RECORDING_ENDED, RECORDING_SET, ROLLED_BACK, SECRET_SET,
    SHADOW_STARTED, SHADOW_STOPPED, UNBLOCKED,
};
pub use door::{Door, Named, Teller, Turned, event_id};
pub use endpoint::Keyed;
pub use engine::{Engine, Halt};
pub use error::EngineError;
pub use home::is_time_zone;
pub use openhub_model::event::ERASED;
pub use plugins::Plugins;
pub use pressure::{Admission, Backlog, Bounds, Room};
pub use privacy::export::ExportOf;
pub use privacy::{keepers, why};
pub use secrets::{Owner, Sealer};
pub use shared::Config;
pub use signing::{Signer, is_signed_by};
pub use source::Asked;
pub use suppression::{SUPPRESSED, SUPPRESSED_MESSAGE};
pub use unsubscribe::{PATH as UNSUBSCRIBE, Subscription};
