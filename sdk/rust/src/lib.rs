//! What a plugin of OpenHub is written with: typed rules, object types, steps and functions of journeys, channels, sources, endpoints,
//! jobs, and what it keeps of customers elsewhere, over the contract in `wit/`.
//!
//! A plugin declares its shapes as types (`Reads`, `Writes`, `Event`, `DataObject`, `Content`, …), writes plain
//! functions over them, and names what it exports once, with [`plugin!`]. The generated code moves whole columns, the
//! author sees one row. Only what is named there is linked. Nothing here does IO of its own: each capability is an
//! import that the host grants or refuses.

extern crate self as openhub_sdk;

pub mod bindings;
mod export;

// What a plugin is made of.
pub mod channel;
pub mod code;
pub mod content;
pub mod data_object;
pub mod endpoint;
pub mod event;
pub mod job;
pub mod migration;
pub mod privacy;
pub mod rule;
pub mod source;
pub mod step;

// What it may call: one file a capability.
pub mod call;
pub mod clock;
pub mod customers;
pub mod events;
pub mod http;
pub mod kv;
pub mod log;
pub mod objects;
pub mod secrets;

// The words they share.
pub mod decimal;
pub mod enumeration;
pub mod field;
pub mod panic;
pub mod params;
pub mod reads;
pub mod reason;
pub mod record;
pub mod time;
pub mod writes;

/// All that a plugin usually needs: `use openhub_sdk::prelude::*`.
pub mod prelude {
    pub use crate::channel::{Content, Json, Message, Messages, Receipt, Verdict};
    pub use crate::content::Receiver;
    pub use crate::data_object::{Accepted, Change, Check, DataObject, ObjectEffect, Operation};
    pub use crate::decimal::Decimal;
    pub use crate::endpoint::{Answer, Call};
    pub use crate::enumeration::Enum;
    pub use crate::event::Event;
    pub use crate::field::CustomerRef;
    pub use crate::job::{Progress, Run};
    pub use crate::log;
    pub use crate::migration::Migrate;
    pub use crate::params::Params;
    pub use crate::privacy::{Erased, Exported, Person, Privacy};
    pub use crate::reads::Reads;
    pub use crate::reason::{Failure, Fault, Reason, Retry};
    pub use crate::record::{Record, Settings};
    pub use crate::source::{Happened, Received, Report, Request};
    pub use crate::step::{Entry, Next, Wait, Woke};
    pub use crate::time::Timestamp;
    pub use crate::writes::{
        Add,
        Set::{self, Keep, To, Unset},
        Writes,
    };
    pub use openhub_sdk_macros::{
        Content, DataObject, Enum, Event, Params, Reads, Record, Settings, Writes, channel, content, endpoint, job,
        privacy, rule, source, step,
    };
}
