//! LOAD: everything that an attempt needs, in bulk reads. As many statements for one event as for five thousand.
//! Customers that the lane still holds from earlier batches are not read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::{HashMap, HashSet};
use openhub_model::condition::Needs;
use openhub_model::event::CLOCK_ADVANCED;
use openhub_model::identity::{Marker, Part};
use openhub_model::run::Run;
use openhub_model::timer::Timer;
use openhub_model::{ClockKind, Customer, Event, EventKind, Identity, PartId, Timestamp};
use openhub_store::{AsOf, CustomerFacts, Deed, Lease, Referrer, Room, Scope, Sought, Store, StoreError, Unique};

use crate::ahead::Ahead;
use crate::body::Body;
use crate::catalog::Catalog;
use crate::compute::{Input, Past, Plan, REFERRERS, body, is_awaited, named};
use crate::error::EngineError;
use crate::held::{Held, Known};
use crate::suppression::Suppressions;

/// Timers for each event that an attempt may take: most are cheaper, and a batch that is cut at its timers leaves its
/// events for another commit.
const TIMERS: usize = 2;

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

/// The events and timers of the next attempt, and nothing of their customers yet.
pub enum Picked {
    Idle,
    Control(Box<Event>),
    Batch { plan: Plan, events: Vec<Event>, timers: Vec<Timer> },
}

pub struct Reader<'a> {
    pub store: &'a Store,
    pub scope: &'a Scope,
    pub lease: &'a Lease,
    pub catalog: &'a Catalog,
    /// Stored objects that the last attempt asked for.
    pub needs: &'a [(String, String)],
    /// What it asked for of what customers did.
    pub sought: &'a [Sought],
    /// And of who has unique values.
    pub values: &'a [Unique],
    /// And of who leads to objects.
    pub referred: &'a [(String, String)],
    /// What the batch before this one changes, if its commit is still under way.
    pub ahead: Option<&'a Ahead>,
    pub held: &'a Mutex<Held>,
    /// By which suppressed identities are known.
    pub marker: Marker,
    pub moves: Moves,
    /// For events and customers.
    pub room: Room,
}

/// Whether runs of journeys move in what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    Yes,
    /// Segments are asked and nothing else happens.
    No,
}

