//! Whose turn it is at the writer: what waits of each tenant in a queue of its own, and tenants one after the other.
//!
//! A turn is one transaction. Appends take turns with the engine's large commits, one for one, so that neither waits for
//! more than one of the other; and a turn of appends has a bound, so that a tenant with much to write is not what the
//! others wait for.

use std::collections::{HashMap, VecDeque};

use openhub_model::TenantId;
use openhub_model::ceiling::FULL_WEIGHT;

use crate::weights::Weights;

/// Events of all appends in a turn; one append may be larger.
const EVENTS: usize = 5_000;
/// Pieces of work that share a turn.
const WORKS: usize = 512;
/// Events, or pieces of other work, that a tenant puts in before the next one does.
const QUANTUM: usize = 500;
/// Events that are worth a transaction of their own, apart from other small work.
const MANY: usize = 500;

/// What a piece of work is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// So many events. What waits of a tenant becomes one insert.
    Append(usize),
    Light,
    /// Has a transaction of its own.
    Heavy,
}

pub(crate) trait Queued {
    fn tenant(&self) -> Option<TenantId>;
    fn class(&self) -> Class;
}

/// Whether large work goes apart, and so do many events: each transaction costs a sync, and each savepoint copies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    Yes,
    OnlyHeavy,
}

pub(crate) struct Queues<W> {
    appends: Fair<W>,
    light: Fair<W>,
    heavy: Fair<W>,
    apart: Apart,
    next: Next,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Appends,
    Light,
    Heavy,
}

impl<W: Queued> Queues<W> {
    pub(crate) fn new(apart: Apart, weights: &Weights) -> Queues<W> {
        let (appends, light, heavy) = (Fair::of(weights), Fair::of(weights), Fair::of(weights));
        Queues { appends, light, heavy, apart, next: Next::Appends }
    }

    pub(crate) fn push(&mut self, work: W) {
        match work.class() {
            Class::Append(_) => self.appends.push(work),
            Class::Light => self.light.push(work),
            Class::Heavy => self.heavy.push(work),
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Queues::new(self.apart, &self.appends.weights.clone());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.light.is_empty() && self.heavy.is_empty()
    }

    /// The work of the next transaction, by tenant, so that two nodes lock partitions in the same order, and of a tenant its
    /// appends before the rest. Empty if nothing waits.
    pub(crate) fn take(&mut self) -> Vec<W> {
        let mut works = Vec::new();
        for _ in 0..3 {
            match self.next {
                Next::Appends => {
                    self.next = Next::Light;
                    let events = self.appends.take(EVENTS, &mut works);
                    if (self.apart == Apart::Yes && events >= MANY) || self.light.is_empty() {
                        self.next = if self.light.is_empty() { Next::Heavy } else { Next::Light };
                    } else {
                        self.light.take(WORKS - works.len(), &mut works);
                        self.next = Next::Heavy;
                    }
                }
                Next::Light => {
                    self.next = Next::Heavy;
                    self.light.take(WORKS, &mut works);
                }
                Next::Heavy => {
                    self.next = Next::Appends;
                    works.extend(self.heavy.pop());
                }
            }
            if !works.is_empty() {
                break;
            }
        }
        works.sort_by_key(|work| (work.tenant(), !matches!(work.class(), Class::Append(_))));
        works
    }
}

/// A queue for each tenant that has work.
pub(crate) struct Fair<W> {
    waiting: HashMap<Option<TenantId>, VecDeque<W>>,
    /// Whose turn comes when; each tenant that has work is in it once.
    order: VecDeque<Option<TenantId>>,
    weights: Weights,
    /// What tenants of less than the full weight have saved up for their next turn.
    saved: HashMap<Option<TenantId>, u8>,
}

impl<W: Queued> Fair<W> {
    pub(crate) fn of(weights: &Weights) -> Fair<W> {
        Fair { waiting: HashMap::new(), order: VecDeque::new(), weights: weights.clone(), saved: HashMap::new() }
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn push(&mut self, work: W) {
        let tenant = work.tenant();
        let queue = self.waiting.entry(tenant).or_default();
        if queue.is_empty() {
            self.order.push_back(tenant);
        }
        queue.push_back(work);
    }

    /// The first of the tenant whose turn it is, who is last from then on.
    pub(crate) fn pop(&mut self) -> Option<W> {
        let mut tenant = self.order.pop_front()?;
        while !self.order.is_empty() && !self.may_go(tenant) {
            self.order.push_back(tenant);
            tenant = self.order.pop_front()?;
        }
        let queue = self.waiting.get_mut(&tenant)?;
        let work = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&tenant);
        } else {
            self.order.push_back(tenant);
        }
        work
    }

