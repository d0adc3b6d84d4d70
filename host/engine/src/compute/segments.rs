//! Segments: after each item of a customer, those whose conditions mention what has changed are asked again; so are,
//! once the earliest moment has come at which time alone may change an answer, those that mention the time.
//!
//! That moment is one timer a customer. It is only ever moved earlier; a timer that fires too early asks, finds nothing
//! changed, and is set anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openhub_model::condition::{EventFact, Facts, ObjectFact, Picks, RunFact};
use openhub_model::event::{SEGMENT_ENTERED, SEGMENT_LEFT};
use openhub_model::identity::Authority;
use openhub_model::run::{RunStatus, Timer};
use openhub_model::{Customer, EventKind, Id, Identity, Origin, PartId, Timestamp};
use openhub_store::history::properties::kept;
use openhub_store::{CustomerFacts, Membership, Wake};
use serde_json::{Value, json};

use super::customer::{Lane, Tracked};
use super::event::Happening;
use super::objects::Answer;
use super::rules::By;
use super::wave::Batch;
use crate::catalog::{Catalog, Place, Segments, Watched};

/// The place in the log of an event that the batch causes is given out at COMMIT, behind all others.
const TO_COME: i64 = i64::MAX;
/// As many events are walked as fast as their totals are found.
const FEW: usize = 8;

/// A customer's row as the database has it; several, if their customers are joined in the batch.
struct Stored {
    customer: PartId,
    wake_at: Option<Timestamp>,
    /// The segments that they were in; none while that is what the facts say.
    segments: Option<BTreeSet<String>>,
}

/// What segments know of one customer in a batch.
#[derive(Default)]
pub struct Standing {
    pub facts: CustomerFacts,
    /// Segments to ask again: with repetitions, in no order.
    stale: Vec<Place>,
    stored: Vec<Stored>,
    /// Since when the customer is in the segments that they entered in the batch.
    since: BTreeMap<String, Timestamp>,
    /// Events that the item under way has caused here.
    told: u32,
}

impl Standing {
    pub fn stored(&mut self, customer: &Customer) {
        self.stored.push(Stored { customer: customer.part, wake_at: customer.wake_at, segments: None });
    }

    pub fn touch(&mut self, places: &[Place]) {
        self.stale.extend_from_slice(places);
    }

    /// The next item has told nothing yet.
    pub fn begins(&mut self) {
        self.told = 0;
    }

    /// The facts of two customers who are one from now on, under the name of this one: a member of a segment is who one
    /// of them was, and what only the other was in is entered now.
    pub fn join(&mut self, mut other: Standing, segments: &Segments, now: Timestamp) {
        self.keep();
        other.keep();
        for segment in other.facts.segments.difference(&self.facts.segments) {
            self.since.insert(segment.clone(), now);
        }
        self.told = self.told.max(other.told);
        self.stored.append(&mut other.stored);
        let (mine, theirs) = (&mut self.facts, other.facts);
        mine.identities.extend(theirs.identities);
        mine.segments.extend(theirs.segments);
        mine.runs.extend(theirs.runs);
        mine.history.join(theirs.history, segments.picks());
        mine.messages.extend(theirs.messages);
        mine.messages.sort_by_key(|message| message.at);
        mine.objects.extend(theirs.objects);
        mine.objects.sort_by(|a, b| (&a.kind, &a.key).cmp(&(&b.kind, &b.key)));
        self.stale.clear();
        self.touch(segments.all());
    }

    /// What changes of when the database wakes the customer.
    pub fn waken(&self, customer: Option<&Customer>) -> Option<Wake> {
        let Customer { part, wake_at, .. } = customer?;
        let stored = self.stored.iter().find(|stored| stored.customer == *part).and_then(|stored| stored.wake_at);
        (stored != *wake_at).then_some(Wake { customer: *part, due: *wake_at })
    }

    /// Whom the database wakes, and when.
    pub fn wakes(&self) -> impl Iterator<Item = (PartId, Timestamp)> {
        self.stored.iter().filter_map(|stored| Some((stored.customer, stored.wake_at?)))
    }

