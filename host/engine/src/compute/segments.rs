//! Segments: after each item of a customer, those whose conditions mention what has changed are asked again; so are,
//! once the earliest moment has come at which time alone may change an answer, those that mention the time.
//!
//! That moment is one timer a customer. It is only ever moved earlier; a timer that fires too early asks, finds nothing
//! changed, and is set anew.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::condition::{EventFact, Facts, ObjectFact, RunFact};
use openhub_model::run::{RunStatus, Timer};
use openhub_model::{EventKind, Id, Timestamp};
use openhub_store::{CustomerFacts, Membership};
use serde_json::{Value, json};

use super::customer::Lane;
use super::event::Happening;
use super::objects::Answer;
use super::wave::Batch;
use crate::body::Body;
use crate::catalog::{Catalog, Place, Segments};

pub const ENTERED: &str = "Segment Entered";
pub const LEFT: &str = "Segment Left";

/// Facts of events that are caused come behind all that arrived: their places in the log are given out at COMMIT.
pub const CAUSED: i64 = i64::MAX / 2;

/// A crossing of a segment's border in this batch: whether the customer was in it before, and since when they are now.
pub struct Crossing {
    was_member: bool,
    since: Option<Timestamp>,
}

/// What segments know of one customer in a batch.
#[derive(Default)]
pub struct Standing {
    pub facts: CustomerFacts,
    /// Segments to ask again: with repetitions, in no order.
    stale: Vec<Place>,
    crossings: BTreeMap<String, Crossing>,
    /// The timer as stored.
    pub stored_wake: Option<Timestamp>,
    /// Events that the item under way has caused here.
    told: u32,
}

impl Standing {
    pub fn of(facts: CustomerFacts) -> Standing {
        Standing { facts, ..Standing::default() }
    }

    pub fn touch(&mut self, places: &[Place]) {
        self.stale.extend_from_slice(places);
    }

    /// Who is in what is known from before the item; it has told nothing yet.
    pub fn begins(&mut self) {
        self.told = 0;
    }

    /// What changed in the batch, against what is stored.
    pub fn memberships(self, customer: Id) -> impl Iterator<Item = Membership> {
        let changed =
            self.crossings.into_iter().filter(|(_, crossing)| crossing.was_member != crossing.since.is_some());
        changed.map(move |(segment, Crossing { since, .. })| Membership { segment, customer, since })
    }

    fn remember(&mut self, fact: EventFact) {
        let events = &mut self.facts.events;
        let place = events.partition_point(|known| (known.at, known.position) <= (fact.at, fact.position));
        events.insert(place, fact);
    }

    /// Enters or leaves, whichever it is.
    fn cross(&mut self, segment: &str, now: Timestamp) -> &'static str {
        let was_member = !self.facts.segments.insert(segment.to_owned());
        if was_member {
            self.facts.segments.remove(segment);
        }
        let since = (!was_member).then_some(now);
        self.crossings.entry(segment.to_owned()).or_insert(Crossing { was_member, since }).since = since;
        if was_member { LEFT } else { ENTERED }
    }
}

/// The timer of a customer's segments.
pub fn wake_timer(customer: Id, due: Timestamp) -> Timer {
    Timer { due, id: Id::named(&[b"wake", customer.as_bytes()]), part: customer }
}

/// The moment at which segments are asked, and what it descends from.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub now: Timestamp,
    /// `message_id` of the event, or what names the timer.
    pub cause: &'a str,
    pub depth: u8,
    pub historical: bool,
}

