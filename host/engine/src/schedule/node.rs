//! What a node does for all of its tenants: says that it lives, claims what nobody moves, asks which of them have work, and wakes
//! those.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use openhub_model::TenantId;
use openhub_store::{Claimed, Lease, Ready, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::awake::{After, moves};
use super::writes::Change;
use crate::shared::Shared;

/// A node that has not said for so long that it lives is taken for dead.
const LEASE: Duration = Duration::from_secs(15);
/// How often new tenants, and those whose node does not live any more, are looked for.
const ROUND: Duration = Duration::from_millis(1_000);
/// How old what is known of the tenants' weights may be.
const WEIGHED: Duration = Duration::from_secs(5);
const PARTITIONS: usize = 10_000;
/// Rounds: as long as a lease lasts, whoever takes this node for dead may act on it.
const DOUBTS: u32 = 15;

pub struct Node {
    shared: Arc<Shared>,
    stop: CancellationToken,
    held: HashMap<TenantId, Held>,
    /// Those that are awake, until they sleep: each answers the lease that it had.
    awake: JoinSet<(Lease, After)>,
    /// For so many rounds what is held is compared with the database: a claim, or the end of a lease, may have gone otherwise
    /// than was told.
    doubts: u32,
}

struct Held {
    lease: Lease,
    /// Ends what moves it; none while it sleeps.
    awake: Option<CancellationToken>,
}

impl Node {
    pub fn new(shared: Arc<Shared>, stop: CancellationToken) -> Node {
        Node { shared, stop, held: HashMap::new(), awake: JoinSet::new(), doubts: 0 }
    }

    /// Runs until it is stopped, and gives all leases back.
    pub async fn run(mut self) {
        let store = self.shared.store.clone();
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (looks, mut ready) = mpsc::channel(1);
        let looking = tokio::spawn(look(self.shared.clone(), looks, self.stop.clone()));
        let weighing = tokio::spawn(weigh(self.shared.clone(), self.stop.clone()));
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = self.awake.join_next() => match ended {
                    Ok((lease, after)) => self.ended(lease, after).await,
                    Err(error) => tracing::error!(%error, "A task of the engine panicked."),
                },
                unheard = store.unheard() => unheard.into_iter().for_each(|tenant| self.wake(tenant)),
                Some(ready) = ready.recv() => self.call(ready),
                _ = rounds.tick() => {
                    let done = self.round().await;
                    match (self.shared.writes.note(done.is_ok()), done) {
                        (Change::Fails, Err(error)) => {
                            tracing::error!(%error, "The database takes no writes: leases could not be renewed. It is tried each second.");
                        }
                        (Change::Works, _) => tracing::info!("The database takes writes again."),
                        _ => {}
                    }
                }
            }
            metrics::gauge!("openhub_tenants_awake").set(self.awake.len() as f64);
        }
        // Until the last call has ended, nobody else is to take over what is being sent.
        while !self.awake.is_empty() {
            tokio::select! {
                Some(ended) = self.awake.join_next() => drop(ended),
                _ = rounds.tick() => {
                    if let Err(error) = store.claim_partitions(LEASE, 0).await {
                        tracing::error!(%error, "Leases could not be renewed.");
                    }
                }
            }
        }
        ready.close();
        if let Err(error) = looking.await.and(weighing.await) {
            tracing::error!(%error, "A task of the engine panicked.");
        }
        if let Err(error) = store.leave().await {
            tracing::warn!(%error, "Leases were not released; they run out by themselves.");
        }
    }

    async fn round(&mut self) -> Result<(), StoreError> {
        self.shared.followed.forget_unasked(self.shared.config.hold);
        let store = self.shared.store.clone();
        // Without an answer it may have been made all the same.
        let claimed = store.claim_partitions(LEASE, PARTITIONS).await.inspect_err(|_| self.doubts = DOUBTS)?;
        let Claimed { leases, lapsed } = claimed;
        if lapsed {
            // Others may be claiming what was held, as they see it.
            self.doubts = DOUBTS;
        }
        let is_new = !leases.is_empty();
        leases.into_iter().for_each(|lease| self.hold(lease));
        if self.doubts > 0 {
            self.compare().await?;
            self.doubts -= 1;
        }
        if is_new {
            let ready = store.ready_here((self.shared.clock)()).await?;
            self.call(ready);
        }
        Ok(())
    }

    fn hold(&mut self, lease: Lease) {
        match self.held.get_mut(&lease.tenant) {
            Some(held) if held.lease.fence == lease.fence => {}
            // What moved it under an earlier fence ends first.
            Some(held) => {
                held.lease = lease;
                held.awake.iter().for_each(CancellationToken::cancel);
            }
            None => drop(self.held.insert(lease.tenant, Held { lease, awake: None })),
        }
    }

    /// Lets go of what other nodes have claimed, and holds what is this node's.
    async fn compare(&mut self) -> Result<(), StoreError> {
        let here = self.shared.store.held_here().await?;
        let fences: HashMap<TenantId, i64> = here.iter().map(|lease| (lease.tenant, lease.fence)).collect();
        self.held.retain(|tenant, held| {
            let is_held = fences.contains_key(tenant);
            if let (false, Some(awake)) = (is_held, &held.awake) {
                awake.cancel();
            }
            is_held || held.awake.is_some()
        });
        here.into_iter().for_each(|lease| self.hold(lease));
        Ok(())
    }

    /// Wakes who has work, and tells those that are awake what they cannot know.
    fn call(&mut self, ready: Vec<Ready>) {
        for Ready { tenant, called } in ready {
            match self.held.get(&tenant) {
                Some(Held { awake: Some(_), .. }) if called => self.shared.store.wake(tenant),
                Some(_) => self.wake(tenant),
                // By the database it is this node's.
                None => self.doubts = self.doubts.max(1),
            }
        }
    }

    fn wake(&mut self, tenant: TenantId) {
        // What is not held here is another node's.
        let Some(held) = self.held.get_mut(&tenant) else { return };
        if held.awake.is_some() {
            return;
        }
        let (shared, lease, stop) = (self.shared.clone(), held.lease, self.stop.child_token());
        held.awake = Some(stop.clone());
        self.awake.spawn(async move {
            let moved = AssertUnwindSafe(moves(shared, lease, stop)).catch_unwind().await;
            (lease, moved.unwrap_or(After::Lost))
        });
    }

    async fn ended(&mut self, lease: Lease, after: After) {
        let tenant = lease.tenant;
        let Some(held) = self.held.get_mut(&tenant) else { return };
        held.awake = None;
        // It may have been claimed again meanwhile.
        if after == After::Awake {
            return self.wake(tenant);
        }
        if after == After::Asleep || held.lease.fence != lease.fence {
            return;
        }
        self.held.remove(&tenant);
        if let Err(error) = self.shared.store.release_leases(&[lease]).await {
            tracing::warn!(tenant.id = tenant.0, %error, "A lease was not released.");
            self.doubts = DOUBTS;
        }
    }
}

/// Keeps the weights of all tenants.
async fn weigh(shared: Arc<Shared>, stop: CancellationToken) {
    let mut times = tokio::time::interval(WEIGHED);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = times.tick() => {}
        }
        if let Err(error) = shared.store.read_weights().await {
            tracing::debug!(%error, "The weights of tenants could not be read; those that were known count on.");
        }
    }
}

/// Asks, for all tenants at once, which have work that this process does not know of: a time has come, or another process has
/// appended something.
async fn look(shared: Arc<Shared>, looks: mpsc::Sender<Vec<Ready>>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(shared.config.poll) => {}
            () = stop.cancelled() => return,
        }
        match shared.store.ready_here((shared.clock)()).await {
            Ok(ready) => {
                if looks.send(ready).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!(%error, "Which tenants have work could not be read."),
        }
    }
}