    /// What changed in the batch, against what is stored.
    pub fn memberships(&mut self, customer: Option<&Customer>) -> Vec<Membership> {
        let id = customer.map(|customer| customer.part);
        let as_stored = match self.stored.as_slice() {
            [] => self.facts.segments.is_empty(),
            [one] => one.segments.is_none() && Some(one.customer) == id,
            _ => false,
        };
        if as_stored {
            return Vec::new();
        }
        self.keep();
        let mut changes = Vec::new();
        let mut kept = BTreeSet::new();
        for Stored { customer, segments, .. } in std::mem::take(&mut self.stored) {
            for segment in segments.into_iter().flatten() {
                if Some(customer) == id && self.facts.segments.contains(&segment) {
                    // Who left and came back in the batch is a member since they came back.
                    if let Some(since) = self.since.get(&segment) {
                        changes.push(Membership { segment: segment.clone(), customer, since: None });
                        changes.push(Membership { segment: segment.clone(), customer, since: Some(*since) });
                    }
                    kept.insert(segment);
                } else {
                    changes.push(Membership { segment, customer, since: None });
                }
            }
        }
        if let Some(customer) = customer {
            let entered = self.facts.segments.iter().filter(|segment| !kept.contains(*segment)).cloned();
            changes.extend(entered.map(|segment| {
                let since = Some(self.since.get(&segment).copied().unwrap_or(customer.last_seen_at));
                Membership { segment, customer: customer.part, since }
            }));
        }
        changes
    }

    /// Notes what is stored before the facts say otherwise.
    fn keep(&mut self) {
        if let [stored] = self.stored.as_mut_slice() {
            stored.segments.get_or_insert_with(|| self.facts.segments.clone());
        }
    }

    /// From a few events on, totals are kept of what the segment picks of them.
    fn follow(&mut self, watched: &Watched, picks: &Picks) {
        let history = &mut self.facts.history;
        if history.events().len() >= FEW {
            history.follow(&watched.series, picks);
        }
    }

    /// Enters or leaves, whichever it is.
    fn cross(&mut self, segment: &str, now: Timestamp) -> &'static str {
        self.keep();
        if self.facts.segments.remove(segment) {
            self.since.remove(segment);
            return SEGMENT_LEFT;
        }
        self.facts.segments.insert(segment.to_owned());
        self.since.insert(segment.to_owned(), now);
        SEGMENT_ENTERED
    }
}

/// The timer of a customer's segments.
pub fn wake_timer(customer: PartId, due: Timestamp) -> Timer {
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

    pub fn happening(&self) -> Happening {
        Happening {
            message_id: self.cause.into(),
            part: None,
            authority: Authority::Browser,
            kind: EventKind::Track,
            name: String::new(),
            at: self.now,
            now: self.now,
            bound: self.now,
            historical: self.historical,
            origin: Origin::Caused,
            depth: self.depth,
            position: 0,
            body: None,
            properties: Value::Null,
            subject: None,
            only: None,
        }
    }
}

impl Tracked {
    /// What conditions may ask about the run.
    pub fn fact(&self, catalog: &Catalog) -> RunFact {
        let run = &self.run;
        let journey = catalog.journeys.get(&(run.journey.clone(), run.version));
        let converted = run.status == RunStatus::Done && journey.is_some_and(|journey| journey.converts_at(&run.node));
        RunFact { journey: run.journey.as_str().into(), status: run.status, converted }
    }
}

