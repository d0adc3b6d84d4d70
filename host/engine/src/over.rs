//! A version of a plugin over a stretch of the log, beside the active one: both are asked about the events that are there, with the
//! customers as they are now, and what they answer differently is told. Nothing is written.

use std::collections::HashMap;
use std::sync::Arc;

use openhub_model::identity::Marker;
use openhub_model::{Customer, Event, EventKind, PartId, TenantId, Timestamp};
use openhub_runtime::Observed;
use openhub_store::{EventFilter, PluginVersion, Scope, ShadowCount, ShadowRow, StoreError};

use crate::catalog::{Allowance, Catalog, Enabled, Rule, beside, granted_imports};
use crate::compute::{Comparison, Pair, asked_over};
use crate::engine::Engine;
use crate::error::EngineError;

/// Events of a call at most, and of an answer.
const PAGE: usize = 1_000;
const PAGES: usize = 10;

/// A stretch of the log: behind a position, up to another one.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    pub after: i64,
    pub to: i64,
}

/// What came of it.
pub struct Over {
    pub counts: Vec<ShadowCount>,
    pub rows: Vec<ShadowRow>,
    /// Where the next part begins; none: it came to the end.
    pub next: Option<i64>,
}

impl Engine {
    /// Compares a version with the active one over a stretch of the log, or the first part of it. The plugin has to run.
    pub async fn compare(
        &self,
        scope: &Scope,
        name: &str,
        version: &PluginVersion,
        stretch: Stretch,
    ) -> Result<Option<Over>, EngineError> {
        let catalog = self.in_force(scope).await?;
        let Some(active) = catalog.plugins.get(name).cloned() else { return Ok(None) };
        let grant = active.installation.grant.clone();
        let granted = granted_imports(&grant, &version.manifest);
        let loaded = self.prepared().plugin(name, &version.digest, granted).await?;
        // What it logs is nobody's: nothing is written.
        let tried = Enabled::new(beside(&active.installation, version, &grant), loaded, Observed::default());
        let pairs = Arc::new(pairs(&catalog, name, &Arc::new(tried)));
        let (tenant, marker) = (scope.tenant(), self.marker());
        let mut comparison = Comparison::default();
        let mut after = stretch.after;
        for _ in 0..PAGES {
            let filter = EventFilter { after: Some(after), limit: PAGE, ..EventFilter::default() };
            let mut events = self.store().events(scope, &filter).await?;
            events.retain(|event| event.position <= stretch.to);
            let Some(last) = events.last().map(|event| event.position) else {
                let (counts, rows) = comparison.finish();
                return Ok(Some(Over { counts, rows, next: None }));
            };
            after = last;
            events.retain(|event| !event.historical && event.kind != EventKind::Control);
            let parts: Vec<PartId> = events.iter().filter_map(|event| event.part).collect();
            let customers = self.store().customers_by_part(scope, &parts).await?;
            let (turn, pairs) = (self.shared.turns.take(tenant).await, pairs.clone());
            let asked = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                ask(&pairs, (tenant, &marker), &events, &customers, &mut comparison);
                comparison
            });
            comparison = asked.await?;
        }
        let (counts, rows) = comparison.finish();
        Ok(Some(Over { counts, rows, next: (after < stretch.to).then_some(after) }))
    }

    /// Behind which position the events were received from an instant on.
    pub async fn position_before(&self, scope: &Scope, instant: Timestamp) -> Result<i64, StoreError> {
        let (mut low, mut high) = (0, self.store().standing(scope).await?.head);
        // Events are stored in the order in which they come.
        while low < high {
            let middle = low + (high - low) / 2;
            let filter = EventFilter { after: Some(middle), limit: 1, ..EventFilter::default() };
            match self.store().events(scope, &filter).await?.first() {
                Some(event) if event.received_at < instant => low = event.position,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

/// The rules of the active version with those of the other one, in the order of evaluation.
fn pairs(catalog: &Arc<Catalog>, name: &str, tried: &Arc<Enabled>) -> Vec<(Arc<Catalog>, usize, Rule)> {
    let rules = catalog.rules.iter().enumerate().filter(|(_, rule)| rule.owner.installation.name == name);
    // Whoever reads objects is left out: LOAD alone knows which objects an event leads to.
    let rules = rules.filter(|(_, rule)| !rule.looks());
    let pairs = rules.filter_map(|(at, rule)| {
        let shapes = &tried.installation.manifest.rules;
        let same = shapes.iter().find(|shape| *shape.name == *rule.name)?;
        Some((catalog.clone(), at, Rule::of(same, tried)))
    });
    pairs.collect()
}

fn ask(
    pairs: &[(Arc<Catalog>, usize, Rule)],
    (tenant, marker): (TenantId, &Marker),
    events: &[Event],
    customers: &HashMap<PartId, Arc<Customer>>,
    comparison: &mut Comparison,
) {
    for (catalog, at, shadow) in pairs {
        let pair = Pair { tenant, marker, active: &catalog.rules[*at], shadow };
        // One of its own each time, so that the same stretch gives the same report.
        asked_over(&pair, events, customers, comparison, &Allowance::default());
    }
}
