//! What a trigger type is: which events the engine looks at for it, and which of them start a run.

use openhub_model::condition::Needs;
use openhub_model::{Condition, Fault};

use crate::context::Moment;
use crate::surroundings::Surroundings;

pub(crate) trait TriggerType {
    /// The name of the events that may start a run: under it the journey is found.
    fn key(&self) -> &str;

    /// Whether an event of that name starts a run, if its customer satisfies the condition.
    fn starts(&self, event: &Moment<'_>) -> bool;

    /// What the customer must satisfy when it happens.
    fn condition(&self) -> Option<&Condition>;

    /// What it asks about customers.
    fn needs(&self, needs: &mut Needs) {
        self.condition().into_iter().for_each(|condition| needs.add(condition));
    }

    /// Its faults, beyond those of its condition.
    fn faults(&self, surroundings: &Surroundings) -> Vec<Fault>;
}
