//! Customers whom the lane has met lately, as its last batch leaves them: they need not be read again.
//!
//! A lane is the only one that writes its partition, as long as its lease holds, so what it has computed is what the
//! database has, or will have once the commit under way is through. What others write too, objects and messages, is
//! read anew each time. A commit that fails, and every change that is not a batch, empties it.

use std::collections::VecDeque;
use std::mem::{size_of, take};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};
use openhub_model::customer::Values;
use openhub_model::identity::Part;
use openhub_model::run::Run;
use openhub_model::{Attribute, Customer, Event, PartId, limits};
use openhub_store::{CustomerFacts, Entry};

/// All that COMPUTE is given of one customer.
#[derive(Debug, Default)]
pub struct Known {
    /// All of the customer's parts, the oldest first; never empty.
    pub parts: Vec<Part>,
    pub customer: Option<Arc<Customer>>,
    /// Those that wait.
    pub runs: Vec<Run>,
    pub entries: Vec<Entry>,
    pub facts: CustomerFacts,
}

/// An attribute with its name and its event's, in bytes, beside its value's text.
const ATTRIBUTE: usize = size_of::<(String, Attribute)>() + 100;
/// What a part or a run takes beside its own size, in bytes.
const TEXTS: usize = 160;

impl Known {
    fn id(&self) -> Option<PartId> {
        self.parts.first().map(|part| part.customer)
    }

    /// Roughly its bytes in memory.
    fn weight(&self) -> usize {
        let states = self.parts.iter().filter_map(|part| part.state.as_deref()).chain(self.customer.as_deref());
        let states = states.map(|state| {
            let values = [&state.attributes, &state.tags, &state.consents].into_iter().flat_map(Values::values);
            size_of::<Customer>() + values.map(|held| ATTRIBUTE + limits::size(&held.value)).sum::<usize>()
        });
        let facts = &self.facts;
        size_of::<Known>()
            + states.sum::<usize>()
            + self.parts.len() * (size_of::<Part>() + TEXTS)
            + self.runs.iter().map(|run| size_of::<Run>() + (2 + run.told.updates.len()) * TEXTS).sum::<usize>()
            + (self.entries.len() + facts.runs.len() + facts.segments.len()) * TEXTS
            + facts.history.weight(TEXTS)
    }
}

struct Kept {
    known: Known,
    weight: usize,
    turn: u64,
}

/// The memory that all lanes of the process share, in bytes.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    taken: AtomicUsize,
    /// How often somebody was let go for want of room.
    evicted: AtomicU64,
}

impl Budget {
    pub fn of(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget { limit: bytes, taken: AtomicUsize::new(0), evicted: AtomicU64::new(0) })
    }
}

/// How a lane without work holds its customers: until nothing has happened for long enough, or a lane at work is short of
/// room.
pub struct Rest {
    budget: Arc<Budget>,
    /// When it began, and what had been evicted by then.
    since: Option<(Instant, u64)>,
}

impl Rest {
    pub fn of(budget: Arc<Budget>) -> Rest {
        Rest { budget, since: None }
    }

    pub fn ends(&mut self) {
        self.since = None;
    }

    /// Whether it is over, having begun with the first time that this is asked.
    pub fn is_over(&mut self, hold: Duration, now: Instant) -> bool {
        let evicted = self.budget.evicted.load(Ordering::Relaxed);
        let (since, before) = *self.since.get_or_insert((now, evicted));
        evicted != before || now.saturating_duration_since(since) >= hold
    }
}

/// Events that were read and lie behind the end of their batch.
#[derive(Default)]
pub struct Unread {
    after: i64,
    events: Vec<Event>,
}

impl Unread {
    /// Those behind a checkpoint; none if what was read lies elsewhere.
    pub fn take(&mut self, after: i64) -> Vec<Event> {
        let Unread { after: from, events } = take(self);
        if from == after { events } else { Vec::new() }
    }

    /// `events` follow each other in the log, from the first behind `after`.
    pub fn put(&mut self, after: i64, events: Vec<Event>) {
        *self = Unread { after, events };
    }
}

pub struct Held {
    /// What the lane reads next.
    pub unread: Unread,
    budget: Arc<Budget>,
    customers: HashMap<PartId, Kept>,
    homes: HashMap<PartId, PartId>,
    /// When each was put, the earliest first; one that was taken since is still mentioned.
    order: VecDeque<(u64, PartId)>,
    turn: u64,
}

impl Held {
    pub fn within(budget: Arc<Budget>) -> Held {
        let (customers, homes, order) = Default::default();
        Held { unread: Unread::default(), budget, customers, homes, order, turn: 0 }
    }

