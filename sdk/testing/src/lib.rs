//! Runs a plugin in `cargo test`: the built component, in the runtime that the hub uses, with a small fake hub around.
//!
//! ```text
//! #[openhub_sdk_testing::test]
//! fn gold(hub: Hub) {
//!     assert_eq!(hub.rule("points").row(json!({"total": "500.00"})).attribute("tier"), "gold");
//! }
//! ```
//!
//! A test names rules, object types and channels as the manifest does, gives values as JSON, and gets effects, records
//! and verdicts back. Channels reach a real HTTP server in the test's own process. What cannot be a test's outcome (an
//! unknown name, a value of a wrong type, a trap) panics and says why. There is no log, no database and no journey here.

mod channel;
mod columns;
mod hub;
mod object;
mod provider;
mod rule;

pub use channel::ChannelCase;
pub use hub::Hub;
pub use object::{ObjectCase, Stored};
pub use openhub_model::{Fault, Timestamp};
pub use openhub_runtime::{Action, CallFault, FaultKind, Reason, Verdict};
pub use openhub_sdk_testing_macros::test;
pub use provider::{Answer, Provider, Request};
pub use rule::{Caused, Effects, ObjectWrite, RuleCase, Written};
pub use serde_json::{Value, json};
