//! Journeys: versioned graphs that customers move through.
//!
//! Pure: a definition is [`parse`]d, [`check`]ed against what the tenant has installed, compiled to a
//! [`Journey`], and stepped: (run, input, facts) → (run', step). No clock, no randomness, no database; where a
//! step needs a plugin or a change of the customer, it answers with a request and is called again.
//!
//! One file a node type under `nodes/` and one line in `registry`, one file a trigger type under `triggers/` and one line in `starts`. A file
//! uses only files that stand above it in this list.

mod check;
mod definition;
mod document;
mod error;
mod facts;
mod fields;
mod journey;
mod node;
mod nodes;
mod parse;
mod plan;
mod registry;
mod starts;
mod state;
mod step;
mod surroundings;
mod template;
mod trigger;
mod triggers;
mod uses;

pub use check::check;
pub use definition::{Definition, Reentry};
pub use facts::{Facts, Moment};
pub use journey::Journey;
pub use parse::parse;
pub use registry::Node;
pub use starts::Trigger;
pub use step::{Input, Next, Step};
pub use surroundings::{Named, Surroundings};