impl Reader<'_> {
    /// At most `limit` events and twice as many timers; one of them, if `limit` is 1. `now` is the host's clock, which
    /// moves live tenants.
    pub async fn next(&self, limit: usize, now: Timestamp) -> Result<Next, EngineError> {
        Ok(match self.pick(limit, now).await? {
            Picked::Idle => Next::Idle,
            Picked::Control(event) => Next::Control(event),
            Picked::Batch { plan, events, timers } => {
                let timer_parts: Vec<PartId> = timers.iter().map(|timer| timer.part).collect();
                let input = self.read(plan, events, timer_parts).await?;
                Next::Batch { input: Box::new(input), timers }
            }
        })
    }

    /// Which items the next attempt takes.
    pub async fn pick(&self, limit: usize, now: Timestamp) -> Result<Picked, EngineError> {
        let Lease { clock, clock_kind, checkpoint, .. } = *self.lease;
        let mut events = self.held().unread.take(checkpoint);
        // One more than is taken: what is due behind it does not fire before it. One item alone is read alone: another that
        // cannot be read is not its fault.
        let wanted = limit + usize::from(limit > 1 && clock_kind == ClockKind::Live);
        if events.len() < wanted {
            let last = events.last().map_or(checkpoint, |event| event.position);
            events.append(&mut self.store.next_events(self.scope, last, wanted - events.len(), &self.room).await?);
        }
        let mut rest = events.split_off(limit.min(events.len()));
        let mut next = rest.first().map(|next| next.received_at);
        if let Some(control) = events.iter().position(is_control) {
            if control == 0 && !self.is_due_before(&events[0]).await? {
                return Ok(Picked::Control(Box::new(events.swap_remove(0))));
            }
            rest = Vec::new();
            next = Some(events[control].received_at);
            events.truncate(control);
        }
        let bounds = Plan::bounds(clock_kind, clock, &events);
        let reached = bounds.last().map(|(_, bound)| *bound);
        let until = match clock_kind {
            // The live clock moves by itself: what is due now fires, too, unless it is due behind the next event of the log.
            ClockKind::Live => reached.unwrap_or(clock).max(next.unwrap_or(Timestamp::from_micros(now.micros() + 1))),
            ClockKind::Replay => match reached {
                Some(reached) => reached,
                None => return Ok(Picked::Idle),
            },
        };
        let most = if limit == 1 { 1 } else { limit * TIMERS };
        let mut timers = self.store.due_timers(self.scope, until, most).await?;
        let upto = timers.last().copied().filter(|_| timers.len() >= most);
        if let Some(ahead) = self.ahead {
            ahead.timers(&mut timers, until, upto);
        }
        let mut plan = Plan::cut(clock, checkpoint, until, &mut events, &mut rest, bounds, upto);
        self.held().unread.put(plan.checkpoint, rest);
        if events.is_empty() && timers.is_empty() {
            return Ok(Picked::Idle);
        }
        if limit == 1 && !events.is_empty() {
            // One item alone: the event was not cut, so no timer is due before it.
            timers.clear();
            plan.alone();
        }
        Ok(Picked::Batch { plan, events, timers })
    }

    /// Whether a timer fires before a control event: on a live clock it happens when it was received, and a replay's clock is
    /// not moved by it.
    async fn is_due_before(&self, control: &Event) -> Result<bool, EngineError> {
        match self.lease.clock_kind {
            ClockKind::Live => {
                let before = self.lease.clock.max(control.received_at);
                Ok(!self.store.due_timers(self.scope, before, 1).await?.is_empty())
            }
            ClockKind::Replay => Ok(false),
        }
    }

    /// What `plan` needs to know of the customers of these events, and of these.
    pub async fn read(&self, plan: Plan, events: Vec<Event>, timer_parts: Vec<PartId>) -> Result<Input, EngineError> {
        let (mut events, mut bodies) = read_bodies(events).await?;
        let Reader { store, scope, catalog, marker, .. } = *self;
        let silenced = Suppressions { store, scope, catalog, marker }.silence(&mut events, &mut bodies).await?;
        let pairs = self.pairs(&events, &bodies);
        let subjects: HashSet<PartId> =
            events.iter().filter_map(|event| event.part).chain(timer_parts.clone()).collect();
        let claimed = pairs.iter().map(|(_, identity)| identity.part(self.lease.tenant));
        let mut touched = distinct(subjects.iter().copied().chain(claimed));
        let mut held = self.held().take(&mut touched);
        let (touched, claimed) = touched.into_iter().partition(|part| subjects.contains(part));
        let (mut parts, mut claims) =
            tokio::try_join!(self.parts(touched, claimed), self.store.judged_pairs(self.scope, &pairs),)?;
        let ids = distinct(parts.iter().map(|part| part.customer));
        let all: Vec<PartId> = parts.iter().map(Part::id).collect();
        let (customers, mut runs, mut entries, mut facts) = tokio::try_join!(
            self.store.load_customers(self.scope, &ids, &self.room),
            self.runs(&all),
            self.entries(&all),
            self.facts(&ids, &parts, self.catalog.segments.needs()),
        )?;
        let mut customers: Vec<Arc<Customer>> = customers.into_iter().map(Arc::new).collect();
        self.refresh(&mut held).await?;
        if let Some(ahead) = self.ahead {
            ahead.claims(&mut claims, &pairs);
        }
        for Known { parts: of, customer, runs: waiting, entries: entered, facts: known } in held {
            facts.extend(of.first().map(|first| (first.customer, known)));
            parts.extend(of);
            customers.extend(customer);
            runs.extend(waiting);
            entries.extend(entered);
        }
        let mut objects = Default::default();
        if !self.needs.is_empty() {
            objects = self.objects().await?;
        }
        let holders = self.holders().await?;
        let referrers = self.referrers().await?;
        let deeds = self.deeds(&pairs, &parts, &runs).await?;
        let tenant = self.lease.tenant;
        Ok(Input {
            tenant,
            marker: self.marker,
            plan,
            events,
            bodies,
            timer_parts,
            parts,
            claims,
            customers,
            runs,
            entries,
            facts,
            objects,
            holders,
            referrers,
            deeds,
            silenced,
        })
    }

    async fn holders(&self) -> Result<Vec<(Unique, Option<String>)>, StoreError> {
        let stored: HashMap<Unique, String> = match self.values {
            [] => return Ok(Vec::new()),
            values => self.store.holders(self.scope, values).await?.into_iter().collect(),
        };
        Ok(self.values.iter().map(|value| (value.clone(), stored.get(value).cloned())).collect())
    }

    async fn referrers(&self) -> Result<Vec<((String, String), Vec<Referrer>)>, StoreError> {
        let stored = match self.referred {
            [] => return Ok(Vec::new()),
            referred => self.store.referrers(self.scope, referred, REFERRERS + 1).await?,
        };
        let of = |key: &(String, String)| {
            let leads = |referrer: &&Referrer| referrer.leads.to.kind == key.0 && referrer.leads.to.key == key.1;
            stored.iter().filter(leads).cloned().collect()
        };
        Ok(self.referred.iter().map(|key| (key.clone(), of(key))).collect())
    }

    /// What customers whom an event may join did while a run of the other waited for it. Ahead of a commit that cannot be
    /// read yet, so such a batch waits for its turn.
    async fn deeds(
        &self,
        pairs: &[(PartId, Identity)],
        parts: &[Part],
        runs: &[Run],
    ) -> Result<Vec<(Sought, Vec<Past>)>, EngineError> {
        if self.ahead.is_some() || self.catalog.awaited.is_empty() || (pairs.is_empty() && self.sought.is_empty()) {
            return Ok(Vec::new());
        }
        let mut sought: HashMap<(PartId, &str), i64> = HashMap::new();
        let mut seek = |part: PartId, name, since: i64| {
            let known = sought.entry((part, name)).or_insert(since);
            *known = since.min(*known);
        };
        self.sought.iter().for_each(|asked| seek(asked.part, &asked.name, asked.since));
        let owners: HashMap<PartId, PartId> = parts.iter().map(|part| (part.id(), part.customer)).collect();
        for (part, identity) in pairs {
            let both = owners.get(part).zip(owners.get(&identity.part(self.lease.tenant)));
            let Some((left, right)) = both.filter(|(left, right)| left != right) else { continue };
            for run in runs.iter().filter(|run| run.since > 0) {
                let Some(owner) = owners.get(&run.part).filter(|_| !run.awaits.is_empty()) else { continue };
                let other = match owner {
                    owner if owner == left => right,
                    owner if owner == right => left,
                    _ => continue,
                };
                let others = parts.iter().filter(|part| part.customer == *other && part.seen);
                for part in others {
                    run.awaits.iter().for_each(|name| seek(part.id(), name, run.since));
                }
            }
        }
        let sought = sought.into_iter().map(|((part, name), since)| Sought { part, name: name.to_owned(), since });
        let mut sought: Vec<Sought> = sought.collect();
        sought.sort_unstable();
        let mut brought: Vec<(Sought, Vec<Past>)> = sought.iter().map(|sought| (sought.clone(), Vec::new())).collect();
        for Deed { sought, root, event } in self.store.deeds(self.scope, &sought).await? {
            if is_awaited(event.kind) {
                let properties = Body::read(event.kind, &event.body).properties;
                let Event { message_id, name, occurred_at: at, .. } = event;
                brought[sought].1.push(Past { root, message_id: message_id.into(), name, at, properties });
            }
        }
        Ok(brought)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What others than the lane write is read anew: messages, and objects.
    async fn refresh(&self, held: &mut [Known]) -> Result<(), StoreError> {
        let needs = self.catalog.segments.needs();
        let written = Needs { messages: needs.messages, objects: needs.objects.clone(), ..Needs::default() };
        if written == Needs::default() || held.is_empty() {
            return Ok(());
        }
        let customers: Vec<PartId> = held.iter().map(|known| known.parts[0].customer).collect();
        let parts: Vec<Part> = held.iter().flat_map(|known| &known.parts).cloned().collect();
        let mut read = self.facts(&customers, &parts, &written).await?;
        if let Some(ahead) = self.ahead {
            ahead.objects(&mut read, &parts);
        }
        for (known, (_, read)) in held.iter_mut().zip(read) {
            (known.facts.messages, known.facts.objects) = (read.messages, read.objects);
        }
        Ok(())
    }

    /// What segments and journeys may ask about these customers, as of the last commit that is known.
    async fn facts(
        &self,
        customers: &[PartId],
        parts: &[Part],
        needs: &Needs,
    ) -> Result<Vec<(PartId, CustomerFacts)>, StoreError> {
        if self.catalog.segments.is_empty() || customers.is_empty() {
            return Ok(Vec::new());
        }
        let mut asked: Vec<(PartId, Vec<PartId>)> = customers.iter().map(|customer| (*customer, Vec::new())).collect();
        let places: HashMap<PartId, usize> =
            customers.iter().enumerate().map(|(place, customer)| (*customer, place)).collect();
        for part in parts {
            asked[places[&part.customer]].1.push(part.id());
        }
        let Lease { clock, checkpoint, .. } = *self.lease;
        let as_of = AsOf { now: clock, checkpoint };
        let facts = self.store.facts(self.scope, &asked, needs, as_of).await?;
        Ok(customers.iter().copied().zip(facts).collect())
    }

    /// What the events claim: an identity to be of a part's customer.
    fn pairs(&self, events: &[Event], bodies: &[Body]) -> Vec<(PartId, Identity)> {
        let mut pairs = HashSet::new();
        for (event, body) in events.iter().zip(bodies) {
            let Some(part) = event.part else { continue };
            pairs.extend(named(body, event, self.catalog).into_iter().map(|named| (part, named)));
        }
        let mut pairs: Vec<(PartId, Identity)> = pairs.into_iter().collect();
        pairs.sort_unstable_by_key(|(part, _)| *part);
        pairs
    }

    /// All parts of the customers whom `subjects` and `claimed` belong to. What is claimed is mostly its subject's own:
    /// what was read with the subjects is not looked up again.
    async fn parts(&self, subjects: Vec<PartId>, mut claimed: Vec<PartId>) -> Result<Vec<Part>, StoreError> {
        let mut parts = self.store.load_parts(self.scope, &subjects, &self.room).await?;
        let known: HashSet<PartId> = parts.iter().map(Part::id).collect();
        claimed.retain(|part| !known.contains(part));
        parts.append(&mut self.store.load_parts(self.scope, &claimed, &self.room).await?);
        Ok(parts)
    }

    /// Those that wait, where they move or a condition asks for them.
    async fn runs(&self, parts: &[PartId]) -> Result<Vec<Run>, StoreError> {
        if self.moves == Moves::No && self.catalog.segments.needs().journeys.is_empty() {
            return Ok(Vec::new());
        }
        self.store.waiting_runs(self.scope, parts).await
    }

    async fn entries(&self, parts: &[PartId]) -> Result<Vec<openhub_store::Entry>, StoreError> {
        if self.moves == Moves::No {
            return Ok(Vec::new());
        }
        let limited = self.catalog.journeys.values();
        let limited = limited.filter(|journey| journey.reentry() != openhub_journey::Reentry::Always);
        let mut names: Vec<String> = limited.map(|journey| journey.name().to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() { Ok(Vec::new()) } else { self.store.entries(self.scope, &names, parts).await }
    }

    async fn objects(&self) -> Result<HashMap<(String, String), Option<openhub_model::Object>>, StoreError> {
        let stored = self.store.objects_by_key(self.scope, self.needs).await?;
        let mut objects: HashMap<_, _> = self.needs.iter().map(|key| (key.clone(), None)).collect();
        for object in stored {
            objects.insert((object.kind.clone(), object.key.clone()), Some(object));
        }
        Ok(objects)
    }
}

/// An advance of the clock is an item of a batch like any event; every other control event stands alone.
fn is_control(event: &Event) -> bool {
    event.kind == EventKind::Control && event.name != CLOCK_ADVANCED
}

/// Parses what the events say, off the threads that serve others.
async fn read_bodies(events: Vec<Event>) -> Result<(Vec<Event>, Vec<Body>), EngineError> {
    let read = tokio::task::spawn_blocking(move || {
        let bodies = events.iter().map(body).collect();
        (events, bodies)
    });
    Ok(read.await?)
}

fn distinct(parts: impl Iterator<Item = PartId>) -> Vec<PartId> {
    let mut seen = HashSet::with_capacity(parts.size_hint().0);
    parts.filter(|part| seen.insert(*part)).collect()
}
