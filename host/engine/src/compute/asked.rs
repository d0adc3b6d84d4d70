//! What conditions ask about a customer as the batch has made them.

use openhub_model::condition::{Facts, RunFact};
use openhub_model::run::RunStatus;
use openhub_model::{Customer, Identity, Timestamp};
use openhub_store::CustomerFacts;

use super::actor::{Actor, Tracked};
use crate::catalog::Catalog;

impl Tracked {
    /// What conditions may ask about the run.
    pub fn fact(&self, catalog: &Catalog) -> RunFact {
        let run = &self.run;
        let journey = catalog.journeys.get(&(run.journey.clone(), run.version));
        let converted = run.status == RunStatus::Done && journey.is_some_and(|journey| journey.converts_at(&run.node));
        RunFact { journey: run.journey.as_str().into(), status: run.status, converted }
    }
}

impl Actor {
    /// What conditions ask about the customer and LOAD cannot know, as it is now.
    pub fn asked(&self, catalog: &Catalog) -> Asked {
        let needs = catalog.segments.needs();
        let identities = match needs.identities {
            true => self.members.iter().map(|member| member.part.identity.clone()).collect(),
            false => Vec::new(),
        };
        let runs = if needs.journeys.is_empty() { Vec::new() } else { self.runs_known(catalog) };
        Asked { identities, runs }
    }

    fn runs_known(&self, catalog: &Catalog) -> Vec<RunFact> {
        let stored = self.segments.facts.runs.iter().filter(|run| run.status != RunStatus::Waiting).cloned();
        let tracked = self.runs.iter().map(|tracked| tracked.fact(catalog));
        stored.chain(tracked).collect()
    }
}

/// Identities and runs of a customer, with all that the batch did to them.
pub struct Asked {
    identities: Vec<Identity>,
    runs: Vec<RunFact>,
}

impl Asked {
    /// All that conditions may ask about the customer now.
    pub fn facts<'a>(&'a self, known: &'a CustomerFacts, customer: &'a Customer, now: Timestamp) -> Facts<'a> {
        Facts { runs: &self.runs, identities: &self.identities, ..known.facts(customer, now) }
    }
}
