//! Whose turn it is to read: who waits of each tenant in a queue of its own, and tenants one after the other. However many read
//! for one tenant, another one waits for one of them.
//!
//! Reads of no tenant (keys, tenants, whether the database answers) wait for nobody: the pool has a connection more than there
//! are turns. Reads that look at all customers of a tenant take a turn among themselves, too, of which there are half as many:
//! all others find a connection beside them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openhub_model::TenantId;
use tokio::sync::oneshot;

use crate::database::queues::{Class, Fair, Queued};
use crate::error::StoreError;
use crate::weights::Weights;

pub(crate) struct Turns {
    state: Mutex<State>,
}

struct State {
    free: usize,
    waiting: Fair<Waiting>,
}

struct Waiting {
    tenant: TenantId,
    call: oneshot::Sender<Turn>,
}

impl Queued for Waiting {
    fn tenant(&self) -> Option<TenantId> {
        Some(self.tenant)
    }

    fn class(&self) -> Class {
        Class::Light
    }
}

/// The next one's when it is dropped.
pub(crate) struct Turn(Option<Arc<Turns>>);

impl Turns {
    pub(crate) fn new(most: usize, weights: &Weights) -> Arc<Turns> {
        Arc::new(Turns { state: Mutex::new(State { free: most, waiting: Fair::of(weights) }) })
    }

    /// Waits no longer than that.
    pub(crate) async fn take(self: &Arc<Self>, tenant: TenantId, most: Duration) -> Result<Turn, StoreError> {
        let called = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn(Some(Arc::clone(self))));
            }
            let (call, called) = oneshot::channel();
            state.waiting.push(Waiting { tenant, call });
            called
        };
        match tokio::time::timeout(most, called).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(StoreError::Unavailable),
        }
    }

    fn pass_on(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                let Some(next) = state.waiting.pop() else {
                    state.free += 1;
                    return;
                };
                next
            };
            match next.call.send(Turn(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It does not wait any more.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LONG: Duration = Duration::from_secs(600);

    /// Lets all tasks come to where they wait.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_crowd_of_one_tenant_is_not_what_another_waits_for() {
        let turns = Turns::new(2, &Weights::default());
        let (shop, other) = (TenantId(1), TenantId(2));
        let mut held = vec![turns.take(shop, LONG).await.unwrap(), turns.take(shop, LONG).await.unwrap()];
        let order: Arc<Mutex<Vec<i64>>> = Arc::default();
        let read = |tenant: TenantId| {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            tokio::spawn(async move {
                let _turn = turns.take(tenant, LONG).await.unwrap();
                order.lock().unwrap().push(tenant.0);
            })
        };
        let crowd: Vec<_> = (0..48).map(|_| read(shop)).collect();
        settle().await;
        let late = read(other);
        settle().await;
        assert!(order.lock().unwrap().is_empty());
        held.pop();
        for reader in crowd.into_iter().chain([late]) {
            reader.await.unwrap();
        }
        let order = order.lock().unwrap();
        assert_eq!((order.len(), order.iter().position(|tenant| *tenant == other.0)), (49, Some(1)));
        drop(held);
        assert_eq!(turns.lock().free, 2, "nothing is lost");
    }

    #[tokio::test]
    async fn who_has_gone_is_passed_over() {
        let turns = Turns::new(1, &Weights::default());
        let tenant = TenantId(1);
        let held = turns.take(tenant, LONG).await.unwrap();
        assert!(matches!(turns.take(tenant, Duration::ZERO).await, Err(StoreError::Unavailable)));
        let served = Arc::new(AtomicUsize::new(0));
        let reader = |turns: Arc<Turns>, served: Arc<AtomicUsize>| async move {
            let _turn = turns.take(tenant, LONG).await.unwrap();
            served.fetch_add(1, Ordering::Relaxed);
        };
        let gone = tokio::spawn(reader(Arc::clone(&turns), Arc::clone(&served)));
        let stays = tokio::spawn(reader(Arc::clone(&turns), Arc::clone(&served)));
        settle().await;
        gone.abort();
        settle().await;
        drop(held);
        stays.await.unwrap();
        assert_eq!((served.load(Ordering::Relaxed), turns.lock().free), (1, 1));
    }
}
