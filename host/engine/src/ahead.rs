//! Reading ahead: the next batch is loaded and computed while the last one commits. A read then sees the database
//! before or after that commit, and nobody knows which; what the last batch changed is laid over it, so that
//! both look the same.
//!
//! Only what COMPUTE reads is laid over. Objects are not: a batch that turns out to need one is not read ahead.

use std::collections::{HashMap, HashSet};

use openhub_model::condition::{EventFact, ObjectFact, RunFact};
use openhub_model::identity::Part;
use openhub_model::run::{Run, RunStatus, Timer};
use openhub_model::{Customer, Id, PartId, TenantId, Timestamp};
use openhub_store::{Changes, CustomerFacts, Entry, ObjectChange};
use serde_json::Value;

use crate::body::Body;
use crate::catalog::Catalog;
use crate::compute::{CAUSED, wake_timer};

/// The changes of the batch that commits, by what they change.
pub struct Ahead<'a> {
    customers: HashMap<PartId, &'a Customer>,
    runs: HashMap<Id, &'a Run>,
    entries: HashMap<(PartId, &'a str), &'a Entry>,
    changes: &'a Changes,
    parts: HashMap<PartId, &'a Part>,
    /// Parts whose customers the batch joins, or about whom it decides a claim: they are read once that is committed.
    entangled: HashSet<PartId>,
}

