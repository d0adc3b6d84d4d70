//! Secrets that a provider's answers give, like the token of an OAuth client: kept in memory for the calls that follow.
//!
//! They never enter the guest, and no database: who has lost one asks the provider anew.

use openhub_model::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Those of one installation, shared by its calls.
#[derive(Debug, Default)]
pub struct Captured(Mutex<BTreeMap<String, Capture>>);

#[derive(Clone)]
pub(crate) struct Capture {
    pub value: Arc<[u8]>,
    pub at: Timestamp,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Captured {
    pub(crate) fn put(&self, name: String, capture: Capture) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, capture);
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Capture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
