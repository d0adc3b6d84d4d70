//! Runs plugins: WebAssembly components, in two lanes.
//!
//! The pure lane (rules, object checks, steps and functions) is synchronous, gets a fresh instance for every call and can reach nothing
//! but its input, so that it replays. The I/O lane (channels, sources, endpoints, jobs, privacy) is asynchronous and gets the capabilities that it was
//! granted, under an egress check. This crate knows components, limits and grants; it knows no database, no tenant
//! and no journey, and it decides nothing about what becomes of a plugin's answer.

mod algorithms;
mod answer;
mod backing;
mod bindings;
mod blanks;
mod cache;
mod capabilities;
mod captured;
mod changes;
mod config;
mod contract;
mod egress;
mod emits;
mod engine;
mod error;
mod fault;
mod functions;
mod handle;
mod happened;
mod host;
mod inspect;
mod io;
mod job;
mod masks;
mod migration;
mod objects;
mod observer;
mod outcome;
mod plugin;
mod policy;
mod privacy;
mod reason;
mod receive;
mod recording;
mod replay;
mod revoked;
mod rules;
mod runtime;
mod send;
pub mod signature;
mod steps;
mod tape;
mod turns;
mod worker;

pub use answer::{
    Accepted, Action, CallContext, CausedEvent, CausedObject, Change, Checked, Evaluated, Operation, Outcome, Reason,
    Receipt, Receipted, RowFault, RuleWrite,
};
pub use backing::{
    Conflict, Customers, Declined, Entry, EntryWrite, EventLog, Found, KeyValues, Known, Objects, Range, Record,
    RecordChange, Scanned, Tracked,
};
pub use capabilities::interfaces;
pub use capabilities::kv::{KEY as KV_KEY, VALUE as KV_VALUE};
pub use capabilities::secrets::read as read_secret;
pub use captured::Captured;
pub use config::{Config, Defaults, HostPort};
pub use egress::hosts;
pub use egress::post::{Post, Posted, Unposted};
pub use error::{BadSecret, Refusal, RuntimeError};
pub use fault::{CallFault, FaultKind};
pub use functions::{Applied, FunctionCalls};
pub use handle::EndpointCaller;
pub use inspect::Inspected;
pub use io::{HostClock, IoContext};
pub use job::{JobFailure, JobRunCall, Progress, Ran};
pub use migration::Migrated;
pub use observer::{LogLevel, LogLine, Observed, Observer};
pub use plugin::{Imports, Plugin};
pub use privacy::{Erased, ExportedPage, Person};
pub use receive::{HttpRequest, HttpResponse, Received, Report, SourceEvent, Unanswered};
pub use recording::{Answer as RecordedAnswer, Recorded, RecordedFault, Recording, Replayed};
pub use runtime::Runtime;
pub use send::{OutMessage, Sent, Verdict};
pub use steps::{Entered, Next as StepNext, STATE as STEP_STATE, Stepped, Wait as StepWait, Woke};
pub use tape::Asked;
pub use worker::{Bounds as CompileBounds, compile as compile_worker};
