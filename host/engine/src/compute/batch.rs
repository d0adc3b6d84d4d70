//! A batch of one tenant: its customers as LOAD read them, what COMPUTE has done so far, and the changes that this adds up to.

use hashbrown::HashMap;
use openhub_model::identity::Marker;
use openhub_model::timer::Timer;
use openhub_model::{EventKind, Id, Month, NewEvent, PartId, Quarter, TenantId, Timestamp};
use openhub_store::{Active, Changes, Decision, NewFault, NewMatch, SetAside, Unique};

use super::actor::{Actor, Member, Tracked};
use super::ask::Asks;
use super::beside::Comparison;
use super::claims::{Claims, named};
use super::cluster::{Cluster, Links};
use super::course::{Course, Order, Spent};
use super::event::Happening;
use super::input::Input;
use super::output::{Output, Tally};
use super::past::Meanwhile;
use super::place::Place;
use super::plan::{Fire, Plan};
use super::record::Recorder;
use super::retry::Retries;
use super::slots::{Objects, Touched};
use super::stop::{Lacks, Stop};
use super::traces::Traces;
use crate::catalog::{Catalog, Enabled};
use crate::held::Known;
use crate::meter::Meter;

/// The actor of each part.
type Homes = HashMap<PartId, usize>;

pub struct Batch<'a> {
    pub tenant: TenantId,
    pub marker: Marker,
    pub catalog: &'a Catalog,
    pub retries: &'a Retries,
    pub actors: Vec<Actor>,
    pub homes: Homes,
    pub claims: Claims,
    pub meanwhile: Meanwhile,
    pub matches: Vec<NewMatch>,
    pub decisions: Vec<Decision>,
    pub objects: Objects,
    pub asks: Asks,
    /// Each with the place of what caused it.
    pub events: Vec<(Place, NewEvent)>,
    pub faults: Vec<NewFault>,
    pub set_aside: Vec<SetAside>,
    pub arrivals: Vec<(Place, NewEvent)>,
    pub traces: Traces,
    /// Runs that ended for the sake of another one, with their parts.
    pub taken_back: Vec<(PartId, Id)>,
    pub tally: Tally,
    /// The customers that are active in a month, each with the quarter of an hour in which the first of its events here arrived.
    pub seen: HashMap<(Month, PartId), Quarter>,
    /// What plugins used.
    meter: Meter,
    /// What shadows answered.
    pub comparison: Comparison,
    pub recorder: Recorder,
    /// What this run asks again, since another object of the batch had the key or the value.
    pub asked_again: Retries,
    pub lacks: Lacks,
    pub touched: Touched,
    pub spent: Spent,
    pub fire: Fire,
    pub course: &'a Course<'a>,
    pub active: Vec<Cluster>,
    /// All events, those that are nobody's included: position, the clock at it, and its bound.
    pub log: Vec<(i64, Timestamp, Timestamp)>,
    pub reach: Reach,
    /// The place of the last item that was handled, in the order of the log.
    pub furthest: Place,
    pub cut: Option<Place>,
}

/// Where the tenant stands: its clock and its checkpoint.
pub struct Reach {
    pub before: (Timestamp, i64),
    pub after: (Timestamp, i64),
}