    fn weight(&self, tenant: Option<TenantId>) -> u8 {
        tenant.map_or(FULL_WEIGHT, |tenant| self.weights.of(tenant))
    }

    /// Each time that a tenant's turn comes it saves its weight; it goes when that is a full one.
    fn may_go(&mut self, tenant: Option<TenantId>) -> bool {
        let weight = self.weight(tenant);
        if weight == FULL_WEIGHT {
            return true;
        }
        let saved = self.saved.entry(tenant).or_default();
        *saved += weight;
        let goes = *saved >= FULL_WEIGHT;
        if goes {
            *saved -= FULL_WEIGHT;
        }
        goes
    }

    /// Takes from tenant after tenant, [`QUANTUM`] of the full weight at a time, until there is `most`. Answers how much it took.
    fn take(&mut self, most: usize, works: &mut Vec<W>) -> usize {
        let mut taken = 0;
        while taken < most
            && works.len() < WORKS
            && let Some(tenant) = self.order.pop_front()
        {
            let quantum = (QUANTUM * usize::from(self.weight(tenant)) / usize::from(FULL_WEIGHT)).max(1);
            let Some(queue) = self.waiting.get_mut(&tenant) else { continue };
            let until = (taken + quantum).min(most);
            while taken < until
                && works.len() < WORKS
                && let Some(work) = queue.pop_front()
            {
                taken += cost(&work);
                works.push(work);
            }
            if queue.is_empty() {
                self.waiting.remove(&tenant);
            } else {
                self.order.push_back(tenant);
            }
        }
        taken
    }
}

