//! The batch: lanes of customers, handled wave by wave, and the changes that they add up to.

use hashbrown::HashMap;
use openhub_model::identity::Marker;
use openhub_model::{Event, EventKind, Id, Identity, NewEvent, Origin, PartId, TenantId, Timestamp};
use openhub_runtime::CallFault;
use openhub_store::{Changes, Decision, NewFault, NewMatch, Sought, Unique};
use serde_json::Value;

use super::claims::Claims;
use super::cluster::{Cluster, Links};
use super::course::{Course, Order, Spent};
use super::customer::{Item, Lane, Member, Tracked};
use super::event::{Happening, Only};
use super::journeys::Traces;
use super::meanwhile::Meanwhile;
use super::objects::Request;
use super::place::Place;
use super::segments::{Moment, wake_timer};
use super::slots::{Objects, Touched};
use super::{ComputeFault, Fire, Homes, Input, Output, Plan, Retries, Tally};
use crate::body::{self, Body, Retry};
use crate::catalog::{Catalog, Enabled};
use crate::held::Known;

/// A customer's item of this wave.
pub type Turn = (usize, Item);

/// Why COMPUTE stops before the batch is done.
#[derive(Debug)]
pub enum Stop {
    Fault(ComputeFault),
    /// What it lacks: bring it, and run again.
    Lacks(Lacks),
    /// Its budget is spent, at no place where it can be cut: run again, one item at a time.
    Over,
    /// The tenant's lane ends.
    Cancelled,
}

/// What an attempt learned that it should have known before.
#[derive(Debug, Default)]
pub struct Lacks {
    /// Stored objects that LOAD did not bring.
    pub objects: Vec<(String, String)>,
    /// What customers did whom it joins.
    pub deeds: Vec<Sought>,
    /// Customers who touch the same object.
    pub links: Vec<(PartId, PartId)>,
    /// Unique values of which it has to be known who has them.
    pub values: Vec<Unique>,
}

impl Lacks {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.deeds.is_empty() && self.links.is_empty() && self.values.is_empty()
    }
}

impl Stop {
    pub fn fault(owner: &Enabled, what: &str, fault: &CallFault) -> Stop {
        Stop::Fault(ComputeFault {
            plugin: owner.installation.name.clone(),
            what: what.to_owned(),
            message: fault.to_string(),
        })
    }
}

pub struct Batch<'a> {
    pub(super) tenant: TenantId,
    pub(super) marker: Marker,
    pub(super) catalog: &'a Catalog,
    pub(super) retries: &'a Retries,
    pub(super) lanes: Vec<Lane>,
    pub(super) homes: Homes,
    pub(super) claims: Claims,
    pub(super) meanwhile: Meanwhile,
    pub(super) matches: Vec<NewMatch>,
    pub(super) decisions: Vec<Decision>,
    pub(super) objects: Objects,
    pub(super) requests: Vec<Request>,
    /// Each with the place of what caused it.
    pub(super) events: Vec<(Place, NewEvent)>,
    pub(super) faults: Vec<NewFault>,
    pub(super) arrivals: Vec<(Place, NewEvent)>,
    pub(super) traces: Traces,
    /// Runs that ended for the sake of another one, with their parts.
    pub(super) taken_back: Vec<(PartId, Id)>,
    pub(super) tally: Tally,
    /// What this run asks again, since another object of the batch had the key or the value.
    pub(super) asked_again: Retries,
    pub(super) lacks: Lacks,
    pub(super) touched: Touched,
    pub(super) spent: Spent,
    pub(super) fire: Fire,
    course: &'a Course<'a>,
    active: Vec<Cluster>,
    /// All events, those that are nobody's included: position, the clock at it, and its bound.
    log: Vec<(i64, Timestamp, Timestamp)>,
    plan: Standing,
    /// The place of the last item that was handled, in the order of the log.
    furthest: Place,
    cut: Option<Place>,
}

/// Where the tenant stands: its clock and its checkpoint.
struct Standing {
    before: (Timestamp, i64),
    after: (Timestamp, i64),
}

