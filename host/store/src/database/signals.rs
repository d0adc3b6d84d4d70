//! What is told to this process after a commit: that there is something new to do, and how far the engine has come.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use openhub_model::TenantId;
use tokio::sync::{Notify, watch};

#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// There is something new to do of a tenant.
    Appended(TenantId),
    Checkpoint(TenantId, i64),
    /// So many arrived events wait for the engine.
    Behind(TenantId, i64),
}

#[derive(Default)]
pub(crate) struct Signals {
    appended: Mutex<HashMap<TenantId, watch::Sender<u64>>>,
    checkpoints: Mutex<HashMap<TenantId, watch::Sender<i64>>>,
    behind: Mutex<HashMap<TenantId, (i64, Instant)>>,
    /// Of whom there is something new, and nobody listened.
    unheard: Mutex<HashSet<TenantId>>,
    called: Notify,
}

impl Signals {
    pub(crate) fn appended(&self, tenant: TenantId) -> watch::Receiver<u64> {
        self.appended.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default().subscribe()
    }

    /// Waits for tenants of whom there is something new while nobody listens: they sleep, or another node moves them.
    pub(crate) async fn unheard(&self) -> HashSet<TenantId> {
        loop {
            let unheard = std::mem::take(&mut *self.unheard.lock().unwrap_or_else(PoisonError::into_inner));
            if !unheard.is_empty() {
                return unheard;
            }
            self.called.notified().await;
        }
    }

    pub(crate) fn checkpoint(&self, tenant: TenantId) -> watch::Receiver<i64> {
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        checkpoints.entry(tenant).or_default().subscribe()
    }

    /// How many arrived events waited for the engine when that was last seen, and when that was.
    pub(crate) fn behind(&self, tenant: TenantId) -> Option<(i64, Instant)> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied()
    }

    pub(crate) fn send(&self, signal: Signal) {
        match signal {
            Signal::Appended(tenant) => {
                let mut appended = self.appended.lock().unwrap_or_else(PoisonError::into_inner);
                match appended.get(&tenant) {
                    Some(sender) if sender.receiver_count() > 0 => sender.send_modify(|count| *count += 1),
                    _ => {
                        appended.remove(&tenant);
                        self.unheard.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
                        self.called.notify_one();
                    }
                }
            }
            Signal::Behind(tenant, events) => {
                let seen = (events, Instant::now());
                self.behind.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, seen);
            }
            Signal::Checkpoint(tenant, position) => {
                let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
                checkpoints.entry(tenant).or_default().send_if_modified(|reached| {
                    let moved = position > *reached;
                    *reached = position.max(*reached);
                    moved
                });
            }
        }
    }
}