impl<'a> Batch<'a> {
    pub fn new(input: Input, catalog: &'a Catalog, retries: &'a Retries, course: &'a Course<'a>) -> Batch<'a> {
        let mut actors: Vec<Actor> = Vec::new();
        let mut homes = Homes::with_capacity(input.parts.len().max(input.events.len()));
        let mut customers = HashMap::with_capacity(input.customers.len());
        for part in input.parts {
            let actor = *customers.entry(part.customer).or_insert_with(|| {
                actors.push(Actor { members: Vec::with_capacity(1), ..Actor::default() });
                actors.len() - 1
            });
            homes.insert(part.id(), actor);
            actors[actor].members.push(Member { part, changed: false });
        }
        for actor in actors.iter_mut().filter(|actor| actor.members.len() > 1) {
            actor.members.sort_by_key(|member| member.part.age);
        }
        for customer in input.customers {
            if let Some(actor) = customers.get(&customer.customer) {
                actors[*actor].stored.push(customer.customer);
                actors[*actor].segments.stored(&customer);
                actors[*actor].customer = Some(customer);
            }
        }
        for (customer, facts) in input.facts {
            if let Some(actor) = customers.get(&customer) {
                actors[*actor].segments.facts = facts;
            }
        }
        let mut home = |actors: &mut Vec<Actor>, part: PartId| {
            *homes.entry(part).or_insert_with(|| {
                actors.push(Actor::default());
                actors.len() - 1
            })
        };
        let mut links = Links::default();
        let bounds = input.events.iter().zip(&input.plan.bounds);
        let log = bounds.map(|(event, (now, bound))| (event.position, *now, *bound)).collect();
        let moments = input.events.iter().zip(input.bodies).zip(&input.plan.bounds);
        for ((event, body), (now, bound)) in moments {
            let Some(part) = event.part.filter(|_| event.kind != EventKind::Control) else { continue };
            let actor = home(&mut actors, part);
            for named in named(&body, event, catalog) {
                links.join(actor, home(&mut actors, named.part(input.tenant)));
            }
            actors[actor].arrived.push_back(Box::new(Happening::of(event, body, *now, *bound)));
        }
        for part in input.timer_parts {
            home(&mut actors, part);
        }
        let mut runs = input.runs;
        runs.sort_by_key(|run| run.id);
        for run in runs {
            let actor = home(&mut actors, run.part);
            let held = catalog.paused.contains(&run.journey);
            actors[actor].runs.push(Tracked::stored(run, held));
        }
        for entry in input.entries {
            let actor = home(&mut actors, entry.part);
            actors[actor].entries.push(entry);
        }
        for (part, actor) in &homes {
            actors[*actor].known_by = Some(*part);
        }
        for (left, right) in course.links {
            if let (Some(left), Some(right)) = (homes.get(left), homes.get(right)) {
                links.join(*left, *right);
            }
        }
        let active = match course.order {
            Order::Waves => links.clusters(&mut actors),
            Order::Serial => {
                actors.iter_mut().for_each(|actor| actor.linked = true);
                vec![Cluster::serial(actors.len())]
            }
        };
        let mut objects = Objects::default();
        for (key, stored) in input.objects {
            let shape = catalog.objects.get(&key.0).map(|object| &object.shape);
            objects.load(key, stored, shape);
        }
        for (value, holder) in input.holders {
            objects.held_by(value, holder);
        }
        for (key, by) in input.referrers {
            objects.referred(key, by);
        }
        let Plan { from, clock, checkpoint, fire, .. } = input.plan;
        Batch {
            tenant: input.tenant,
            marker: input.marker,
            catalog,
            retries,
            active,
            actors,
            homes,
            claims: Claims::stored(input.claims),
            meanwhile: Meanwhile::of(input.deeds),
            matches: Vec::new(),
            decisions: Vec::new(),
            objects,
            asks: Asks::default(),
            events: Vec::new(),
            faults: Vec::new(),
            set_aside: Vec::new(),
            arrivals: Vec::new(),
            traces: Traces::default(),
            taken_back: Vec::new(),
            tally: Tally::default(),
            seen: HashMap::new(),
            meter: Meter::default(),
            comparison: Comparison::default(),
            recorder: Recorder::default(),
            asked_again: Retries::default(),
            lacks: Lacks::default(),
            touched: Touched::default(),
            spent: Spent::default(),
            fire,
            course,
            log,
            reach: Reach { before: from, after: (clock, checkpoint) },
            furthest: Place::FIRST,
            cut: None,
        }
    }

    /// Notes that a customer touches an object or a unique value; whoever touches it, too, is linked with them.
    pub fn touch(&mut self, actor: usize, kind: &str, field: &str, value: &str) {
        let actor = &self.actors[actor];
        let what = (kind.to_owned(), field.to_owned(), value.to_owned());
        let others = self.touched.touch(what, actor.cluster, actor.known_by);
        if let Some(part) = actor.known_by {
            self.lacks.links.extend(others.into_iter().map(|other| (other, part)));
        }
    }

    /// Notes that a customer looks at an object or a unique value; whoever changes it is linked with them.
    pub fn look(&mut self, actor: usize, what: Unique) {
        let actor = &self.actors[actor];
        let other = self.touched.look(what, actor.cluster, actor.known_by);
        self.lacks.links.extend(other.zip(actor.known_by));
    }

    /// Gives up if the lane ends: nothing is written then.
    pub fn go_on(&self) -> Result<(), Stop> {
        if (self.course.is_cancelled)() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// The position behind which the batch begins.
    pub fn begins_behind(&self) -> i64 {
        self.reach.before.1
    }

    /// Where the tenant stands after what was done.
    fn reached(&self) -> (Timestamp, i64) {
        let Some(cut) = self.cut else { return self.reach.after };
        let passed = self.log.iter().take_while(|(position, _, bound)| Place::event(*bound, *position) < cut);
        passed.last().map_or(self.reach.before, |(position, clock, _)| (*clock, *position))
    }

    /// What a plugin answered for so many rows.
    pub fn answered(&mut self, rows: usize) {
        self.tally.rows += rows as u64;
    }

    /// What calls of a plugin used, those among them that failed and were made again in pieces.
    pub fn used(&mut self, meter: Meter) {
        let fuel = meter.fuel();
        self.tally.fuel += fuel;
        self.spent.fuel += fuel;
        self.meter.add(meter);
    }

    pub fn finish(mut self) -> Output {
        let is_late = self.cut.is_some() && self.spent.is_late(&self.course.budget);
        let (clock, checkpoint) = self.reached();
        for tracked in self.actors.iter().flat_map(|actor| &actor.runs).filter(|tracked| tracked.changed) {
            self.traces.moved(tracked);
        }
        let (messages, counts) = self.traces.counts();
        // A shadow's fuel is no reason to end the attempt.
        self.meter.add(std::mem::take(&mut self.comparison.meter));
        let (shadow_counts, shadow_rows) = self.comparison.finish();
        let mut changes = Changes {
            clock,
            checkpoint,
            messages,
            counts,
            events: in_order(self.events),
            faults: self.faults,
            set_aside: self.set_aside,
            arrivals: in_order(self.arrivals),
            claims: self.claims.made,
            matches: self.matches,
            decisions: self.decisions,
            taken_back: self.taken_back,
            usage: self.meter.finish(),
            active: self.seen.into_iter().map(|((_, customer), quarter)| Active { customer, quarter }).collect(),
            shadow_counts,
            shadow_rows,
            recordings: self.recorder.kept,
            ..Changes::default()
        };
        let catalog = self.catalog;
        let known = self.actors.into_iter().filter_map(|actor| collect(actor, catalog, &mut changes)).collect();
        let made;
        (changes.objects, made) = self.objects.changes(catalog);
        Output { changes, made, tally: self.tally, known, cut: self.cut, is_late }
    }
}

