//! Whose turn it is to compute. Among the tenants that wait, the one goes first that has had the least time: a tenant with large
//! batches has the machine for itself while it is alone, and others wait for one batch of it, not for all that it has. A tenant of
//! half the weight is counted twice the time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openhub_model::TenantId;
use openhub_model::ceiling::FULL_WEIGHT;
use openhub_store::Weights;
use tokio::sync::oneshot;

/// So many tenants are remembered though they have no more than others had.
const REMEMBERED: usize = 1_024;

pub struct Turns {
    standing: Mutex<Standing>,
    weights: Weights,
}

struct Standing {
    /// Attempts that may begin at once.
    free: usize,
    /// Where the turn that was given last began, or the last one ended after which nobody waited.
    floor: Duration,
    /// Up to where each tenant has had its share.
    had: HashMap<TenantId, Duration>,
    /// By where each begins, and by who came first.
    waiting: BTreeMap<(Duration, u64), (TenantId, oneshot::Sender<Turn>)>,
    came: u64,
}

/// The right to compute, until it is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    tenant: TenantId,
    begins: Duration,
    since: Instant,
}

impl Turns {
    pub fn of(workers: usize, weights: &Weights) -> Arc<Turns> {
        let (had, waiting) = (HashMap::new(), BTreeMap::new());
        let standing = Standing { free: workers.max(1), floor: Duration::ZERO, had, waiting, came: 0 };
        Arc::new(Turns { standing: Mutex::new(standing), weights: weights.clone() })
    }

    pub async fn take(self: &Arc<Turns>, tenant: TenantId) -> Turn {
        let waits = {
            let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
            let had = standing.had.get(&tenant).copied().unwrap_or_default();
            let begins = had.max(standing.floor);
            if standing.free > 0 {
                standing.free -= 1;
                standing.floor = begins;
                return self.turn(tenant, begins);
            }
            let (turn, waits) = oneshot::channel();
            standing.came += 1;
            let place = (begins, standing.came);
            standing.waiting.insert(place, (tenant, turn));
            waits
        };
        // Whoever gives a turn back gives it on, and nothing else drops who waits.
        match waits.await {
            Ok(turn) => turn,
            Err(_) => self.turn(tenant, Duration::ZERO),
        }
    }

    fn turn(self: &Arc<Turns>, tenant: TenantId, begins: Duration) -> Turn {
        Turn { turns: self.clone(), tenant, begins, since: Instant::now() }
    }

    fn give_on(self: &Arc<Turns>, tenant: TenantId, until: Duration) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let had = standing.had.entry(tenant).or_default();
        *had = until.max(*had);
        let next = standing.waiting.pop_first();
        match next {
            Some(((begins, _), (tenant, waits))) => {
                standing.floor = begins.max(standing.floor);
                drop(standing);
                // Who does not wait any more gives it on by itself.
                drop(waits.send(self.turn(tenant, begins)));
            }
            None => {
                standing.free += 1;
                // What was had while nobody else wanted it is nobody's debt.
                standing.floor = until.max(standing.floor);
                if standing.had.len() > REMEMBERED {
                    let floor = standing.floor;
                    standing.had.retain(|_, had| *had > floor);
                }
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let weight = u32::from(self.turns.weights.of(self.tenant));
        let counted = self.since.elapsed() * u32::from(FULL_WEIGHT) / weight;
        self.turns.give_on(self.tenant, self.begins + counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: TenantId = TenantId(1);
    const SMALL: TenantId = TenantId(2);

    /// As if it had taken so long.
    fn ends_after(mut turn: Turn, millis: u64) {
        turn.since = Instant::now().checked_sub(Duration::from_millis(millis)).expect("the machine runs for longer");
    }

    /// Who gets turns of so many milliseconds, one at a time, while all of `asks` always ask for one.
    async fn order(turns: &Arc<Turns>, asks: &[(TenantId, u64)], rounds: usize) -> Vec<TenantId> {
        let (given, mut takes) = tokio::sync::mpsc::unbounded_channel();
        let first = turns.take(TenantId(0)).await;
        for (tenant, millis) in asks.iter().copied() {
            let (turns, given) = (turns.clone(), given.clone());
            tokio::spawn(async move {
                loop {
                    let turn = turns.take(tenant).await;
                    if given.send((tenant, millis, turn)).is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            });
            tokio::task::yield_now().await;
        }
        drop(first);
        let mut order = Vec::new();
        while order.len() < rounds {
            let (tenant, millis, turn) = takes.recv().await.expect("somebody asks");
            // Everybody who was given a turn before asks again first.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            order.push(tenant);
            ends_after(turn, millis);
        }
        order
    }

    #[tokio::test]
    async fn d_who_has_had_least_goes_first() {
        let order = order(&Turns::of(1, &Weights::default()), &[(LARGE, 1_000), (SMALL, 100)], 44).await;
        let small = order.iter().filter(|tenant| **tenant == SMALL).count();
        assert!((38..=41).contains(&small), "ten small ones for a large one: {order:?}");
    }

    #[tokio::test]
    async fn who_weighs_less_has_less_time() {
        let weights = Weights::default();
        weights.know(HashMap::from([(SMALL, 25)]));
        let order = order(&Turns::of(1, &weights), &[(LARGE, 1_000), (SMALL, 1_000)], 50).await;
        let small = order.iter().filter(|tenant| **tenant == SMALL).count();
        assert!((9..=11).contains(&small), "one for four: {order:?}");
    }

    #[tokio::test]
    async fn who_rested_has_saved_nothing_up() {
        let turns = Turns::of(1, &Weights::default());
        for _ in 0..100 {
            ends_after(turns.take(LARGE).await, 1_000);
        }
        let order = order(&turns, &[(LARGE, 100), (SMALL, 100)], 20).await;
        let large = order.iter().filter(|tenant| **tenant == LARGE).count();
        assert!((9..=11).contains(&large), "they take turns: {order:?}");
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_holds_up_nobody() {
        let turns = Turns::of(1, &Weights::default());
        let held = turns.take(LARGE).await;
        let mut gone = Box::pin(turns.take(SMALL));
        assert!(futures::poll!(&mut gone).is_pending());
        let mut given = Box::pin(turns.take(SMALL));
        assert!(futures::poll!(&mut given).is_pending());
        let mut last = Box::pin(turns.take(LARGE));
        assert!(futures::poll!(&mut last).is_pending());
        drop(gone);
        drop(held);
        // It was given a turn, and never looked.
        drop(given);
        assert!(futures::poll!(&mut last).is_ready());
    }

    #[tokio::test]
    async fn as_many_compute_as_there_are_workers() {
        let turns = Turns::of(2, &Weights::default());
        let (_first, second) = (turns.take(LARGE).await, turns.take(LARGE).await);
        let mut third = Box::pin(turns.take(SMALL));
        assert!(futures::poll!(&mut third).is_pending());
        drop(second);
        assert!(futures::poll!(&mut third).is_ready());
        for tenant in 0..2_000 {
            drop(turns.take(TenantId(tenant)).await);
        }
        let remembered = turns.standing.lock().unwrap_or_else(PoisonError::into_inner).had.len();
        assert!(remembered <= REMEMBERED + 1, "{remembered}");
    }
}
