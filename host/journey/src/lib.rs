//! Journeys: versioned graphs that customers move through.
//!
//! Pure: a definition is [`parse`]d, [`check`]ed against what the tenant has installed, compiled to a
//! [`Journey`], and stepped: (run, input, facts) → (run', step). No clock, no randomness, no database; where a
//! step needs a plugin or a change of the customer, it answers with a request and is called again.
//!
//! One file a node type under `nodes/`, and one line in its registry.

mod check;
mod definition;
mod error;
mod journey;
mod nodes;
mod parse;
mod plan;
mod state;
mod step;
mod template;
mod uses;

pub use check::{Named, Surroundings, check};
pub use definition::{Definition, Reentry, Trigger};
pub use journey::Journey;
pub use nodes::Node;
pub use parse::parse;
pub use step::{Facts, Input, Moment, Next, Step};
