//! LOAD: everything that an attempt needs, in bulk reads. As many statements for one event as for five thousand.

use std::collections::HashSet;

use openhub_model::run::Timer;
use openhub_model::{ClockKind, Event, EventKind, PartId, Timestamp};
use openhub_store::{AsOf, CustomerFacts, Lease, Scope, Store, StoreError};

use crate::ahead::Ahead;
use crate::catalog::Catalog;
use crate::compute::{Input, Plan};

/// What the next attempt is about.
pub enum Next {
    /// Nothing is to be done.
    Idle,
    /// A change of what the engine runs: an attempt of its own.
    Control(Box<Event>),
    Batch {
        input: Box<Input>,
        timers: Vec<Timer>,
    },
}

pub struct Reader<'a> {
    pub store: &'a Store,
    pub scope: &'a Scope,
    pub lease: &'a Lease,
    pub catalog: &'a Catalog,
    /// Stored objects that the last attempt asked for.
    pub needs: &'a [(String, String)],
    /// The greatest position given out before the batch that is still under way.
    pub head: i64,
    /// What the batch before this one changes, if its commit is still under way.
    pub ahead: Option<&'a Ahead<'a>>,
}

impl Reader<'_> {
    /// At most `limit` events and `limit` timers. `now` is the host's clock, which moves live tenants.
    pub async fn next(&self, limit: usize, now: Timestamp) -> Result<Next, StoreError> {
        let Lease { clock, clock_kind, checkpoint, .. } = *self.lease;
        let mut events = self.store.load_events(self.scope, checkpoint, limit).await?;
        if let Some(control) = events.iter().position(is_control) {
            if control == 0 {
                return Ok(Next::Control(Box::new(events.swap_remove(0))));
            }
            events.truncate(control);
        }
        let bounds = Plan::bounds(clock_kind, clock, &events);
        let reached = bounds.last().map(|(_, bound)| *bound);
        let until = match clock_kind {
            // The live clock moves by itself: what is due now fires, too.
            ClockKind::Live => reached.unwrap_or(clock).max(Timestamp::from_micros(now.micros() + 1)),
            ClockKind::Replay => match reached {
                Some(reached) => reached,
                None => return Ok(Next::Idle),
            },
        };
        let mut timers = self.store.due_timers(self.scope, until, limit).await?;
        let upto = timers.last().copied().filter(|_| timers.len() >= limit);
        if let Some(ahead) = self.ahead {
            ahead.timers(&mut timers, until, upto);
        }
        let mut plan = Plan::cut(clock, checkpoint, until, &mut events, bounds, upto);
        if events.is_empty() && timers.is_empty() {
            return Ok(Next::Idle);
        }
        if limit == 1 && !events.is_empty() {
            // One item alone: the event was not cut, so no timer is due before it.
            timers.clear();
            plan.alone();
        }
        let timer_parts: Vec<PartId> = timers.iter().map(|timer| timer.part).collect();
        let input = self.read(plan, events, timer_parts).await?;
        Ok(Next::Batch { input: Box::new(input), timers })
    }

    /// What `plan` needs to know of the customers of these events, and of these.
    pub async fn read(&self, plan: Plan, events: Vec<Event>, timer_parts: Vec<PartId>) -> Result<Input, StoreError> {
        let parts = parts(&events, &timer_parts);
        let (mut customers, mut runs, mut entries, mut facts) = tokio::try_join!(
            self.store.customers_by_part(self.scope, &parts),
            self.store.waiting_runs(self.scope, &parts),
            self.entries(&parts),
            self.facts(&parts),
        )?;
        if let Some(ahead) = self.ahead {
            ahead.customers(&mut customers, &parts);
            ahead.runs(&mut runs, &parts);
            ahead.entries(&mut entries, &parts);
            ahead.facts(&mut facts, self.catalog);
        }
        let mut objects = Default::default();
        if !self.needs.is_empty() {
            objects = self.objects().await?;
        }
        let tenant = self.lease.tenant;
        Ok(Input { tenant, plan, events, timer_parts, customers, runs, entries, facts, objects })
    }

    /// What segments and journeys may ask about these customers, as of the last commit that is known.
    pub async fn facts(&self, customers: &[PartId]) -> Result<Vec<(PartId, CustomerFacts)>, StoreError> {
        let segments = &self.catalog.segments;
        if segments.is_empty() {
            return Ok(Vec::new());
        }
        let Lease { clock, checkpoint, .. } = *self.lease;
        let caused = if self.ahead.is_some() { self.head } else { i64::MAX };
        let as_of = AsOf { now: clock, checkpoint, caused };
        let asked: Vec<(PartId, Vec<PartId>)> = customers.iter().map(|customer| (*customer, vec![*customer])).collect();
        let facts = self.store.facts(self.scope, &asked, segments.needs(), as_of).await?;
        Ok(customers.iter().copied().zip(facts).collect())
    }

    async fn entries(&self, parts: &[PartId]) -> Result<Vec<openhub_store::Entry>, StoreError> {
        let limited = self.catalog.journeys.values();
        let limited = limited.filter(|journey| journey.reentry() != openhub_journey::Reentry::Always);
        let mut names: Vec<String> = limited.map(|journey| journey.name().to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() { Ok(Vec::new()) } else { self.store.entries(self.scope, &names, parts).await }
    }

    async fn objects(
        &self,
    ) -> Result<std::collections::HashMap<(String, String), Option<openhub_model::Object>>, StoreError> {
        let stored = self.store.objects_by_key(self.scope, self.needs).await?;
        let mut objects: std::collections::HashMap<_, _> = self.needs.iter().map(|key| (key.clone(), None)).collect();
        for object in stored {
            objects.insert((object.kind.clone(), object.key.clone()), Some(object));
        }
        Ok(objects)
    }
}

/// An advance of the clock is an item of a batch like any event; every other control event stands alone.
fn is_control(event: &Event) -> bool {
    event.kind == EventKind::Control && event.name != "clock.advanced"
}

fn parts(events: &[Event], timers: &[PartId]) -> Vec<PartId> {
    let mut seen = HashSet::with_capacity(events.len() + timers.len());
    let parts = events.iter().filter_map(|event| event.part).chain(timers.iter().copied());
    parts.filter(|part| seen.insert(*part)).collect()
}