/// As batches of one would have caused them.
fn in_order(mut events: Vec<(Place, NewEvent)>) -> Vec<NewEvent> {
    events.sort_by_key(|(place, _)| *place);
    events.into_iter().map(|(_, event)| event).collect()
}

/// What has changed of a customer, and the customer for the batches to come; none if nobody was met.
fn collect(mut actor: Actor, catalog: &Catalog, changes: &mut Changes) -> Option<Known> {
    let wake = actor.wake();
    changes.kept.append(&mut actor.kept);
    changes.wakes.extend(actor.segments.waken(actor.customer.as_deref()));
    let timer = |(customer, due)| Timer::wake(customer, due);
    changes.disarmed.extend(actor.segments.wakes().filter(|stored| Some(*stored) != wake).map(timer));
    changes.armed.extend(wake.filter(|wake| actor.segments.wakes().all(|stored| stored != *wake)).map(timer));
    changes.memberships.extend(actor.segments.memberships(actor.customer.as_deref()));
    let mut facts = std::mem::take(&mut actor.segments.facts);
    // What is held is held for long, with the room that it takes.
    let mut runs = Vec::with_capacity(actor.runs.iter().filter(|tracked| tracked.waits()).count());
    for tracked in actor.runs {
        if !tracked.changed {
            runs.push(tracked.run);
            continue;
        }
        let due = tracked.due();
        if due != tracked.stored_due {
            changes.disarmed.extend(tracked.stored_due.map(|due| tracked.timer(due)));
            changes.armed.extend(due.map(|due| tracked.timer(due)));
        }
        if tracked.waits() {
            runs.push(tracked.run.clone());
        } else if catalog.segments.needs().journeys.contains(&tracked.run.journey) {
            facts.runs.push(tracked.fact(catalog));
        }
        changes.runs.push(tracked.run);
    }
    if actor.entries_changed {
        changes.entries.extend(actor.entries.iter().cloned());
    }
    let id = actor.customer.as_ref().map(|customer| customer.customer);
    changes.gone_customers.extend(actor.stored.into_iter().filter(|stored| Some(*stored) != id));
    changes.parts.extend(actor.members.iter().filter(|member| member.changed).map(|member| member.part.clone()));
    if actor.changed {
        changes.customers.extend(actor.customer.clone());
    }
    let mut parts = Vec::with_capacity(actor.members.len());
    parts.extend(actor.members.into_iter().map(|member| member.part));
    let known = Known { parts, customer: actor.customer, runs, entries: actor.entries, facts };
    (!known.parts.is_empty()).then_some(known)
}

/// The version of a plugin that serves a customer; whoever is not known is served by the active one.
pub fn serving<'v>(batch: &Batch<'_>, owner: &'v Enabled, actor: usize) -> &'v Enabled {
    match &batch.actors[actor].customer {
        Some(customer) => owner.serving(batch.tenant, &batch.marker, customer.customer),
        None => owner,
    }
}
