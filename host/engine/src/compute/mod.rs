//! COMPUTE: what a loaded batch changes. A pure function of its input: no clock, no randomness, no database.
//! The plugins it calls are pure too, so the same batch gives the same changes on every rerun.
//!
//! A batch is cut into waves, at most one event or timer of a customer in each, in the customer's order. A
//! plugin is called once a wave with the rows of all customers. Customers whom the batch may join take turns.
//!
//! Files use each other in one direction: what a batch is made of, then the batch, then what each kind of item does to it and what
//! it asks, then the answers, then the waves.

mod absorb;
mod actor;
mod answers;
mod ask;
mod asked;
mod batch;
mod beside;
mod beyond;
mod bisect;
mod by;
mod claims;
mod cluster;
mod course;
mod drawn;
mod effects;
mod event;
mod functions;
mod input;
mod journeys;
mod look;
mod meanwhile;
mod objects;
mod occasion;
mod output;
mod past;
mod place;
mod plan;
mod project;
mod propose;
mod record;
mod refusals;
mod related;
mod resolve;
mod retry;
mod review;
mod rules;
mod runs;
mod segment_state;
mod segments;
mod slots;
mod steps;
mod stop;
mod traces;
mod values;
mod wave;

use crate::catalog::Catalog;

pub use beside::{Comparison, Pair, asked_over};
pub use claims::{REFUSED, named};
pub use course::{Course, Order, Time};
pub use input::Input;
pub use output::{Output, Tally};
pub use past::{Past, is_awaited};
pub use plan::{Fire, Plan, body};
pub use refusals::VALUE_REFUSED;
pub use related::REFERRERS;
pub use retry::{Made, Retries};
pub use review::{Review, review};
pub use segments::Upload;
pub use stop::{ComputeFault, Stop};

pub fn compute(mut input: Input, catalog: &Catalog, retries: &Retries, course: &Course<'_>) -> Result<Output, Stop> {
    let silenced = std::mem::take(&mut input.silenced);
    let mut batch = batch::Batch::new(input, catalog, retries, course);
    let mut output = wave::run(&mut batch).map(|()| batch.finish())?;
    let checkpoint = output.changes.checkpoint;
    output.changes.tombstones = silenced;
    output.changes.tombstones.retain(|silenced| silenced.position <= checkpoint);
    Ok(output)
}
