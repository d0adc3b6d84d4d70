//! What COMPUTE leaves.

use openhub_model::timer::Timer;
use openhub_store::Changes;

use super::place::Place;
use super::retry::Made;
use crate::held::Known;

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
    pub cut: Option<Place>,
    /// Whether it was cut for the time that it took.
    pub is_late: bool,
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