impl<'a> Batch<'a> {
    pub fn new(input: Input, catalog: &'a Catalog, retries: &'a Retries, course: &'a Course<'a>) -> Batch<'a> {
        let mut lanes: Vec<Lane> = Vec::new();
        let mut homes = Homes::with_capacity(input.parts.len().max(input.events.len()));
        let mut customers = HashMap::with_capacity(input.customers.len());
        for part in input.parts {
            let lane = *customers.entry(part.customer).or_insert_with(|| {
                lanes.push(Lane { members: Vec::with_capacity(1), ..Lane::default() });
                lanes.len() - 1
            });
            homes.insert(part.id(), lane);
            lanes[lane].members.push(Member { part, changed: false });
        }
        for lane in lanes.iter_mut().filter(|lane| lane.members.len() > 1) {
            lane.members.sort_by_key(|member| member.part.age);
        }
        for customer in input.customers {
            if let Some(lane) = customers.get(&customer.customer) {
                lanes[*lane].stored.push(customer.customer);
                lanes[*lane].standing.stored(&customer);
                lanes[*lane].customer = Some(customer);
            }
        }
        for (customer, facts) in input.facts {
            if let Some(lane) = customers.get(&customer) {
                lanes[*lane].standing.facts = facts;
            }
        }
        let mut home = |lanes: &mut Vec<Lane>, part: PartId| {
            *homes.entry(part).or_insert_with(|| {
                lanes.push(Lane::default());
                lanes.len() - 1
            })
        };
        let mut links = Links::default();
        let bounds = input.events.iter().zip(&input.plan.bounds);
        let log = bounds.map(|(event, (now, bound))| (event.position, *now, *bound)).collect();
        let moments = input.events.iter().zip(input.bodies).zip(&input.plan.bounds);
        for ((event, body), (now, bound)) in moments {
            let Some(part) = event.part.filter(|_| event.kind != EventKind::Control) else { continue };
            let lane = home(&mut lanes, part);
            for named in named(&body, event, catalog) {
                links.join(lane, home(&mut lanes, named.part(input.tenant)));
            }
            lanes[lane].arrived.push_back(Box::new(happening(event, body, *now, *bound)));
        }
        for part in input.timer_parts {
            home(&mut lanes, part);
        }
        let mut runs = input.runs;
        runs.sort_by_key(|run| run.id);
        for run in runs {
            let lane = home(&mut lanes, run.part);
            let held = catalog.paused.contains(&run.journey);
            lanes[lane].runs.push(Tracked::stored(run, held));
        }
        for entry in input.entries {
            let lane = home(&mut lanes, entry.part);
            lanes[lane].entries.push(entry);
        }
        for (part, lane) in &homes {
            lanes[*lane].known_by = Some(*part);
        }
        for (left, right) in course.links {
            if let (Some(left), Some(right)) = (homes.get(left), homes.get(right)) {
                links.join(*left, *right);
            }
        }
        let active = match course.order {
            Order::Waves => links.clusters(&mut lanes),
            Order::Serial => {
                lanes.iter_mut().for_each(|lane| lane.linked = true);
                vec![Cluster::serial(lanes.len())]
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
        let Plan { from, clock, checkpoint, fire, .. } = input.plan;
        Batch {
            tenant: input.tenant,
            marker: input.marker,
            catalog,
            retries,
            active,
            lanes,
            homes,
            claims: Claims::stored(input.claims),
            meanwhile: Meanwhile::of(input.deeds),
            matches: Vec::new(),
            decisions: Vec::new(),
            objects,
            requests: Vec::new(),
            events: Vec::new(),
            faults: Vec::new(),
            arrivals: Vec::new(),
            traces: Traces::default(),
            taken_back: Vec::new(),
            tally: Tally::default(),
            asked_again: Retries::default(),
            lacks: Lacks::default(),
            touched: Touched::default(),
            spent: Spent::default(),
            fire,
            course,
            log,
            plan: Standing { before: from, after: (clock, checkpoint) },
            furthest: Place::FIRST,
            cut: None,
        }
    }

    /// Handles all items, or as many as the budget allows. What fails or is spent in a run that lacks something says
    /// nothing: it is run again with what it lacks.
    pub fn run(&mut self) -> Result<(), Stop> {
        let run = self.waves();
        match std::mem::take(&mut self.lacks) {
            _ if matches!(run, Err(Stop::Cancelled)) => run,
            lacks if lacks.is_empty() => run,
            lacks => Err(Stop::Lacks(lacks)),
        }
    }

    fn waves(&mut self) -> Result<(), Stop> {
        while self.wave()? {
            let budget = &self.course.budget;
            if !self.spent.is_over(budget) {
                continue;
            }
            if let Some(cut) = self.clean_cut() {
                self.cut = Some(cut);
                return Ok(());
            }
            if self.course.order == Order::Waves && self.spent.is_far_over(budget) {
                return Err(Stop::Over);
            }
        }
        Ok(())
    }

    /// Where the next item stands, if nothing behind it is handled and nothing before it is left; none at the end.
    fn clean_cut(&mut self) -> Option<Place> {
        if self.lanes.iter().any(Lane::has_caused) {
            return None;
        }
        let (lanes, fire) = (&self.lanes, &self.fire);
        let next = self.active.iter_mut().filter_map(|cluster| cluster.place(lanes, fire)).min()?;
        (next > self.furthest).then_some(next)
    }

    /// Gives up if the lane ends: nothing is written then.
    pub(super) fn go_on(&self) -> Result<(), Stop> {
        if (self.course.is_cancelled)() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// Handles the next item of each customer. False once nobody has one.
    fn wave(&mut self) -> Result<bool, Stop> {
        self.go_on()?;
        let mut wave: Vec<Turn> = Vec::with_capacity(self.active.len());
        let (lanes, fire) = (&mut self.lanes, &self.fire);
        self.active.retain_mut(|cluster| match cluster.next(lanes, fire) {
            Some(turn) => {
                wave.push(turn);
                true
            }
            None => false,
        });
        if wave.is_empty() {
            return Ok(false);
        }
        self.tally.waves += 1;
        self.spent.items += wave.len() as u64;
        for (lane, item) in &mut wave {
            self.furthest = self.furthest.max(self.lanes[*lane].place);
            self.locate(*lane, item);
            self.lanes[*lane].standing.begins();
            if let Item::Event(event) = item {
                self.absorb(*lane, event);
                self.lanes[*lane].learn(&self.catalog.segments, event);
            }
        }
        self.run_rules(&wave)?;
        for (lane, item) in &wave {
            match item {
                Item::Event(event) => {
                    self.tally.events += 1;
                    self.assess(*lane, Moment::of(event));
                    self.make_up(*lane, event);
                    self.meet_event(*lane, event);
                }
                Item::Timer(run, due) => {
                    self.tally.timers += 1;
                    self.meet_timer(*lane, *run, *due);
                }
                Item::Wake(_) => self.tally.timers += 1,
            }
        }
        while !self.requests.is_empty() {
            for answer in self.check_objects()? {
                self.learn_object(&answer);
                self.meet_answer(answer);
            }
        }
        for (lane, item) in &wave {
            match item {
                Item::Event(event) => {
                    self.tell_refused(*lane, event);
                    self.assess(*lane, Moment::of(event));
                }
                Item::Timer(run, due) => {
                    let run = &self.lanes[*lane].runs[*run].run;
                    let cause = format!("{}/{}", run.id, run.step);
                    let moment = Moment::timer(*due, &cause);
                    self.tell_refused(*lane, &moment.happening());
                    self.assess(*lane, moment);
                }
                Item::Wake(due) => {
                    let Some(customer) = &self.lanes[*lane].customer else { continue };
                    let cause = format!("{}/{}", wake_timer(customer.part, *due).id, due.micros());
                    self.assess(*lane, Moment::timer(*due, &cause));
                }
            }
        }
        self.note_done(wave);
        Ok(true)
    }

    /// Notes how far in the log a customer's item is.
    fn locate(&mut self, lane: usize, item: &Item) {
        let state = &mut self.lanes[lane];
        match item {
            Item::Event(event) if event.arrived() => {
                (state.position, state.root) = (event.position, Some(event.position))
            }
            // It goes back to the item before.
            Item::Event(_) => {}
            Item::Timer(..) | Item::Wake(_) => {
                let place = state.place;
                let before = self.log.partition_point(|(position, _, bound)| Place::event(*bound, *position) < place);
                let last = before.checked_sub(1).map(|last| self.log[last].0);
                (state.position, state.root) = (last.unwrap_or(self.plan.before.1), None);
            }
        }
    }

    /// The position behind which the batch begins.
    pub(super) fn begins_behind(&self) -> i64 {
        self.plan.before.1
    }

    /// Where the tenant stands after what was done.
    fn standing(&self) -> (Timestamp, i64) {
        let Some(cut) = self.cut else { return self.plan.after };
        let passed = self.log.iter().take_while(|(position, _, bound)| Place::event(*bound, *position) < cut);
        passed.last().map_or(self.plan.before, |(position, clock, _)| (*clock, *position))
    }

    pub fn finish(mut self) -> Output {
        let (clock, checkpoint) = self.standing();
        for tracked in self.lanes.iter().flat_map(|lane| &lane.runs).filter(|tracked| tracked.changed) {
            self.traces.moved(tracked);
        }
        let (messages, counts) = self.traces.counts();
        let mut changes = Changes {
            clock,
            checkpoint,
            messages,
            counts,
            events: in_order(self.events),
            faults: self.faults,
            arrivals: in_order(self.arrivals),
            claims: self.claims.made,
            matches: self.matches,
            decisions: self.decisions,
            taken_back: self.taken_back,
            ..Changes::default()
        };
        let catalog = self.catalog;
        let known = self.lanes.into_iter().filter_map(|lane| collect(lane, catalog, &mut changes)).collect();
        let made;
        (changes.objects, made) = self.objects.changes(catalog);
        Output { changes, made, tally: self.tally, known, cut: self.cut }
    }
}

/// As batches of one would have caused them.
fn in_order(mut events: Vec<(Place, NewEvent)>) -> Vec<NewEvent> {
    events.sort_by_key(|(place, _)| *place);
    events.into_iter().map(|(_, event)| event).collect()
}

/// What has changed of a customer, and the customer for the batches to come; none if nobody was met.
fn collect(mut lane: Lane, catalog: &Catalog, changes: &mut Changes) -> Option<Known> {
    let wake = lane.wake();
    changes.kept.append(&mut lane.kept);
    changes.wakes.extend(lane.standing.waken(lane.customer.as_deref()));
    let timer = |(customer, due)| wake_timer(customer, due);
    changes.disarmed.extend(lane.standing.wakes().filter(|stored| Some(*stored) != wake).map(timer));
    changes.armed.extend(wake.filter(|wake| lane.standing.wakes().all(|stored| stored != *wake)).map(timer));
    changes.memberships.extend(lane.standing.memberships(lane.customer.as_deref()));
    let mut facts = std::mem::take(&mut lane.standing.facts);
    // What is held is held for long, with the room that it takes.
    let mut runs = Vec::with_capacity(lane.runs.iter().filter(|tracked| tracked.waits()).count());
    for tracked in lane.runs {
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
    if lane.entries_changed {
        changes.entries.extend(lane.entries.iter().cloned());
    }
    let id = lane.customer.as_ref().map(|customer| customer.customer);
    changes.gone_customers.extend(lane.stored.into_iter().filter(|stored| Some(*stored) != id));
    changes.parts.extend(lane.members.iter().filter(|member| member.changed).map(|member| member.part.clone()));
    if lane.changed {
        changes.customers.extend(lane.customer.clone());
    }
    let mut parts = Vec::with_capacity(lane.members.len());
    parts.extend(lane.members.into_iter().map(|member| member.part));
    let known = Known { parts, customer: lane.customer, runs, entries: lane.entries, facts };
    (!known.parts.is_empty()).then_some(known)
}

/// All identities that an event may join to its subject.
pub fn named(body: &Body, event: &Event, catalog: &Catalog) -> Vec<Identity> {
    if !body.names_others() {
        return Vec::new();
    }
    let Some(subject) = body.subject() else { return Vec::new() };
    let mut named = body.claims(event.kind, &subject, catalog.policies.at(event.position).1);
    named.extend(body.previous(event.kind).into_iter().flatten().filter(|previous| *previous != subject));
    named
}

fn happening(event: &Event, mut body: Body, now: Timestamp, bound: Timestamp) -> Happening {
    let again = body.retry.take().map(|retry| *retry);
    let happening = Happening {
        message_id: event.message_id.as_str().into(),
        part: event.part,
        authority: event.authority,
        kind: event.kind,
        name: event.name.clone(),
        at: event.occurred_at,
        now,
        bound,
        historical: event.historical,
        origin: Origin::Arrived,
        depth: body::depth(event),
        position: event.position,
        properties: std::mem::replace(&mut body.properties, Value::Null),
        subject: body.subject(),
        body: (!body.is_plain(event.kind)).then(|| Box::new(body)),
        only: None,
    };
    match again {
        None => happening,
        // Its effects have the causes that they would have had.
        Some(Retry { plugin, rule, message_id, event: name, properties }) => Happening {
            message_id: message_id.as_str().into(),
            name,
            properties,
            only: Some(Box::new(Only { plugin, rule })),
            ..happening
        },
    }
}