    /// Takes out the customers of these parts; the parts that it knows nothing of are left in `parts`.
    pub fn take(&mut self, parts: &mut Vec<PartId>) -> Vec<Known> {
        let mut ids = HashSet::new();
        parts.retain(|part| match self.homes.get(part) {
            Some(customer) => {
                ids.insert(*customer);
                false
            }
            None => true,
        });
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Keeps what a batch leaves. Those of the batch before may go, these stay until the next: its commit is under way
    /// when they are asked for.
    pub fn put(&mut self, batch: Vec<Known>) {
        self.turn += 1;
        for known in batch {
            let Some(id) = known.id() else { continue };
            for part in &known.parts {
                self.homes.insert(part.id(), id);
            }
            let weight = known.weight();
            self.budget.taken.fetch_add(weight, Ordering::Relaxed);
            self.order.push_back((self.turn, id));
            if let Some(old) = self.customers.insert(id, Kept { known, weight, turn: self.turn }) {
                self.budget.taken.fetch_sub(old.weight, Ordering::Relaxed);
            }
        }
        self.evict();
    }

    fn evict(&mut self) {
        if self.order.len() > 2 * self.customers.len() {
            let customers = &self.customers;
            self.order.retain(|(turn, id)| customers.get(id).is_some_and(|kept| kept.turn == *turn));
        }
        while let Some((turn, id)) = self.order.front().copied() {
            let is_stale = self.customers.get(&id).is_none_or(|kept| kept.turn != turn);
            if !is_stale {
                if turn == self.turn || self.budget.taken.load(Ordering::Relaxed) <= self.budget.limit {
                    break;
                }
                self.budget.evicted.fetch_add(1, Ordering::Relaxed);
                self.remove(id);
            }
            self.order.pop_front();
        }
    }

    pub fn clear(&mut self) {
        for kept in take(&mut self.customers).into_values() {
            self.budget.taken.fetch_sub(kept.weight, Ordering::Relaxed);
        }
        (self.homes, self.order, self.unread) = Default::default();
    }

    fn remove(&mut self, id: PartId) -> Option<Known> {
        let Kept { known, weight, .. } = self.customers.remove(&id)?;
        self.budget.taken.fetch_sub(weight, Ordering::Relaxed);
        for part in &known.parts {
            self.homes.remove(&part.id());
        }
        Some(known)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::identity::Age;
    use openhub_model::{Id, Identity};

    fn id(number: u8) -> PartId {
        Id::named(&[&[number]])
    }

    /// A customer of these parts, the first of which gives its name.
    fn known(parts: &[u8]) -> Known {
        let part = |number: &u8| Part {
            age: Age { position: i64::from(*number), claimed: false, id: id(*number) },
            customer: id(parts[0]),
            identity: Identity::new(Identity::USER_ID, number.to_string()),
            source: String::new(),
            seen: true,
            state: None,
        };
        Known { parts: parts.iter().map(part).collect(), ..Known::default() }
    }

    #[test]
    fn a_customer_is_found_by_any_part_and_only_once() {
        let budget = Budget::of(1 << 20);
        let mut held = Held::within(budget.clone());
        held.put(vec![known(&[1, 2]), known(&[3])]);
        let mut asked = vec![id(2), id(4), id(1)];
        let taken = held.take(&mut asked);
        assert_eq!((taken.len(), taken[0].parts.len(), asked), (1, 2, vec![id(4)]));
        let mut again = vec![id(1)];
        assert!(held.take(&mut again).is_empty() && again == [id(1)]);
        drop(held);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_remembered_of_the_order_does_not_grow() {
        let mut held = Held::within(Budget::of(1 << 20));
        held.put(vec![known(&[1]), known(&[2])]);
        for _ in 0..100 {
            let again = held.take(&mut vec![id(2)]);
            held.put(again);
        }
        assert_eq!((held.customers.len(), held.order.len() <= 5), (2, true));
    }

    #[test]
    fn a_lane_rests_until_its_time_is_up_or_others_are_short_of_room() {
        let one = known(&[1]).weight();
        let budget = Budget::of(one);
        let (hold, began) = (Duration::from_secs(60), Instant::now());
        let mut rest = Rest::of(budget.clone());
        let later = |seconds| began + Duration::from_secs(seconds);
        assert!(!rest.is_over(hold, began) && !rest.is_over(hold, later(59)) && rest.is_over(hold, later(60)));
        rest.ends();
        assert!(!rest.is_over(hold, later(61)), "another has begun");
        let mut other = Held::within(budget);
        other.put(vec![known(&[1])]);
        assert!(!rest.is_over(hold, later(62)), "there is room");
        other.put(vec![known(&[2])]);
        assert!(rest.is_over(hold, later(63)));
    }

    #[test]
    fn who_was_met_longest_ago_goes_first_and_the_last_batch_stays() {
        let one = known(&[1]).weight();
        let mut held = Held::within(Budget::of(2 * one));
        held.put(vec![known(&[1]), known(&[2])]);
        let again = held.take(&mut vec![id(1)]);
        held.put(again);
        held.put(vec![known(&[3])]);
        let mut asked = vec![id(1), id(2), id(3)];
        assert_eq!(held.take(&mut asked).len(), 2);
        assert_eq!(asked, [id(2)]);
        held.put(vec![known(&[4]), known(&[5]), known(&[6])]);
        assert_eq!(held.take(&mut vec![id(4), id(5), id(6)]).len(), 3, "the last batch is over the limit and stays");
    }
}
