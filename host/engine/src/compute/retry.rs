//! What a rerun of a batch does differently: objects whose key or unique field existed are asked again with
//! another seed, three times, then refused.

use hashbrown::HashMap;
use openhub_model::Id;

/// Who asks for an object: a run at its step, or an event's rule at its ordinal.
pub type RequestKey = (Id, u32);

/// Which request made an object of that kind and key, in this attempt.
pub type Made = HashMap<(String, String), RequestKey>;

const ATTEMPTS: u32 = 3;

/// Attempts spent by requests that met a conflict.
#[derive(Clone, Debug, Default)]
pub struct Retries {
    spent: HashMap<RequestKey, u32>,
    /// What the machine stopped again and again counts as the fault of its row.
    pub give_up: bool,
}

impl Retries {
    /// The attempt to make, from 0; none if all are spent and the request is refused.
    pub fn attempt(&self, request: &RequestKey) -> Option<u32> {
        let spent = self.spent.get(request).copied().unwrap_or(0);
        (spent < ATTEMPTS).then_some(spent)
    }

    pub fn spend(&mut self, request: RequestKey) {
        *self.spent.entry(request).or_default() += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.spent.is_empty() && !self.give_up
    }
}