fn cost(work: &impl Queued) -> usize {
    match work.class() {
        Class::Append(events) => events.max(1),
        Class::Light | Class::Heavy => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Work(i64, Class, usize);

    impl Queued for Work {
        fn tenant(&self) -> Option<TenantId> {
            Some(TenantId(self.0))
        }
        fn class(&self) -> Class {
            self.1
        }
    }

    fn turns(apart: Apart, works: impl IntoIterator<Item = Work>) -> Queues<Work> {
        let mut turns = Queues::new(apart, &Weights::default());
        works.into_iter().for_each(|work| turns.push(work));
        turns
    }

    fn append(tenant: i64, number: usize) -> Work {
        Work(tenant, Class::Append(100), number)
    }

    #[test]
    fn f_a_flood_of_one_tenant_is_not_what_another_waits_for() {
        let flood = (0..4_096).map(|number| append(1, number));
        let mut turns = turns(Apart::Yes, flood.chain([append(2, 0)]));
        let first = turns.take();
        assert!(first.contains(&append(2, 0)), "the other one is in the very next transaction");
        assert_eq!(first.len(), EVENTS / 100, "which has a bound");
        let numbers: Vec<usize> = first.iter().filter(|work| work.0 == 1).map(|work| work.2).collect();
        assert!(numbers.is_sorted(), "what waits of a tenant goes in its order");
        let rest: usize =
            std::iter::from_fn(|| Some(turns.take()).filter(|works| !works.is_empty())).map(|w| w.len()).sum();
        assert_eq!(first.len() + rest, 4_097, "nothing is lost");
        assert!(turns.is_empty());
    }

    #[test]
    fn d3_the_engine_has_every_second_turn_while_appends_crowd_the_writer() {
        for apart in [Apart::Yes, Apart::OnlyHeavy] {
            let crowd = (0..1_000).map(|number| append(1, number));
            let commits = (0..3).map(|number| Work(1, Class::Heavy, number));
            let mut turns = turns(apart, crowd.chain(commits));
            for number in 0..3 {
                assert!(turns.take().iter().all(|work| matches!(work.1, Class::Append(_))));
                assert_eq!(turns.take(), [Work(1, Class::Heavy, number)]);
            }
        }
    }

    #[test]
    fn large_commits_of_tenants_take_turns() {
        let commits = (0..3).map(|number| Work(1, Class::Heavy, number)).chain([Work(2, Class::Heavy, 0)]);
        let mut turns = turns(Apart::Yes, commits);
        let tenants: Vec<i64> = (0..4).map(|_| turns.take()[0].0).collect();
        assert_eq!(tenants, [1, 2, 1, 1]);
        assert_eq!(turns.take(), []);
    }

    #[test]
    fn who_weighs_less_has_less_of_the_turns() {
        let weights = Weights::default();
        weights.know(HashMap::from([(TenantId(2), 25), (TenantId(3), 1)]));
        let mut turns = Queues::new(Apart::Yes, &weights);
        for number in 0..200 {
            (1..=3).for_each(|tenant| turns.push(Work(tenant, Class::Heavy, number)));
        }
        let order: Vec<i64> = (0..126).map(|_| turns.take()[0].0).collect();
        let of = |tenant: i64| order.iter().filter(|of| **of == tenant).count();
        assert_eq!((of(1), of(2), of(3)), (100, 25, 1));
        // Alone it has all of them.
        let mut alone = Queues::new(Apart::Yes, &weights);
        (0..3).for_each(|number| alone.push(Work(3, Class::Heavy, number)));
        assert_eq!((0..3).map(|_| alone.take().len()).sum::<usize>(), 3);
        let mut appends = Queues::new(Apart::Yes, &weights);
        for number in 0..100 {
            (1..=2).for_each(|tenant| appends.push(append(tenant, number)));
        }
        let first = appends.take();
        let events = |tenant: i64| first.iter().filter(|work| work.0 == tenant).count() * 100;
        assert_eq!((events(1), events(2)), (3_600, 1_400), "turns end with the append that goes beyond their bound");
    }

    #[test]
    fn small_work_goes_together_and_many_events_apart() {
        let mixed = || [Work(2, Class::Light, 0), Work(2, Class::Append(1), 1), Work(1, Class::Light, 2)];
        let mut few = turns(Apart::Yes, mixed());
        assert_eq!(few.take(), [Work(1, Class::Light, 2), Work(2, Class::Append(1), 1), Work(2, Class::Light, 0)]);
        let mut many = turns(Apart::Yes, mixed().into_iter().chain([Work(3, Class::Append(MANY), 3)]));
        assert_eq!(many.take(), [Work(2, Class::Append(1), 1), Work(3, Class::Append(MANY), 3)]);
        assert_eq!(many.take(), [Work(1, Class::Light, 2), Work(2, Class::Light, 0)]);
        let mut postgres = turns(Apart::OnlyHeavy, mixed().into_iter().chain([Work(3, Class::Append(MANY), 3)]));
        assert_eq!(postgres.take().len(), 4, "a sync for all");
    }

    #[test]
    fn an_append_larger_than_a_turn_goes_alone() {
        let mut turns = turns(Apart::Yes, [Work(1, Class::Append(10_000), 0), Work(1, Class::Append(10_000), 1)]);
        assert_eq!(turns.take().len(), 1);
        assert_eq!(turns.take().len(), 1);
    }
}
