//! Places for requests under way, so that nobody takes them all.
//!
//! [`Places`] are shared: one may hold three times as many as are free. Alone that is three quarters of them; the more hold
//! many, the fewer each; and who holds none finds one. Who has half the weight may hold half as many for each that is free. [`Each`] gives everyone the same few, whatever others do.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openhub_model::TenantId;
use openhub_model::ceiling::FULL_WEIGHT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many places one may hold for each that is free.
const SHARE: usize = 3;

/// How many of `most` places one holds at most: all are free but those.
pub(crate) const fn alone(most: usize) -> usize {
    most * SHARE / (SHARE + 1)
}

pub(crate) struct Places<K: Eq + Hash + Copy> {
    most: usize,
    held: Mutex<Held<K>>,
}

struct Held<K> {
    all: usize,
    by: HashMap<K, usize>,
}

/// Whether one who holds `own` of the `all` places that are taken gets another.
fn has_place(own: usize, all: usize, most: usize, weight: u8) -> bool {
    let free = most.saturating_sub(all);
    // Who holds none has a place even when so many hold one that there is none left, up to twice as many.
    own * usize::from(FULL_WEIGHT) < SHARE * free * usize::from(weight) || (own == 0 && all < 2 * most)
}

impl<K: Eq + Hash + Copy> Places<K> {
    pub fn new(most: usize) -> Arc<Places<K>> {
        Arc::new(Places { most, held: Mutex::new(Held { all: 0, by: HashMap::new() }) })
    }

    pub fn take(self: &Arc<Self>, who: K) -> Option<Place<K>> {
        self.take_by(FULL_WEIGHT, who)
    }

    /// Who has half the weight holds half as many.
    pub fn take_by(self: &Arc<Self>, weight: u8, who: K) -> Option<Place<K>> {
        let mut held = self.lock();
        let own = held.by.get(&who).copied().unwrap_or_default();
        if !has_place(own, held.all, self.most, weight) {
            return None;
        }
        held.all += 1;
        held.by.insert(who, own + 1);
        Some(Place { places: Arc::clone(self), who })
    }

    fn lock(&self) -> MutexGuard<'_, Held<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back when it is dropped.
pub(crate) struct Place<K: Eq + Hash + Copy> {
    places: Arc<Places<K>>,
    who: K,
}

impl<K: Eq + Hash + Copy> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        held.all -= 1;
        if let Some(own) = held.by.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                held.by.remove(&self.who);
            }
        }
    }
}

/// Places of each tenant, shared among those who call under its keys: a key that stands in a page is everybody's.
pub(crate) struct Shares<K: Eq + Hash + Copy> {
    most: usize,
    by: Mutex<HashMap<TenantId, Arc<Places<K>>>>,
}

impl<K: Eq + Hash + Copy> Shares<K> {
    pub fn new(most: usize) -> Arc<Shares<K>> {
        Arc::new(Shares { most, by: Mutex::default() })
    }

    pub fn take(&self, tenant: TenantId, who: K) -> Option<Place<K>> {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        by.entry(tenant).or_insert_with(|| Places::new(self.most)).take(who)
    }
}

/// So many places for each tenant.
pub(crate) struct Each {
    most: usize,
    by: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

impl Each {
    pub fn new(most: usize) -> Arc<Each> {
        Arc::new(Each { most, by: Mutex::default() })
    }

    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(self.most))))
    }

    pub fn take(&self, tenant: TenantId) -> Option<OwnedSemaphorePermit> {
        self.of(tenant).try_acquire_owned().ok()
    }

    pub async fn take_within(&self, tenant: TenantId, time: Duration) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(time, self.of(tenant).acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_who_holds_none_finds_a_place_beside_a_flood() {
        let places = Places::new(256);
        let flood: Vec<_> = std::iter::from_fn(|| places.take(1)).collect();
        assert_eq!(flood.len(), 192, "three quarters of all for one alone");
        let quiet: Vec<_> = std::iter::from_fn(|| places.take(2)).take(40).collect();
        assert_eq!(quiet.len(), 40);
        drop(flood);
        assert_eq!(places.lock().by.get(&1), None, "nothing is kept of who holds nothing");
        drop(quiet);
        assert_eq!(places.lock().all, 0);
        assert!(places.take(1).is_some());
    }

    #[test]
    fn f_many_floods_leave_a_place_too() {
        for floods in [2, 10, 100, 300] {
            let places = Places::new(256);
            let mut held = Vec::new();
            // They take turns, as long as one of them gets anything.
            loop {
                let before = held.len();
                held.extend((0..floods).filter_map(|flood| places.take(flood)));
                if held.len() == before {
                    break;
                }
            }
            assert!(held.len() < 512, "{floods}: {}", held.len());
            assert!(places.take(1_000).is_some(), "{floods} floods hold {}", held.len());
        }
    }

    #[test]
    fn who_weighs_less_holds_less() {
        let places = Places::new(256);
        let light: Vec<_> = std::iter::from_fn(|| places.take_by(10, 1)).collect();
        assert_eq!(light.len(), 60, "0.3 for each that is free");
        let others: Vec<_> = std::iter::from_fn(|| places.take(2)).collect();
        assert_eq!(others.len(), 147);
    }

    #[test]
    fn no_places_are_none() {
        assert!(Places::new(0).take(1).is_none());
    }

    #[tokio::test]
    async fn d1_each_tenant_has_its_own() {
        let each = Each::new(1);
        let (shop, other) = (TenantId(1), TenantId(2));
        let held = each.take(shop).expect("the first");
        assert!(each.take(shop).is_none());
        assert!(each.take_within(shop, Duration::ZERO).await.is_none());
        assert!(each.take(other).is_some());
        drop(held);
        assert!(each.take_within(shop, Duration::ZERO).await.is_some());
    }
}
