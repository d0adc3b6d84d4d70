//! Whether callers who append to a tenant's log crowd the writer: then each of the engine's commits is what they wait for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openhub_model::TenantId;

/// So many callers, who wait at the same time,
const CALLERS: usize = 2;
/// with so many events.
const EVENTS: usize = 500;
/// For so long the crowd may be on its way back with more.
const RETURN: Duration = Duration::from_millis(25);

/// Who waits, by tenant. Nobody is in it to whom nothing happens.
#[derive(Default)]
pub(crate) struct Crowds(Mutex<HashMap<TenantId, Waiting>>);

#[derive(Default)]
struct Waiting {
    callers: usize,
    events: usize,
    /// When there was a crowd last.
    seen: Option<Instant>,
}

impl Waiting {
    fn is_crowd(&self) -> bool {
        self.callers >= CALLERS && self.events >= EVENTS
    }

    fn note(&mut self, now: Instant) {
        if self.is_crowd() {
            self.seen = Some(now);
        }
    }

    fn may_return(&self, now: Instant) -> bool {
        self.seen.is_some_and(|seen| now < seen + RETURN)
    }
}

impl Crowds {
    /// A caller with so many events waits from now on until the answer is dropped.
    pub(crate) fn join(&self, tenant: TenantId, events: usize) -> Joined<'_> {
        self.change(tenant, |waiting| {
            waiting.callers += 1;
            waiting.events += events;
        });
        Joined { crowds: self, tenant, events }
    }

    pub(crate) fn is_there(&self, tenant: TenantId, now: Instant) -> bool {
        let mut all = self.lock();
        let Some(waiting) = all.get(&tenant) else { return false };
        if waiting.callers == 0 && !waiting.may_return(now) {
            all.remove(&tenant);
            return false;
        }
        waiting.is_crowd() || waiting.may_return(now)
    }

    fn change(&self, tenant: TenantId, change: impl FnOnce(&mut Waiting)) {
        let mut all = self.lock();
        let waiting = all.entry(tenant).or_default();
        let now = Instant::now();
        waiting.note(now);
        change(waiting);
        waiting.note(now);
        if waiting.callers == 0 && waiting.seen.is_none() {
            all.remove(&tenant);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller among those who wait.
pub(crate) struct Joined<'c> {
    crowds: &'c Crowds,
    tenant: TenantId,
    events: usize,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.crowds.change(self.tenant, |waiting| {
            waiting.callers -= 1;
            waiting.events -= self.events;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: TenantId = TenantId(1);
    const OTHER: TenantId = TenantId(2);

    #[test]
    fn many_events_of_several_callers_are_a_crowd_and_a_while_after() {
        let crowds = Crowds::default();
        let now = Instant::now();
        let large = crowds.join(SHOP, 2_000);
        assert!(!crowds.is_there(SHOP, now), "one caller's request waits for the next by itself");
        let small = crowds.join(SHOP, 1);
        assert!(crowds.is_there(SHOP, Instant::now()));
        assert!(!crowds.is_there(OTHER, Instant::now()), "another tenant's callers are no business of this one");
        drop(large);
        assert!(crowds.is_there(SHOP, Instant::now()), "they may come back");
        let later = Instant::now() + RETURN;
        assert!(!crowds.is_there(SHOP, later));
        let others: Vec<Joined<'_>> = (0..400).map(|_| crowds.join(SHOP, 1)).collect();
        assert!(!crowds.is_there(SHOP, later), "401 events are one small commit");
        let enough = crowds.join(SHOP, 99);
        assert!(crowds.is_there(SHOP, later), "as long as they wait");
        drop((small, others, enough));
        assert!(!crowds.is_there(SHOP, Instant::now() + RETURN));
        drop(crowds.join(OTHER, 1));
        assert!(crowds.lock().is_empty(), "nothing is kept of a tenant to whom nothing happens");
    }
}