impl Lane {
    /// An event becomes a fact, and those who mention its name are asked again.
    pub fn learn(&mut self, segments: &Segments, event: &Happening) {
        self.standing.begins();
        if event.kind == EventKind::Object {
            // An API call has changed an object: LOAD has read it as it is now.
            let kind = event.name.rsplit_once('.').map(|(kind, _)| kind);
            self.standing.touch(segments.on_object(kind.unwrap_or_default()));
        }
        let Some((name, need)) = segments.event(&event.name).filter(|_| event.triggers()) else { return };
        let properties = need.asked(&event.properties);
        if event.arrived() {
            self.kept.extend(kept(need, &event.properties).map(|kept| (event.position, kept)));
        }
        let position = if event.arrived() { event.position } else { TO_COME };
        let fact = EventFact { name: name.clone(), at: event.at, origin: event.origin, position, properties };
        self.standing.facts.history.learn(segments.picks(), fact);
        self.standing.touch(segments.on_event(&event.name));
    }

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
        let stored = self.standing.facts.runs.iter().filter(|run| run.status != RunStatus::Waiting).cloned();
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
        // Whoever answers for all that hangs on the time says when to ask again, whatever was said before.
        let complete = woken || segments.on_clock().iter().all(|place| due.contains(place));
        let asked = state.asked(catalog);
        let Lane { customer, standing, .. } = state;
        let Some(customer) = customer else { return };
        let mut wake: Option<Timestamp> = None;
        let mut crossed = Vec::new();
        while let Some(place) = due.pop_first() {
            let watched = segments.get(place);
            let Some(condition) = &watched.condition else { continue };
            standing.follow(watched, segments.picks());
            let evaluation = condition.evaluate(&asked.facts(&standing.facts, customer, moment.now));
            wake = earlier(wake, evaluation.until);
            if evaluation.truth.holds() != standing.facts.segments.contains(&watched.name) {
                crossed.push((place, standing.cross(&watched.name, moment.now)));
                // All of them lie behind this one.
                due.extend(segments.on_segment(&watched.name));
            }
        }
        let wake = if complete { wake } else { earlier(customer.wake_at, wake) };
        if customer.wake_at != wake {
            Arc::make_mut(customer).wake_at = wake;
        }
        for (place, crossing) in crossed {
            self.tell(lane, place, crossing, moment);
        }
    }

    /// A static segment takes the customer in, or lets them go.
    pub(super) fn admit(&mut self, lane: usize, place: Place, upload: Upload, moment: Moment<'_>) {
        let segments = &self.catalog.segments;
        let name = &segments.get(place).name;
        let standing = &mut self.lanes[lane].standing;
        if standing.facts.segments.contains(name) == (upload == Upload::Added) {
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
        let by = By::of("segment", &watched.name);
        self.cause(lane, &moment.happening(), by, ordinal, crossing.to_owned(), properties, None);
    }

    /// An object of another customer of the batch was changed: what is asked about them from now on sees it, as if it
    /// had been read. Their items are taken in the order of the log with those of whoever changed it.
    pub(super) fn learn_of_another(&mut self, lane: usize, owner: PartId, key: &(String, String)) {
        if !self.catalog.segments.needs().objects.contains(&key.0) {
            return;
        }
        let Some(other) = self.homes.get(&owner).copied().filter(|other| *other != lane) else { return };
        let (changing, owning) = (&self.lanes[lane], &self.lanes[other]);
        if changing.cluster != owning.cluster {
            self.lacks.links.extend(owning.known_by.zip(changing.known_by));
        }
        self.note_object(other, key);
    }

    /// An object that a run or a rule changed becomes a fact of the customer that owns it, if they are in the lane.
    pub(super) fn learn_object(&mut self, answer: &Answer) {
        let segments = &self.catalog.segments;
        let Some(kind) = &answer.kind else { return };
        if !segments.needs().objects.contains(kind) {
            return;
        }
        let Ok((key, _)) = &answer.result else { return };
        self.note_object(answer.lane, &(kind.clone(), key.clone()));
        self.lanes[answer.lane].standing.touch(segments.on_object(kind));
    }

    fn note_object(&mut self, lane: usize, key: &(String, String)) {
        let state = &mut self.lanes[lane];
        let current = self.objects.current(key);
        let current = current.filter(|object| object.part.is_some_and(|part| state.member(part).is_some()));
        let objects = &mut state.standing.facts.objects;
        objects.retain(|object| *object.kind != *key.0 || object.key != key.1);
        if let Some(object) = current {
            let fact = ObjectFact { kind: key.0.as_str().into(), key: key.1.clone(), fields: object.fields.clone() };
            objects.push(fact);
            objects.sort_by(|a, b| (&a.kind, &a.key).cmp(&(&b.kind, &b.key)));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    Added,
    Removed,
}

fn earlier(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}
