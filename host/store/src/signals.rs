//! What is told to this process after a commit: that there is something new to do, and how far the engine has come.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openhub_model::TenantId;
use tokio::sync::watch;

#[derive(Clone, Copy)]
pub(crate) enum Signal {
    Appended,
    Checkpoint(TenantId, i64),
}

#[derive(Default)]
pub(crate) struct Signals {
    appended: watch::Sender<u64>,
    checkpoints: Mutex<HashMap<TenantId, watch::Sender<i64>>>,
}

impl Signals {
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    pub(crate) fn checkpoint(&self, tenant: TenantId) -> watch::Receiver<i64> {
        let mut checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        checkpoints.entry(tenant).or_default().subscribe()
    }

    pub(crate) fn send(&self, signal: Signal) {
        match signal {
            Signal::Appended => self.appended.send_modify(|count| *count += 1),
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
