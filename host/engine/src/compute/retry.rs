//! What a rerun of a batch does differently: objects whose key or unique field existed are asked again with
//! another seed, three times, then refused.

use hashbrown::HashMap;
use openhub_model::Id;
use openhub_store::Clash;

use super::place::Place;

/// Who asks for an object: a run at its step, or an event's rule at its ordinal.
pub type RequestKey = (Id, u32);

/// Who gave an object what it has, in this attempt, and where: its key, and each of its unique values.
#[derive(Clone, Debug, Default)]
pub struct Makers {
    pub key: Option<(Place, RequestKey)>,
    /// By field and value.
    pub values: Vec<((String, String), (Place, RequestKey))>,
}

/// By type and key.
pub type Made = HashMap<(String, String), Makers>;

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

    /// Of the requests that gave objects what others have, the first in the order of the log is asked again: what comes behind
    /// it may turn out otherwise then. False if nobody in the batch did.
    pub fn spend_first(&mut self, made: &Made, clashes: &[Clash]) -> bool {
        let makers = clashes.iter().filter_map(|Clash { object, value }| {
            let makers = made.get(&(object.kind.clone(), object.key.clone()))?;
            match value {
                None => makers.key,
                Some(value) => makers.values.iter().find(|(given, _)| given == value).map(|(_, by)| *by),
            }
        });
        makers.min().map(|(_, request)| self.spend(request)).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.spent.is_empty() && !self.give_up
    }
}
