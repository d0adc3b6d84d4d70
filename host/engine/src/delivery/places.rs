//! The places of the I/O lane, shared fairly among tenants.
//!
//! A tenant takes one more only while more are free than it holds: one alone comes to half of them, two to a third each, and
//! whoever comes new finds some free, however many hang. For a tenant of half the weight, half as many count as free.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openhub_model::TenantId;
use openhub_model::ceiling::FULL_WEIGHT;
use openhub_store::Weights;
use tokio::sync::watch;

pub struct Places {
    held: Mutex<Held>,
    weights: Weights,
    freed: watch::Sender<()>,
}

struct Held {
    free: usize,
    by: HashMap<TenantId, usize>,
}

/// One place, until it is dropped.
pub struct Place {
    places: Arc<Places>,
    tenant: TenantId,
}

impl Places {
    pub fn of(places: usize, weights: &Weights) -> Arc<Places> {
        let held = Held { free: places.max(1), by: HashMap::new() };
        Arc::new(Places { held: Mutex::new(held), weights: weights.clone(), freed: watch::channel(()).0 })
    }

    /// None if the tenant has its share.
    pub fn take(self: &Arc<Places>, tenant: TenantId) -> Option<Place> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.by.get(&tenant).copied().unwrap_or_default();
        let weight = usize::from(self.weights.of(tenant));
        let counted = (held.free * weight).div_ceil(usize::from(FULL_WEIGHT));
        if counted <= own {
            return None;
        }
        held.free -= 1;
        held.by.insert(tenant, own + 1);
        Some(Place { places: self.clone(), tenant })
    }

    /// Waits for a place for so long.
    pub async fn take_within(self: &Arc<Places>, tenant: TenantId, time: Duration) -> Option<Place> {
        let mut freed = self.freed();
        let taken = async {
            loop {
                freed.mark_unchanged();
                if let Some(place) = self.take(tenant) {
                    return Some(place);
                }
                freed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(time, taken).await.ok()?
    }

    /// Changes when a place becomes free.
    pub fn freed(&self) -> watch::Receiver<()> {
        self.freed.subscribe()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.free += 1;
        let left = held.by.get(&self.tenant).map_or(0, |own| own - 1);
        if left == 0 {
            held.by.remove(&self.tenant);
        } else {
            held.by.insert(self.tenant, left);
        }
        drop(held);
        self.places.freed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(places: &Arc<Places>, tenant: i64) -> Vec<Place> {
        std::iter::from_fn(|| places.take(TenantId(tenant))).collect()
    }

    #[test]
    fn d1_tenants_that_hang_leave_places_for_others() {
        let places = Places::of(64, &Weights::default());
        let hung: Vec<Vec<Place>> = (0..5).map(|tenant| take_all(&places, tenant)).collect();
        let counts: Vec<usize> = hung.iter().map(Vec::len).collect();
        assert_eq!(counts, [32, 16, 8, 4, 2]);
        assert!(places.take(TenantId(9)).is_some(), "whoever comes new finds one");
        drop(hung);
        assert_eq!(take_all(&places, 9).len(), 32, "what was held is free again");
    }

    #[test]
    fn who_weighs_less_holds_less() {
        let weights = Weights::default();
        weights.know(HashMap::from([(TenantId(1), 50), (TenantId(2), 1)]));
        let places = Places::of(60, &weights);
        assert_eq!(take_all(&places, 2).len(), 1, "one is for everybody");
        assert_eq!(take_all(&places, 1).len(), 20);
        assert_eq!(take_all(&places, 3).len(), 30);
    }

    #[tokio::test]
    async fn who_waits_gets_what_becomes_free_and_not_for_ever() {
        let places = Places::of(1, &Weights::default());
        let first = places.take(TenantId(1));
        assert!(places.take_within(TenantId(2), Duration::from_millis(5)).await.is_none());
        let (second, ()) =
            tokio::join!(places.take_within(TenantId(2), Duration::from_secs(60)), async { drop(first) });
        assert!(second.is_some());
    }

    #[test]
    fn one_place_serves_all_in_turn() {
        let places = Places::of(1, &Weights::default());
        let first = places.take(TenantId(1));
        assert!(first.is_some() && places.take(TenantId(2)).is_none());
        drop(first);
        assert!(places.take(TenantId(2)).is_some());
    }
}
