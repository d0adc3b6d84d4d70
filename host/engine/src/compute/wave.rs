//! The batch: lanes of customers, handled wave by wave, and the changes that they add up to.

use hashbrown::HashMap;
use openhub_model::{Event, EventKind, Id, Identity, NewEvent, Object, PartId, TenantId, Timestamp};
use openhub_runtime::CallFault;
use openhub_store::{Changes, Decision, NewFault, NewMatch};
use serde_json::Value;

use super::claims::Claims;
use super::cluster::{Cluster, Links};
use super::customer::{Item, Lane, Member, Tracked};
use super::event::{Happening, Only};
use super::journeys::Traces;
use super::objects::{Request, Slot};
use super::segments::{Moment, wake_timer};
use super::{ComputeFault, Fire, Homes, Input, Made, Output, RequestKey, Retries, Tally};
use crate::body::{Body, Retry};
use crate::catalog::{Catalog, Enabled};
use crate::held::Known;

/// A customer's item of this wave.
pub type Turn = (usize, Item);

/// Why COMPUTE stops before the batch is done.
#[derive(Debug)]
pub enum Stop {
    Fault(ComputeFault),
    /// Stored objects that it needs and LOAD did not bring: load them and run again.
    Needs(Vec<(String, String)>),
    /// Two objects of the batch would share a key: run again with another seed for this one.
    Conflict(RequestKey),
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
    pub(super) catalog: &'a Catalog,
    pub(super) retries: &'a Retries,
    pub(super) lanes: Vec<Lane>,
    pub(super) homes: Homes,
    pub(super) claims: Claims,
    pub(super) matches: Vec<NewMatch>,
    pub(super) decisions: Vec<Decision>,
    pub(super) objects: HashMap<(String, String), Slot>,
    pub(super) requests: Vec<Request>,
    pub(super) made: Made,
    pub(super) events: Vec<NewEvent>,
    pub(super) faults: Vec<NewFault>,
    pub(super) arrivals: Vec<NewEvent>,
    pub(super) traces: Traces,
    /// Runs that ended for the sake of another one, with their parts.
    pub(super) taken_back: Vec<(PartId, Id)>,
    pub(super) tally: Tally,
    pub(super) fire: Fire,
    active: Vec<Cluster>,
}

impl<'a> Batch<'a> {
    pub fn new(input: Input, catalog: &'a Catalog, retries: &'a Retries) -> Batch<'a> {
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
        let slots = input.objects.into_iter().map(|(key, stored): ((String, String), Option<Object>)| {
            let current = stored.clone();
            (key, Slot { stored, current })
        });
        Batch {
            tenant: input.tenant,
            catalog,
            retries,
            active: links.clusters(lanes.len()),
            lanes,
            homes,
            claims: Claims::stored(input.claims),
            matches: Vec::new(),
            decisions: Vec::new(),
            objects: slots.collect(),
            requests: Vec::new(),
            made: Made::new(),
            events: Vec::new(),
            faults: Vec::new(),
            arrivals: Vec::new(),
            traces: Traces::default(),
            taken_back: Vec::new(),
            tally: Tally::default(),
            fire: input.plan.fire,
        }
    }

    /// Handles the next item of each customer. False once nobody has one.
    pub fn wave(&mut self) -> Result<bool, Stop> {
        let mut wave: Vec<Turn> = Vec::with_capacity(self.active.len());
        let (lanes, fire) = (&mut self.lanes, &self.fire);
        self.active.retain(|cluster| match cluster.next(lanes, fire) {
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
        for (lane, item) in &mut wave {
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
        Ok(true)
    }

    pub fn finish(mut self) -> Output {
        for tracked in self.lanes.iter().flat_map(|lane| &lane.runs).filter(|tracked| tracked.changed) {
            self.traces.moved(tracked);
        }
        let (messages, counts) = self.traces.counts();
        let mut changes = Changes {
            messages,
            counts,
            events: self.events,
            faults: self.faults,
            arrivals: self.arrivals,
            claims: self.claims.made,
            matches: self.matches,
            decisions: self.decisions,
            taken_back: self.taken_back,
            ..Changes::default()
        };
        let catalog = self.catalog;
        let known = self.lanes.into_iter().filter_map(|lane| collect(lane, catalog, &mut changes)).collect();
        let mut objects: Vec<((String, String), Slot)> = self.objects.into_iter().collect();
        objects.sort_by(|(a, _), (b, _)| a.cmp(b));
        changes.objects = objects
            .into_iter()
            .filter_map(|((kind, _), slot)| slot.change(catalog.objects.get(&kind).map(|object| &object.shape)))
            .collect();
        Output { changes, made: self.made, tally: self.tally, known }
    }
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
        depth: 0,
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