impl<'a> Moment<'a> {
    pub fn of(event: &'a Happening) -> Moment<'a> {
        Moment { now: event.now, cause: &event.message_id, depth: event.depth, historical: event.historical }
    }

    pub fn timer(now: Timestamp, cause: &'a str) -> Moment<'a> {
        Moment { now, cause, depth: 0, historical: false }
    }

    fn happening(&self) -> Happening {
        Happening {
            message_id: self.cause.to_owned(),
            kind: EventKind::Track,
            name: String::new(),
            at: self.now,
            now: self.now,
            bound: self.now,
            historical: self.historical,
            depth: self.depth,
            position: 0,
            body: Body::default(),
            properties: Value::Null,
            subject: None,
        }
    }
}

impl Lane {
    /// An event becomes a fact, and those who mention its name are asked again.
    pub fn learn(&mut self, segments: &Segments, event: &Happening) {
        self.standing.begins();
        if event.kind == EventKind::Object {
            // An API call has changed an object: LOAD has read it as it is now.
            self.standing.touch(segments.on_object(event.properties["kind"].as_str().unwrap_or_default()));
        }
        let Some((name, properties)) = segments.event(&event.name).filter(|_| event.triggers()) else { return };
        let properties = if properties { event.properties.clone() } else { Value::Null };
        let position = if event.depth == 0 { event.position } else { CAUSED + i64::from(event.depth) };
        self.standing.remember(EventFact { name: name.clone(), at: event.at, position, properties });
        self.standing.touch(segments.on_event(&event.name));
    }

    pub(super) fn runs_known(&self, catalog: &Catalog) -> Vec<RunFact> {
        let stored = self.standing.facts.runs.iter().filter(|run| run.status != RunStatus::Waiting).cloned();
        let tracked = self.runs.iter().map(|tracked| {
            let run = &tracked.run;
            let journey = catalog.journeys.get(&(run.journey.clone(), run.version));
            let converted =
                run.status == RunStatus::Done && journey.is_some_and(|journey| journey.converts_at(&run.node));
            RunFact { journey: run.journey.as_str().into(), status: run.status, converted }
        });
        stored.chain(tracked).collect()
    }

    /// All that conditions may ask about the customer now.
    pub fn with_facts<T>(&self, catalog: &Catalog, now: Timestamp, ask: impl FnOnce(&Facts<'_>) -> T) -> Option<T> {
        let customer = self.customer.as_ref()?;
        let runs = if catalog.segments.needs().journeys.is_empty() { Vec::new() } else { self.runs_known(catalog) };
        let facts = Facts { runs: &runs, ..self.standing.facts.facts(customer, now) };
        Some(ask(&facts))
    }
}

impl Batch<'_> {
    /// Asks the segments that may answer otherwise than before; entering and leaving are events of the customer.
    pub(super) fn assess(&mut self, lane: usize, moment: Moment<'_>) {
        let catalog = self.catalog;
        let segments = &catalog.segments;
        let state = &mut self.lanes[lane];
        let stale = std::mem::take(&mut state.standing.stale);
        let Some(customer) = &state.customer else { return };
        let woken = customer.wake_at.is_some_and(|at| at <= moment.now);
        if stale.is_empty() && !woken {
            return;
        }
        let mut due: BTreeSet<Place> = stale.into_iter().collect();
        if woken {
            due.extend(segments.on_clock());
        }
        let mut wake: Option<Timestamp> = None;
        let mut crossed = Vec::new();
        while let Some(place) = due.pop_first() {
            let watched = segments.get(place);
            let Some(condition) = &watched.condition else { continue };
            let state = &mut self.lanes[lane];
            let Some(evaluation) = state.with_facts(catalog, moment.now, |facts| condition.evaluate(facts)) else {
                break;
            };
            wake = earlier(wake, evaluation.until);
            if evaluation.truth.holds() != state.standing.facts.segments.contains(&watched.name) {
                crossed.push((place, state.standing.cross(&watched.name, moment.now)));
                // All of them lie behind this one.
                due.extend(segments.on_segment(&watched.name));
            }
        }
        let state = &mut self.lanes[lane];
        if let Some(customer) = &mut state.customer {
            let wake = if woken { wake } else { earlier(customer.wake_at, wake) };
            state.changed |= customer.wake_at != wake;
            customer.wake_at = wake;
        }
        for (place, crossing) in crossed {
            self.tell(lane, place, crossing, moment);
        }
    }

    /// A static segment takes the customer in, or lets them go.
    pub(super) fn admit(&mut self, lane: usize, place: Place, member: Member, moment: Moment<'_>) {
        let segments = &self.catalog.segments;
        let name = &segments.get(place).name;
        let standing = &mut self.lanes[lane].standing;
        if standing.facts.segments.contains(name) == (member == Member::Added) {
            return;
        }
        let crossing = standing.cross(name, moment.now);
        standing.touch(segments.on_segment(name));
        self.tell(lane, place, crossing, moment);
        self.assess(lane, moment);
    }

    fn tell(&mut self, lane: usize, place: Place, crossing: &str, moment: Moment<'_>) {
        let watched = self.catalog.segments.get(place);
        let standing = &mut self.lanes[lane].standing;
        standing.told += 1;
        let ordinal = standing.told;
        let properties = json!({"segment": watched.name, "version": watched.version});
        let by = ("segment", watched.name.as_str());
        self.cause(lane, &moment.happening(), by, ordinal, crossing.to_owned(), properties, None);
    }

    /// An object that a run or a rule changed becomes a fact of the customer that owns it, if they are in the lane.
    pub(super) fn learn_object(&mut self, answer: &Answer) {
        let segments = &self.catalog.segments;
        let Some(kind) = &answer.kind else { return };
        if !segments.needs().objects.contains(kind) {
            return;
        }
        let Ok((key, _)) = &answer.result else { return };
        let slot = self.objects.get(&(kind.clone(), key.clone()));
        let state = &mut self.lanes[answer.lane];
        let objects = &mut state.standing.facts.objects;
        objects.retain(|object| *object.kind != **kind || object.key != *key);
        let current = slot.and_then(|slot| slot.current.as_ref()).filter(|object| object.part == Some(state.part));
        if let Some(object) = current {
            let fact = ObjectFact { kind: kind.as_str().into(), key: key.clone(), fields: object.fields.clone() };
            objects.push(fact);
            objects.sort_by(|a, b| (&a.kind, &a.key).cmp(&(&b.kind, &b.key)));
        }
        state.standing.touch(segments.on_object(kind));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Added,
    Removed,
}

fn earlier(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}
