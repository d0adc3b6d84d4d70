//! Why COMPUTE stops, and what it lacks.

use openhub_model::PartId;
use openhub_runtime::CallFault;
use openhub_store::{Sought, Unique};

/// COMPUTE could not finish because a plugin failed as a whole; the lane bisects the batch.
#[derive(Clone, Debug, thiserror::Error)]
#[error("plugin `{plugin}` failed at `{what}`: {message}")]
pub struct ComputeFault {
    pub plugin: String,
    pub what: String,
    pub message: String,
}

/// Why COMPUTE stops before the batch is done.
#[derive(Debug)]
pub enum Stop {
    Fault(ComputeFault),
    /// What it lacks: bring it, and run again.
    Lacks(Lacks),
    /// Its budget is spent, at no place where it can be cut: run again, one item at a time.
    Over,
    /// The tenant's lane ends.
    Cancelled,
}

/// What an attempt learned that it should have known before.
#[derive(Debug, Default)]
pub struct Lacks {
    /// Stored objects that LOAD did not bring.
    pub objects: Vec<(String, String)>,
    /// What customers did whom it joins.
    pub deeds: Vec<Sought>,
    /// Customers who touch the same object.
    pub links: Vec<(PartId, PartId)>,
    /// Unique values of which it has to be known who has them.
    pub values: Vec<Unique>,
    /// Objects of which it has to be known who leads to them.
    pub referred: Vec<(String, String)>,
}

impl Lacks {
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
            && self.deeds.is_empty()
            && self.links.is_empty()
            && self.values.is_empty()
            && self.referred.is_empty()
    }
}

impl Stop {
    /// `owner` is a plugin's name.
    pub fn fault(owner: &str, what: &str, fault: &CallFault) -> Stop {
        Stop::Fault(ComputeFault { plugin: owner.to_owned(), what: what.to_owned(), message: fault.to_string() })
    }
}
