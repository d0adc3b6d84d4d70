//! Runs a plugin in `cargo test`: the built component, in the runtime of the installed `openhub`, with a small fake hub around.
//!
//! ```text
//! #[openhub_sdk_testing::test]
//! fn gold(hub: Hub) {
//!     assert_eq!(hub.rule("points").row(json!({"total": "500.00"})).attribute("tier"), "gold");
//! }
//! ```
//!
//! A test names rules, object types, channels, sources, endpoints, jobs, steps and functions as the manifest does, gives values as JSON, and
//! gets effects, records, verdicts and events back. Channels reach a real HTTP server. What cannot be a test's outcome (an unknown name, a value of a
//! wrong type, a trap) panics and says why. There is no log, no database and no journey here.
//!
//! This crate holds no runtime: it starts `openhub plugin kit` and speaks JSON with it, one line a question.

mod channel;
mod endpoint;
mod function;
mod hub;
mod job;
mod kit;
mod object;
mod privacy;
mod provider;
mod rule;
mod source;
mod step;
mod told;

pub use channel::{ChannelCase, Sent, Verdict};
pub use endpoint::{Answered, EndpointCase};
pub use function::FunctionCase;
pub use hub::Hub;
pub use job::{JobCase, JobFailure, Progress};
pub use object::{ObjectCase, Stored};
pub use openhub_sdk::time::Timestamp;
pub use openhub_sdk_testing_macros::test;
pub use privacy::{Erased, PrivacyCase};
pub use provider::{Answer, Provider, Request};
pub use rule::{Action, Caused, Effects, ObjectWrite, RuleCase, Written};
pub use serde_json::{Value, json};
pub use source::{Received, Report, SourceCase, SourceEvent, Unanswered};
pub use step::{StepCase, Waits, Went};
pub use told::{CallFault, Fault, Reason, Receipt};
