//! What a rerun of a batch does differently: objects whose key or unique field existed are asked again with
//! another seed, three times, then refused.

use hashbrown::HashMap;
use openhub_model::Id;

use super::place::Place;

/// Who asks for an object: a run at its step, or an event's rule at its ordinal.
pub type RequestKey = (Id, u32);

/// Which request gave an object of that kind and key its key or its last unique value, in this attempt.
pub type Made = HashMap<(String, String), (Place, RequestKey)>;

const ATTEMPTS: u32 = 3;

/// Attempts spent by requests that met a conflict.
#[derive(Clone, Debug, Default)]
pub struct Retries {
    spent: HashMap<RequestKey, u32>,
    /// What the machine stopped again and again counts as the fault of its row.
    pub give_up: bool,
}

impl Retries {
    /// The attempt to make, from 0, after those of earlier runs of the batch and of this one; none if all are spent and
    /// the request is refused.
    pub fn attempt(&self, request: &RequestKey, again: &Retries) -> Option<u32> {
        let spent = |retries: &Retries| retries.spent.get(request).copied().unwrap_or(0);
        let spent = spent(self) + spent(again);
        (spent < ATTEMPTS).then_some(spent)
    }

    pub fn spend(&mut self, request: RequestKey) {
        *self.spent.entry(request).or_default() += 1;
    }

    /// Of the requests that gave these objects what is taken, the first in the order of the log is asked again: what comes
    /// behind it may turn out otherwise then. False if nobody in the batch did.
    pub fn spend_first(&mut self, made: &Made, keys: impl Iterator<Item = (String, String)>) -> bool {
        let first = keys.filter_map(|key| made.get(&key)).min();
        first.map(|(_, request)| self.spend(*request)).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.spent.is_empty() && !self.give_up
    }
}
