//! What segments know of one customer in a batch: facts, memberships, and which of them are to be asked again.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::condition::Picks;
use openhub_model::event::{SEGMENT_ENTERED, SEGMENT_LEFT};
use openhub_model::{Customer, PartId, Timestamp};
use openhub_store::{CustomerFacts, Membership, Wake};

use crate::catalog::{Place, Segments, Watched};

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
pub struct SegmentState {
    pub facts: CustomerFacts,
    /// Segments to ask again: with repetitions, in no order.
    pub stale: Vec<Place>,
    stored: Vec<Stored>,
    /// Since when the customer is in the segments that they entered in the batch.
    since: BTreeMap<String, Timestamp>,
    /// Events that the item under way has caused here.
    pub told: u32,
}

impl SegmentState {
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
    pub fn join(&mut self, mut other: SegmentState, segments: &Segments, now: Timestamp) {
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
    pub fn follow(&mut self, watched: &Watched, picks: &Picks) {
        let history = &mut self.facts.history;
        if history.events().len() >= FEW {
            history.follow(&watched.series, picks);
        }
    }

    /// Enters or leaves, whichever it is.
    pub fn cross(&mut self, segment: &str, now: Timestamp) -> &'static str {
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