impl<'a> Ahead<'a> {
    pub fn of(tenant: TenantId, changes: &'a Changes) -> Ahead<'a> {
        let mut entangled: HashSet<PartId> = changes.gone_customers.iter().copied().collect();
        for part in changes.parts.iter().filter(|part| part.customer != part.id() || part.state.is_some()) {
            entangled.extend([part.id(), part.customer]);
        }
        for claim in &changes.claims {
            let claimed = claim.identity.part(tenant);
            if claimed != claim.part {
                entangled.extend([claim.part, claimed]);
            }
        }
        Ahead {
            parts: changes.parts.iter().map(|part| (part.id(), part)).collect(),
            entangled,
            customers: changes.customers.iter().map(|customer| (customer.part, customer)).collect(),
            runs: changes.runs.iter().map(|run| (run.id, run)).collect(),
            entries: changes.entries.iter().map(|entry| ((entry.part, entry.journey.as_str()), entry)).collect(),
            changes,
        }
    }

    /// The timers due before `until`, and not behind `upto` if the read ended there.
    pub fn timers(&self, read: &mut Vec<Timer>, until: Timestamp, upto: Option<Timer>) {
        let wakes: HashSet<Id> = self.customers.keys().map(|part| wake_timer(*part, until).id).collect();
        read.retain(|timer| !self.runs.contains_key(&timer.id) && !wakes.contains(&timer.id));
        let runs = self.runs.values().filter(|run| run.status == RunStatus::Waiting);
        let runs = runs.filter_map(|run| Some(Timer { due: run.due?, id: run.id, part: run.part }));
        let wakes = self.customers.values();
        let wakes = wakes.filter_map(|customer| Some(wake_timer(customer.part, customer.wake_at?)));
        let armed = runs.chain(wakes);
        read.extend(armed.filter(|timer| timer.due < until && upto.is_none_or(|upto| *timer <= upto)));
        read.sort_unstable();
    }

    pub fn entangles(&self, parts: impl Iterator<Item = PartId>) -> bool {
        !self.entangled.is_empty() && parts.into_iter().any(|part| self.entangled.contains(&part))
    }

    /// Parts that the batch made or saw, each a customer of its own.
    pub fn parts(&self, read: &mut Vec<Part>, touched: &[PartId]) {
        for part in read.iter_mut() {
            if let Some(made) = self.parts.get(&part.id()) {
                *part = (*made).clone();
            }
        }
        let known: HashSet<PartId> = read.iter().map(Part::id).collect();
        let made = touched.iter().filter(|part| !known.contains(part)).filter_map(|part| self.parts.get(part));
        read.extend(made.map(|part| (*part).clone()));
    }

    pub fn customers(&self, read: &mut Vec<Customer>, parts: &[PartId]) {
        read.retain(|customer| !self.customers.contains_key(&customer.part));
        read.extend(parts.iter().filter_map(|part| self.customers.get(part)).map(|customer| (*customer).clone()));
    }

    pub fn runs(&self, read: &mut Vec<Run>, parts: &[PartId]) {
        read.retain(|run| !self.runs.contains_key(&run.id));
        let parts: HashSet<&PartId> = parts.iter().collect();
        let waiting = self.runs.values().filter(|run| run.status == RunStatus::Waiting && parts.contains(&run.part));
        read.extend(waiting.map(|run| (*run).clone()));
    }

    pub fn entries(&self, read: &mut Vec<Entry>, parts: &[PartId]) {
        read.retain(|entry| !self.entries.contains_key(&(entry.part, entry.journey.as_str())));
        let parts: HashSet<&PartId> = parts.iter().collect();
        read.extend(self.entries.values().filter(|entry| parts.contains(&entry.part)).map(|entry| (*entry).clone()));
    }
}

impl Ahead<'_> {
    /// Facts that the batch made; all are of customers it touched, which are those whose facts it read.
    pub fn facts(&self, read: &mut [(PartId, CustomerFacts)], parts: &[Part], catalog: &Catalog) {
        let needs = catalog.segments.needs();
        let places: HashMap<PartId, usize> =
            read.iter().enumerate().map(|(place, (customer, _))| (*customer, place)).collect();
        let owners: HashMap<PartId, usize> =
            parts.iter().filter_map(|part| Some((part.id(), *places.get(&part.customer)?))).collect();
        for (index, event) in self.changes.events.iter().enumerate() {
            let (Some(need), Some(part)) = (needs.events.get(&event.name), event.part) else { continue };
            let Some(facts) = owners.get(&part).map(|place| &mut read[*place].1) else { continue };
            let properties = if need.properties { Body::read(&event.body).properties } else { Value::Null };
            let position = CAUSED - self.changes.events.len() as i64 + index as i64;
            let fact = EventFact { name: event.name.as_str().into(), at: event.occurred_at, position, properties };
            let place = facts.events.partition_point(|known| (known.at, known.position) <= (fact.at, fact.position));
            facts.events.insert(place, fact);
        }
        for run in self.runs.values().filter(|run| run.status != RunStatus::Waiting) {
            if needs.journeys.contains(&run.journey)
                && let Some(facts) = owners.get(&run.part).map(|place| &mut read[*place].1)
            {
                let journey = catalog.journeys.get(&(run.journey.clone(), run.version));
                let converted =
                    run.status == RunStatus::Done && journey.is_some_and(|journey| journey.converts_at(&run.node));
                facts.runs.push(RunFact { journey: run.journey.as_str().into(), status: run.status, converted });
            }
        }
        for change in &self.changes.memberships {
            let Some(facts) = places.get(&change.customer).map(|place| &mut read[*place].1) else { continue };
            match change.since {
                Some(_) => facts.segments.insert(change.segment.clone()),
                None => facts.segments.remove(&change.segment),
            };
        }
        for change in &self.changes.objects {
            let (kind, key, object) = match change {
                ObjectChange::Create(object, _) | ObjectChange::Replace(object, _) => {
                    (&object.kind, &object.key, Some(object))
                }
                ObjectChange::Delete { kind, key, .. } => (kind, key, None),
            };
            if !needs.objects.contains(kind) {
                continue;
            }
            let same = |known: &ObjectFact| *known.kind == **kind && known.key == *key;
            read.iter_mut().for_each(|(_, facts)| facts.objects.retain(|known| !same(known)));
            if let Some(object) = object
                && let Some(facts) = object.part.and_then(|part| owners.get(&part)).map(|place| &mut read[*place].1)
            {
                let fact = ObjectFact { kind: kind.as_str().into(), key: key.clone(), fields: object.fields.clone() };
                facts.objects.push(fact);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Identity;
    use openhub_model::identity::Age;

    fn run(id: u8, status: RunStatus, due: Option<i64>) -> Run {
        let id = Id::named(&[&[id]]);
        Run {
            id,
            part: id,
            journey: "win-back".into(),
            version: 1,
            node: "quiet".into(),
            step: 1,
            status,
            awaits: None,
            due: due.map(Timestamp::from_micros),
            state: "{}".into(),
            started_at: Timestamp::from_micros(0),
            ended_at: None,
            fault: None,
        }
    }

    fn timer(id: u8, due: i64) -> Timer {
        let id = Id::named(&[&[id]]);
        Timer { due: Timestamp::from_micros(due), id, part: id }
    }

    /// Whether the commit is seen by the read or not, the timers are the same.
    #[test]
    fn timers_are_those_after_the_commit() {
        let changes = Changes {
            runs: vec![
                run(1, RunStatus::Done, None),
                run(2, RunStatus::Waiting, Some(30)),
                run(3, RunStatus::Waiting, Some(90)),
            ],
            ..Changes::default()
        };
        let ahead = Ahead::of(TenantId(1), &changes);
        let until = Timestamp::from_micros(80);
        let (mut before, mut after) =
            (vec![timer(1, 10), timer(2, 20), timer(4, 40)], vec![timer(2, 30), timer(4, 40)]);
        ahead.timers(&mut before, until, None);
        ahead.timers(&mut after, until, None);
        assert_eq!(before, [timer(2, 30), timer(4, 40)]);
        assert_eq!(before, after);
    }

    /// A read that was cut says nothing of what lies behind its end.
    #[test]
    fn nothing_is_armed_behind_the_end_of_the_read() {
        let changes = Changes { runs: vec![run(2, RunStatus::Waiting, Some(60))], ..Changes::default() };
        let mut read = vec![timer(4, 40)];
        Ahead::of(TenantId(1), &changes).timers(&mut read, Timestamp::from_micros(80), Some(timer(4, 40)));
        assert_eq!(read, [timer(4, 40)]);
    }

    fn part(id: u8, customer: u8, seen: bool) -> Part {
        let named = |id: u8| Id::named(&[&[id]]);
        Part {
            age: Age { position: i64::from(id), claimed: false, id: named(id) },
            customer: named(customer),
            identity: Identity::new(Identity::USER_ID, id.to_string()),
            source: String::new(),
            seen,
            state: None,
        }
    }

    /// The customer's oldest part was seen in the batch under way, and only the other one is touched by the next.
    #[test]
    fn a_part_that_was_read_around_another_stays() {
        let changes = Changes { parts: vec![part(1, 1, true)], ..Changes::default() };
        let ahead = Ahead::of(TenantId(1), &changes);
        let mut read = vec![part(1, 1, false), part(2, 1, true)];
        ahead.parts(&mut read, &[part(2, 1, true).id()]);
        assert_eq!(read, [part(1, 1, true), part(2, 1, true)]);
        let mut unread = Vec::new();
        ahead.parts(&mut unread, &[part(1, 1, false).id()]);
        assert_eq!(unread, [part(1, 1, true)]);
    }

    #[test]
    fn a_run_that_ended_does_not_wait() {
        let changes = Changes {
            runs: vec![run(1, RunStatus::Done, None), run(2, RunStatus::Waiting, None)],
            ..Changes::default()
        };
        let mut read = vec![run(1, RunStatus::Waiting, Some(10)), run(3, RunStatus::Waiting, None)];
        let parts: Vec<PartId> = [1, 2, 3].map(|id: u8| Id::named(&[&[id]])).into();
        Ahead::of(TenantId(1), &changes).runs(&mut read, &parts);
        assert_eq!(read.iter().map(|run| run.id).collect::<Vec<_>>(), [parts[2], parts[1]]);
    }
}
