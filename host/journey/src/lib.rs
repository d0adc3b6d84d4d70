//! Journeys: versioned graphs that customers move through.
//!
//! Pure: a definition is [`parse`]d, [`check`]ed against what the tenant has installed, compiled to a
//! [`Journey`], and stepped: (run, input, facts) → (run', step). No clock, no randomness, no database; where a
//! step needs a plugin or a change of the customer, it answers with a request and is called again.
//!
//! One file a node type under `nodes/`, one file a trigger type under `triggers/`, and one line in the `registry` beside it.
//! Files use each other in one direction.

mod ask;
mod calls;
mod check;
mod context;
mod definition;
mod document;
mod error;
mod fields;
mod journey;
mod node;
mod nodes;
mod parse;
mod plan;
mod state;
mod step;
mod surroundings;
mod template;
mod trigger;
mod triggers;
mod uses;

pub use ask::{Answer, Ask, Onward, StepAsk, Woke};
pub use calls::{Call, Calls, Known};
pub use check::{check, faults};
pub use context::{Moment, StepContext};
pub use definition::{Definition, Reentry};
pub use journey::Journey;
pub use nodes::registry::Node;
pub use parse::parse;
pub use step::{Input, Next, Step};
pub use surroundings::{Functions, Named, Steps, Surroundings};
pub use triggers::registry::Trigger;
