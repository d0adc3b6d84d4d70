//! What one customer did while a run of another waited for it, where the two turn out to be one: the run is moved by it, in
//! the order of the log, at the place of what joined them.
//!
//! What was done in earlier batches is stored, and LOAD brings it for the customers whom an event may join. What was done in
//! this batch is noted as it is done, of customers whom the batch may join.

use std::sync::Arc;

use openhub_journey::{Input, Moment};
use openhub_model::Id;
use openhub_store::{NEWEST, Sought};

use super::actor::{Actor, Item, Turn};
use super::batch::Batch;
use super::event::Happening;
use super::journeys::drive;
use super::occasion::Occasion;
use super::past::{Owed, Past};

/// A join moves runs by so many events at most, all in all: it is one item, and others wait for it.
const MOST: usize = 100_000;

/// A run that waits for an event.
struct Waits {
    run: Id,
    name: String,
    since: i64,
}

impl Actor {
    /// The runs that wait for an event. Of those that waited before this was noted it is not known since when.
    fn waiting_for(&self) -> Vec<Waits> {
        let waiting = self.runs.iter().filter(|tracked| tracked.waits() && tracked.run.since > 0);
        let waiting = waiting.flat_map(|tracked| {
            let (run, since) = (tracked.run.id, tracked.run.since);
            tracked.run.awaits.iter().map(move |name| Waits { run, name: name.clone(), since })
        });
        waiting.collect()
    }
}

/// What the runs of either missed of what the other did. None if it is not known, and asked for.
pub fn meanwhile_of(batch: &mut Batch<'_>, actor: usize, other: &Actor) -> Option<Vec<Owed>> {
    let own = std::mem::take(&mut batch.actors[actor]);
    let lacks = batch.lacks.deeds.len();
    let mut owed = missed(batch, &own.waiting_for(), other);
    owed.append(&mut missed(batch, &other.waiting_for(), &own));
    batch.actors[actor] = own;
    (batch.lacks.deeds.len() == lacks).then_some(owed)
}

/// What `other` did behind the beginning of these waits. What is not known is asked for.
fn missed(batch: &mut Batch<'_>, waits: &[Waits], other: &Actor) -> Vec<Owed> {
    let (mut owed, begins) = (Vec::new(), batch.begins_behind());
    for Waits { run, name, since } in waits {
        let mut missed: Vec<&Arc<Past>> = Vec::new();
        let is_missed = |past: &&Arc<Past>| past.name == *name && past.root > *since;
        // Who was met in this batch first has done nothing before.
        let known = other.members.iter().filter(|member| member.part.seen && member.part.age.position <= begins);
        for member in known {
            let sought = Sought { part: member.part.id(), name: name.clone(), since: *since };
            match batch.meanwhile.since(&sought) {
                Some(past) => missed.extend(past.iter().filter(is_missed)),
                None => batch.lacks.deeds.push(sought),
            }
        }
        missed.extend(other.done.iter().filter(is_missed));
        // The newest, whichever of them were stored.
        missed.sort_by_key(|past| past.root);
        let old = missed.len().saturating_sub(NEWEST);
        owed.extend(missed[old..].iter().map(|past| Owed { run: *run, past: Arc::clone(past) }));
        if owed.len() >= MOST {
            break;
        }
    }
    owed
}

/// Moves the runs of a customer who has just been joined by what they missed.
pub fn make_up(batch: &mut Batch<'_>, actor: usize, event: &Happening) {
    let mut owed = std::mem::take(&mut batch.actors[actor].owed);
    owed.sort_by_key(|owed| (owed.past.root, owed.run));
    for Owed { run, past } in owed {
        let found = batch.actors[actor].runs.iter().position(|tracked| {
            tracked.run.id == run
                && tracked.waits()
                && tracked.run.awaits.contains(&past.name)
                && tracked.run.since < past.root
        });
        let Some(run) = found else { continue };
        let Past { message_id, name, at, properties, .. } = &*past;
        let moment = Moment { message_id, name, at: *at, properties };
        let input = match batch.actors[actor].runs[run].held {
            true => Input::Remember(&moment),
            false => Input::Event(&moment),
        };
        drive(batch, actor, run, input, Occasion { cause: message_id, ..Occasion::of(event) });
    }
}

/// Notes what the customers of a wave did whom a later item may join to others.
pub fn note_done(batch: &mut Batch<'_>, wave: Vec<Turn>) {
    for (actor, item) in wave {
        let Item::Event(event) = item else { continue };
        let found = &mut batch.actors[actor];
        let Some(root) = found.root.filter(|_| found.linked) else { continue };
        if event.historical || !event.triggers() || !batch.catalog.awaited.contains(&event.name) {
            continue;
        }
        let Happening { message_id, name, at, properties, .. } = *event;
        found.done.push(Arc::new(Past { root, message_id, name, at, properties }));
    }
}
