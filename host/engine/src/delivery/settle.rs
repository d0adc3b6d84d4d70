//! Verdicts gather and are committed together, under the claim. One commit is under way at a time, so they gather while it
//! lasts.

use std::sync::Arc;
use std::time::Duration;

use openhub_model::Id;
use openhub_store::{Scope, Settled, StoreError, Verdicts as Listeners};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::verdict::count;
use crate::shared::Shared;

pub const BACKOFF: Duration = Duration::from_millis(500);

/// How long verdicts gather before they are committed together; longer while the engine is behind its log and needs the
/// writer for itself.
const GATHER: Duration = Duration::from_millis(25);
const GATHER_BEHIND: Duration = Duration::from_millis(250);

pub struct Verdicts {
    shared: Arc<Shared>,
    scope: Scope,
    fence: i64,
    stop: CancellationToken,
    /// Came back and are in no commit yet.
    gathered: Vec<Settled>,
    gathering_since: Instant,
    /// In the commit that is under way.
    committing: Arc<Vec<Settled>>,
    saving: JoinSet<()>,
}

impl Verdicts {
    pub fn new(shared: Arc<Shared>, scope: Scope, fence: i64, stop: CancellationToken) -> Verdicts {
        Verdicts {
            shared,
            scope,
            fence,
            stop,
            gathered: Vec::new(),
            gathering_since: Instant::now(),
            committing: Arc::default(),
            saving: JoinSet::new(),
        }
    }

    pub fn add(&mut self, settled: Vec<Settled>) {
        count(&settled);
        if self.gathered.is_empty() {
            self.gathering_since = Instant::now();
        }
        self.gathered.extend(settled);
    }

    /// Verdicts that are not committed, those under way included.
    pub fn unsaved(&self) -> usize {
        self.gathered.len() + self.committing.len()
    }

    /// Whether the verdict on this message is not committed.
    pub fn holds(&self, message: Id) -> bool {
        self.gathered.iter().chain(self.committing.iter()).any(|settled| settled.id == message)
    }

    /// Whether verdicts wait for the next commit, and none is under way.
    pub fn gathers(&self) -> bool {
        !self.gathered.is_empty() && self.saving.is_empty()
    }

    /// When those that gather are committed at the latest.
    pub fn gathered_at(&self) -> Instant {
        let behind = self.shared.backlogs.behind(self.scope.tenant());
        self.gathering_since + if behind { GATHER_BEHIND } else { GATHER }
    }

    pub fn is_saving(&self) -> bool {
        !self.saving.is_empty()
    }

    /// Begins to commit what has gathered, unless a commit is under way.
    pub fn save(&mut self) {
        if !self.gathers() {
            return;
        }
        self.committing = Arc::new(std::mem::take(&mut self.gathered));
        let (settled, shared, scope) = (self.committing.clone(), self.shared.clone(), self.scope);
        let (fence, stop) = (self.fence, self.stop.clone());
        self.saving.spawn(async move {
            while let Err(error) = settle(&shared, &scope, fence, &settled).await {
                tracing::error!(tenant.id = scope.tenant().0, %error, "Verdicts could not be committed.");
                if stop.is_cancelled() {
                    break;
                }
                tokio::time::sleep(BACKOFF).await;
            }
        });
    }

    /// Waits for the commit under way.
    pub async fn saved(&mut self) {
        let Some(saved) = self.saving.join_next().await else { return };
        let committed = std::mem::take(&mut self.committing);
        if let Err(error) = saved {
            tracing::error!(tenant.id = self.scope.tenant().0, %error, "A commit of verdicts panicked.");
            self.gathered.extend(committed.iter().cloned());
        }
    }

    /// Commits what is under way and what has gathered. What fails now is unknown to the next holder of the lease.
    pub async fn save_all(&mut self) {
        self.saved().await;
        self.save();
        self.saved().await;
    }
}

/// Commits settlements. They are written again if meanwhile a segment was published that mentions messages: its first
/// fill may have come before them.
async fn settle(shared: &Shared, scope: &Scope, fence: i64, settled: &[Settled]) -> Result<(), StoreError> {
    let heard = || match shared.catalogs.get(scope.tenant()) {
        Some(catalog) if !catalog.segments.on_message().is_empty() => Listeners::Heard,
        _ => Listeners::Unheard,
    };
    let verdicts = heard();
    shared.store.settle_messages(scope, fence, settled.to_vec(), verdicts).await?;
    match (verdicts, heard()) {
        (Listeners::Unheard, Listeners::Heard) => {
            shared.store.settle_messages(scope, fence, settled.to_vec(), Listeners::Heard).await
        }
        _ => Ok(()),
    }
}
