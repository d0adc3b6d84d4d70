//! Segments: after each item of a customer, those whose conditions mention what has changed are asked again; so are,
//! once the earliest occasion has come at which time alone may change an answer, those that mention the time.
//!
//! That occasion is one timer a customer. It is only ever moved earlier; a timer that fires too early asks, finds nothing
//! changed, and is set anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use openhub_model::condition::{EventFact, ObjectFact};
use openhub_model::{EventKind, PartId, Timestamp};
use openhub_store::history::properties::kept;
use serde_json::json;

use super::actor::Actor;
use super::ask::{Answer, Request};
use super::batch::Batch;
use super::by::By;
use super::effects::events::CausedEvent;
use super::effects::{Effect, apply};
use super::event::{Happening, MAX_DEPTH};
use super::occasion::Occasion;
use crate::body;
use crate::catalog::{Place, Segments};

/// The place in the log of an event that the batch causes is given out at COMMIT, behind all others.
const TO_COME: i64 = i64::MAX;

impl Actor {
    /// An event becomes a fact, and those who mention its name are asked again.
    pub fn learn(&mut self, segments: &Segments, event: &Happening) {
        self.segments.begins();
        if event.kind == EventKind::Object {
            // An API call has changed an object: LOAD has read it as it is now.
            let kind = event.name.rsplit_once('.').map(|(kind, _)| kind);
            self.segments.touch(segments.on_object(kind.unwrap_or_default()));
        }
        let Some((name, need)) = segments.event(&event.name).filter(|_| event.triggers()) else { return };
        let properties = need.asked(&event.properties);
        if event.arrived() {
            self.kept.extend(kept(need, &event.properties).map(|kept| (event.position, kept)));
        }
        let position = if event.arrived() { event.position } else { TO_COME };
        let fact = EventFact { name: name.clone(), at: event.at, origin: event.origin, position, properties };
        self.segments.facts.history.learn(segments.picks(), fact);
        self.segments.touch(segments.on_event(&event.name));
    }
}

/// Asks the segments that may answer otherwise than before; entering and leaving are events of the customer.
pub fn assess(batch: &mut Batch<'_>, actor: usize, occasion: Occasion<'_>) {
    let catalog = batch.catalog;
    let segments = &catalog.segments;
    let state = &mut batch.actors[actor];
    let stale = std::mem::take(&mut state.segments.stale);
    let Some(customer) = &state.customer else { return };
    let woken = customer.wake_at.is_some_and(|at| at <= occasion.now);
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
    let Actor { customer, segments: own, .. } = state;
    let Some(customer) = customer else { return };
    let mut wake: Option<Timestamp> = None;
    let mut crossed = Vec::new();
    while let Some(place) = due.pop_first() {
        let watched = segments.get(place);
        let Some(condition) = &watched.condition else { continue };
        own.follow(watched, segments.picks());
        let evaluation = condition.evaluate(&asked.facts(&own.facts, customer, occasion.now));
        wake = earlier(wake, evaluation.until);
        if evaluation.truth.holds() != own.facts.segments.contains(&watched.name) {
            crossed.push((place, own.cross(&watched.name, occasion.now)));
            // All of them lie behind this one.
            due.extend(segments.on_segment(&watched.name));
        }
    }
    let wake = if complete { wake } else { earlier(customer.wake_at, wake) };
    if customer.wake_at != wake {
        Arc::make_mut(customer).wake_at = wake;
    }
    for (place, crossing) in crossed {
        tell(batch, actor, place, crossing, occasion);
    }
}

/// A static segment takes the customer in, or lets them go.
pub fn admit(batch: &mut Batch<'_>, actor: usize, place: Place, upload: Upload, occasion: Occasion<'_>) {
    let segments = &batch.catalog.segments;
    let name = &segments.get(place).name;
    let own = &mut batch.actors[actor].segments;
    if own.facts.segments.contains(name) == (upload == Upload::Added) {
        return;
    }
    let crossing = own.cross(name, occasion.now);
    own.touch(segments.on_segment(name));
    tell(batch, actor, place, crossing, occasion);
    assess(batch, actor, occasion);
}

fn tell(batch: &mut Batch<'_>, actor: usize, place: Place, crossing: &str, occasion: Occasion<'_>) {
    let watched = batch.catalog.segments.get(place);
    let own = &mut batch.actors[actor].segments;
    own.told += 1;
    let ordinal = own.told;
    let properties = json!({"segment": watched.name, "version": watched.version});
    let by = By::of("segment", &watched.name);
    let caused =
        CausedEvent { cause: &occasion.happening(), by, ordinal, name: crossing.to_owned(), properties, to: None };
    apply(batch, actor, Effect::Event(caused));
}

/// An object of another customer was changed. An event in the log asks their segments, since nothing else may happen to them. If
/// they are of the batch, what is asked about them from now on sees it, as if it had been read: their items are taken in the
/// order of the log with those of whoever changed it.
pub fn learn_of_another(batch: &mut Batch<'_>, request: &Request, owner: PartId, key: &(String, String)) {
    let actor = request.actor;
    if !batch.catalog.segments.needs().objects.contains(&key.0) || batch.actors[actor].member(owner).is_some() {
        return;
    }
    let asks = !batch.catalog.segments.on_object(&key.0).is_empty();
    // What changes each other's objects for ever ends like any chain.
    if asks && request.depth < MAX_DEPTH {
        let asked = body::object_changed(owner, key, request.key, (&request.cause, request.depth + 1), request.now);
        batch.arrivals.push((batch.actors[actor].place, asked));
    }
    let Some(other) = batch.homes.get(&owner).copied().filter(|other| *other != actor) else { return };
    let (changing, owning) = (&batch.actors[actor], &batch.actors[other]);
    if changing.cluster != owning.cluster {
        batch.lacks.links.extend(owning.known_by.zip(changing.known_by));
    }
    note_object(batch, other, key);
}

/// The same of an object that was changed with another one, whoever owns it.
pub fn learn_beside(batch: &mut Batch<'_>, request: &Request, owner: PartId, key: &(String, String)) {
    let segments = &batch.catalog.segments;
    if batch.actors[request.actor].member(owner).is_none() {
        learn_of_another(batch, request, owner, key);
    } else if segments.needs().objects.contains(&key.0) {
        note_object(batch, request.actor, key);
        batch.actors[request.actor].segments.touch(segments.on_object(&key.0));
    }
}

/// An object that a run or a rule changed becomes a fact of the customer that owns it, if that is the actor.
pub fn learn_object(batch: &mut Batch<'_>, answer: &Answer) {
    let segments = &batch.catalog.segments;
    let Some(kind) = &answer.kind else { return };
    if !segments.needs().objects.contains(kind) {
        return;
    }
    let Ok((key, _)) = &answer.result else { return };
    note_object(batch, answer.actor, &(kind.clone(), key.clone()));
    batch.actors[answer.actor].segments.touch(segments.on_object(kind));
}

fn note_object(batch: &mut Batch<'_>, actor: usize, key: &(String, String)) {
    let state = &mut batch.actors[actor];
    let current = batch.objects.current(key);
    let current = current.filter(|object| object.part.is_some_and(|part| state.member(part).is_some()));
    let objects = &mut state.segments.facts.objects;
    objects.retain(|object| *object.kind != *key.0 || object.key != key.1);
    if let Some(object) = current {
        let fact = ObjectFact { kind: key.0.as_str().into(), key: key.1.clone(), fields: object.fields.clone() };
        objects.push(fact);
        objects.sort_by(|a, b| (&a.kind, &a.key).cmp(&(&b.kind, &b.key)));
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
