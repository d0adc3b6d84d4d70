//! COMPUTE: what a loaded batch changes. A pure function of its input: no clock, no randomness, no database.
//! The plugins it calls are pure too, so the same batch gives the same changes on every rerun.
//!
//! A batch is cut into waves, at most one event or timer of a customer in each, in the customer's order. A
//! plugin is called once a wave with the rows of all customers. Customers whom the batch may join take turns.

mod absorb;
mod bisect;
mod claims;
mod cluster;
mod course;
mod customer;
mod effects;
mod event;
mod journeys;
mod meanwhile;
mod objects;
mod place;
mod plan;
mod project;
mod retry;
mod review;
mod rules;
mod segments;
mod slots;
mod typed;
mod values;
mod wave;

use std::sync::Arc;

use hashbrown::HashMap;
use openhub_model::identity::{Marker, Part};
use openhub_model::object::Object;
use openhub_model::run::{Run, Timer};
use openhub_model::{Customer, Event, PartId, TenantId, Timestamp};
use openhub_store::{Changes, CustomerFacts, Entry, Judged, Sought, Tombstone, Unique};

use crate::body::Body;
use crate::catalog::Catalog;
use crate::held::Known;

pub use claims::{PROPOSED, REFUSED};
pub use course::{Course, Order};
pub use event::{Happening, Only};
pub use meanwhile::{Past, is_awaited};
pub use place::Place;
pub use plan::{Fire, Plan, body};
pub use retry::{Made, Retries};
pub use review::{Review, review};
pub use segments::{Upload, wake_timer};
pub use typed::VALUE_REFUSED;
pub use wave::{Stop, named};

/// What LOAD read for one attempt.
pub struct Input {
    pub tenant: TenantId,
    /// What plugins draw from is hashed under its key.
    pub marker: Marker,
    pub plan: Plan,
    pub events: Vec<Event>,
    /// What each event's body says, in the same order.
    pub bodies: Vec<Body>,
    pub timer_parts: Vec<PartId>,
    /// All parts of the customers that the batch touches.
    pub parts: Vec<Part>,
    /// What is stored of the pairs that its events claim.
    pub claims: Vec<Judged>,
    pub customers: Vec<Arc<Customer>>,
    pub runs: Vec<Run>,
    pub entries: Vec<Entry>,
    /// What segments may ask about the customers of the batch; nothing if there are no segments.
    pub facts: Vec<(PartId, CustomerFacts)>,
    /// Stored objects that an earlier attempt asked for; none where there is no such object.
    pub objects: HashMap<(String, String), Option<Object>>,
    /// Which stored object has a unique value that an earlier attempt asked about, if one has.
    pub holders: Vec<(Unique, Option<String>)>,
    /// What customers whom an event may join did while a run of the other waited for it.
    pub deeds: Vec<(Sought, Vec<Past>)>,
    /// Events that are not computed, because they name a suppressed identity.
    pub silenced: Vec<Tombstone>,
}

/// What COMMIT writes, and what the lane needs to know of it.
#[derive(Debug)]
pub struct Output {
    pub changes: Changes,
    /// Who made each object, so that a unique conflict can be asked again with another seed.
    pub made: Made,
    pub tally: Tally,
    /// The customers of the batch as it leaves them.
    pub known: Vec<Known>,
    /// Where the batch was cut, if its budget was spent: what stands there or behind is not done.
    cut: Option<Place>,
}

impl Output {
    /// Whether the batch was cut before its end.
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether a timer that was loaded stands before the cut.
    pub fn passes(&self, timer: &Timer) -> bool {
        self.cut.is_none_or(|cut| Place::timer(timer) < cut)
    }
}

/// Counts for the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub events: u64,
    pub timers: u64,
    pub waves: u64,
    pub calls: u64,
    pub rows: u64,
    pub fuel: u64,
    pub row_faults: u64,
    pub too_deep: u64,
    /// Events beyond those that one item may cause.
    pub too_many: u64,
    /// Values of another type than their attribute was declared with.
    pub values_refused: u64,
    /// Claims that joined identities.
    pub joined: u64,
}

/// COMPUTE could not finish because a plugin failed as a whole; the lane bisects the batch.
#[derive(Clone, Debug, thiserror::Error)]
#[error("plugin `{plugin}` failed at `{what}`: {message}")]
pub struct ComputeFault {
    pub plugin: String,
    pub what: String,
    pub message: String,
}

pub fn compute(mut input: Input, catalog: &Catalog, retries: &Retries, course: &Course<'_>) -> Result<Output, Stop> {
    let silenced = std::mem::take(&mut input.silenced);
    let mut batch = wave::Batch::new(input, catalog, retries, course);
    let mut output = batch.run().map(|()| batch.finish())?;
    let checkpoint = output.changes.checkpoint;
    output.changes.tombstones = silenced;
    output.changes.tombstones.retain(|silenced| silenced.position <= checkpoint);
    Ok(output)
}

/// The lane of each part.
type Homes = HashMap<PartId, usize>;

/// The instant that a batch's item happens at, by the tenant's clock.
type Now = Timestamp;
