//! The batch: lanes of customers, handled wave by wave, and the changes that they add up to.

use std::collections::HashMap;

use openhub_model::{Event, EventKind, NewEvent, Object, PartId, TenantId};
use openhub_runtime::CallFault;
use openhub_store::{Changes, Claim};
use serde_json::Value;

use super::absorb::absorb;
use super::customer::{Item, Lane, Tracked};
use super::event::Happening;
use super::journeys::Traces;
use super::objects::{Request, Slot};
use super::plan::body;
use super::segments::{Moment, Standing, wake_timer};
use super::{ComputeFault, Fire, Input, Lanes, Made, RequestKey, Retries, Tally};
use crate::catalog::{Catalog, Enabled};

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
    pub(super) objects: HashMap<(String, String), Slot>,
    pub(super) requests: Vec<Request>,
    pub(super) made: Made,
    pub(super) events: Vec<NewEvent>,
    pub(super) arrivals: Vec<NewEvent>,
    pub(super) traces: Traces,
    pub(super) tally: Tally,
    fire: Fire,
    active: Vec<usize>,
}

impl<'a> Batch<'a> {
    pub fn new(input: Input, catalog: &'a Catalog, retries: &'a Retries) -> Batch<'a> {
        let mut lanes: Vec<Lane> = Vec::new();
        let mut index = Lanes::new();
        let mut lane = |lanes: &mut Vec<Lane>, part: PartId| {
            *index.entry(part).or_insert_with(|| {
                lanes.push(Lane::new(part));
                lanes.len() - 1
            })
        };
        for (event, (now, bound)) in input.events.iter().zip(&input.plan.bounds) {
            if let Some(part) = event.part.filter(|_| event.kind != EventKind::Control) {
                let lane = lane(&mut lanes, part);
                lanes[lane].arrived.push_back(happening(event, *now, *bound));
            }
        }
        for part in input.timer_parts {
            lane(&mut lanes, part);
        }
        for (part, facts) in input.facts {
            let lane = lane(&mut lanes, part);
            lanes[lane].standing = Standing::of(facts);
        }
        for customer in input.customers {
            let lane = lane(&mut lanes, customer.part);
            lanes[lane].standing.stored_wake = customer.wake_at;
            lanes[lane].customer = Some(customer);
        }
        let mut runs = input.runs;
        runs.sort_by_key(|run| run.id);
        for run in runs {
            let lane = lane(&mut lanes, run.part);
            lanes[lane].runs.push(Tracked::stored(run));
        }
        for entry in input.entries {
            let lane = lane(&mut lanes, entry.part);
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
            active: (0..lanes.len()).collect(),
            lanes,
            objects: slots.collect(),
            requests: Vec::new(),
            made: Made::new(),
            events: Vec::new(),
            arrivals: Vec::new(),
            traces: Traces::default(),
            tally: Tally::default(),
            fire: input.plan.fire,
        }
    }

    /// Handles the next item of each customer. False once nobody has one.
    pub fn wave(&mut self) -> Result<bool, Stop> {
        let mut wave: Vec<Turn> = Vec::with_capacity(self.active.len());
        let (lanes, fire) = (&mut self.lanes, &self.fire);
        self.active.retain(|lane| match lanes[*lane].next(fire) {
            Some(item) => {
                wave.push((*lane, item));
                true
            }
            None => false,
        });
        if wave.is_empty() {
            return Ok(false);
        }
        self.tally.waves += 1;
        let segments = &self.catalog.segments;
        for (lane, item) in &mut wave {
            self.lanes[*lane].standing.begins();
            if let Item::Event(event) = item {
                absorb(&mut self.lanes[*lane], segments, event);
                self.lanes[*lane].learn(segments, event);
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
                Item::Event(event) => self.assess(*lane, Moment::of(event)),
                Item::Timer(run, due) => {
                    let run = &self.lanes[*lane].runs[*run].run;
                    let cause = format!("{}/{}", run.id, run.step);
                    self.assess(*lane, Moment::timer(*due, &cause));
                }
                Item::Wake(due) => {
                    let cause = format!("{}/{}", wake_timer(self.lanes[*lane].part, *due).id, due.micros());
                    self.assess(*lane, Moment::timer(*due, &cause));
                }
            }
        }
        Ok(true)
    }

    pub fn finish(mut self) -> (Changes, Made, Tally) {
        for tracked in self.lanes.iter().flat_map(|lane| &lane.runs).filter(|tracked| tracked.changed) {
            self.traces.moved(tracked);
        }
        let (messages, counts) = self.traces.counts();
        let mut changes =
            Changes { messages, counts, events: self.events, arrivals: self.arrivals, ..Changes::default() };
        for lane in self.lanes {
            collect(lane, &mut changes);
        }
        let catalog = self.catalog;
        let mut objects: Vec<((String, String), Slot)> = self.objects.into_iter().collect();
        objects.sort_by(|(a, _), (b, _)| a.cmp(b));
        changes.objects = objects
            .into_iter()
            .filter_map(|((kind, _), slot)| slot.change(catalog.objects.get(&kind).map(|object| &object.shape)))
            .collect();
        (changes, self.made, self.tally)
    }
}

fn collect(lane: Lane, changes: &mut Changes) {
    let (disarmed, armed) = lane.moved_wake();
    changes.disarmed.extend(disarmed);
    changes.armed.extend(armed);
    changes.memberships.extend(lane.standing.memberships(lane.part));
    for tracked in lane.runs {
        if !tracked.changed {
            continue;
        }
        let due = tracked.due();
        if due != tracked.stored_due {
            changes.disarmed.extend(tracked.stored_due.map(|due| tracked.timer(due)));
            changes.armed.extend(due.map(|due| tracked.timer(due)));
        }
        changes.runs.push(tracked.run);
    }
    for (identity, source, position) in lane.claims {
        let known =
            |claim: &Claim| claim.part == lane.part && claim.kind == identity.kind && claim.value == identity.value;
        // Claims of one lane lie together at the end of the list.
        if !changes.claims.iter().rev().take_while(|claim| claim.part == lane.part).any(known) {
            changes.claims.push(Claim {
                part: lane.part,
                kind: identity.kind,
                value: identity.value,
                position,
                source,
            });
        }
    }
    if lane.entries_changed {
        changes.entries.extend(lane.entries);
    }
    if lane.changed {
        changes.customers.extend(lane.customer);
    }
}

fn happening(event: &Event, now: openhub_model::Timestamp, bound: openhub_model::Timestamp) -> Happening {
    let mut body = body(event);
    Happening {
        message_id: event.message_id.clone(),
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
        body,
    }
}
