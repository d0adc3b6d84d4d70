//! The store itself: the writer, the read connections and the signals, opened and closed together.

use openhub_model::TenantId;
use openhub_model::identity::Marker;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::act::Notary;
use crate::database::checkpoints;
use crate::database::connection::{Breadth, Conn, Readers, Reading, fetch_all};
use crate::database::crowd::Crowds;
use crate::database::fate::forget_gone;
use crate::database::open::{Opener, check_role};
use crate::database::scrub::Scrubbed;
use crate::database::signals::{Signal, Signals};
use crate::database::writer::Writer;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::refusals::Refusals;
use crate::weights::Weights;

#[derive(Clone, Debug)]
pub struct Config {
    /// `sqlite:///absolute/path.db` or `postgres://user@host/database`.
    pub url: String,
    /// The node's name: a restart under the same name takes its own leases over at once.
    pub node: String,
    pub read_connections: u32,
}

/// How long a read may take, and a transaction of the writer, before the database does not answer.
const ANSWERS: Duration = Duration::from_secs(2);
const OWED: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Store {
    pub(crate) writer: Writer,
    readers: Readers,
    signals: Arc<Signals>,
    /// Who waits for an append.
    pub(crate) crowds: Arc<Crowds>,
    checkpoints: Arc<Mutex<Option<JoinHandle<()>>>>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) holder: Arc<Holder>,
    pub(crate) marker: Arc<OnceLock<Marker>>,
    pub(crate) weights: Weights,
}

/// Who holds this store's leases: a node by its name, and this opening of it.
pub(crate) struct Holder {
    pub(crate) node: String,
    pub(crate) session: String,
    claimed: AtomicBool,
}

impl Holder {
    fn new(node: String, session: String) -> Holder {
        Holder { node, session, claimed: AtomicBool::new(false) }
    }

    /// Whether leases of an earlier process of this node are taken over although it may live: until its first claim is made. Two
    /// living nodes of one name would else take them from each other for ever.
    pub(crate) fn takes_over(&self) -> bool {
        !self.claimed.load(Ordering::Relaxed)
    }

    pub(crate) fn has_claimed(&self) {
        self.claimed.store(true, Ordering::Relaxed);
    }
}

impl Store {
    /// Opens the database, making and migrating it as needed.
    pub async fn open(config: &Config) -> Result<Store, StoreError> {
        let opener = Opener::parse(&config.url)?;
        let mut link = opener.open().await?;
        forget_gone(&mut link).await?;
        let weights = Weights::default();
        let readers = opener.readers(config.read_connections, &weights).await?;
        let signals = Arc::new(Signals::default());
        let commits = watch::Sender::default();
        let checkpoints = match &opener {
            Opener::Sqlite(options) => Some(tokio::spawn(checkpoints::run(options.clone(), commits.subscribe()))),
            Opener::Postgres(_) => None,
        };
        // The standard library's hash keys are random per process and differ per state.
        let session = format!("{:016x}", RandomState::new().build_hasher().finish());
        let writer = Writer::start(opener, link, session.clone(), Arc::clone(&signals), commits, &weights);
        let refusals: Arc<Refusals> = Arc::default();
        refusals.start(writer.clone());
        Ok(Store {
            writer,
            refusals,
            readers,
            signals,
            crowds: Arc::default(),
            checkpoints: Arc::new(Mutex::new(checkpoints)),
            holder: Arc::new(Holder::new(config.node.clone(), session)),
            marker: Arc::default(),
            weights,
        })
    }

    /// Opens what is there to look at it: nothing is made, migrated or written. Writes answer [`StoreError::Unavailable`].
    pub async fn look(config: &Config) -> Result<Store, StoreError> {
        let readers = Opener::parse(&config.url)?.look(config.read_connections).await?;
        Ok(Store {
            writer: Writer::none(),
            refusals: Arc::default(),
            readers,
            signals: Arc::default(),
            crowds: Arc::default(),
            checkpoints: Arc::default(),
            holder: Arc::new(Holder::new(config.node.clone(), String::new())),
            marker: Arc::default(),
            weights: Weights::default(),
        })
    }

    /// Finishes what waits and closes all connections. Later calls answer [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.refusals.close().await;
        self.writer.close().await;
        if let Some(checkpoints) = self.checkpoints.lock().await.take()
            && let Err(error) = checkpoints.await
        {
            tracing::warn!(%error, "The task of checkpoints panicked.");
        }
        self.readers.close().await;
    }

    /// Whether the database answers, for reads and for writes.
    pub async fn answers(&self) -> Result<(), StoreError> {
        let reads = async {
            let mut reading = self.reading(None).await?;
            fetch_all!(reading.conn(), (i64,), "SELECT CAST(1 AS BIGINT)")?;
            reading.done().await
        };
        tokio::time::timeout(ANSWERS, reads).await.map_err(|_| StoreError::Unavailable)??;
        if self.writer.owed_for() > OWED { Err(StoreError::Unavailable) } else { Ok(()) }
    }

    /// Whether a caller's write found no room of late, and none has been done since.
    pub fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    /// Whether policies keep tenants apart for the database's role; on SQLite there is none.
    pub async fn is_held_by_policies(&self) -> Result<(), StoreError> {
        let mut reading = self.reading(None).await?;
        if let Conn::Postgres(conn) = reading.conn() {
            check_role(conn).await?;
        }
        reading.done().await
    }

    /// From now on, events that were erased are known again by their marks. Given once: the key is the hub's.
    pub fn know_erased_by(&self, marker: Marker) {
        self.marker.get_or_init(|| marker);
    }

    /// From now on the ends of audit logs are signed, and what they say of contents is digests. Given once, as the key is the hub's.
    pub fn sign_audit_by(&self, notary: Notary) {
        self.writer.notary.get_or_init(|| notary);
    }

    /// Writes a SQLite file anew, so that its free pages and its write-ahead log hold nothing of what was deleted. Other
    /// writes wait for it; a file that is too large for that stays as it is.
    pub async fn scrub(&self) -> Result<Scrubbed, StoreError> {
        self.writer.scrub().await
    }

    /// Bumped after commits that appended events of a tenant, made messages of it or let them wait.
    pub fn appended(&self, tenant: TenantId) -> watch::Receiver<u64> {
        self.signals.appended(tenant)
    }

    /// Bumps what [`Store::appended`] watches: another process has appended something.
    pub fn wake(&self, tenant: TenantId) {
        self.signals.send(Signal::Appended(tenant));
    }

    /// Waits for tenants of which [`Store::appended`] has been bumped while nobody watched it.
    pub async fn unheard(&self) -> HashSet<TenantId> {
        self.signals.unheard().await
    }

    /// Moves after commits of the engine in this process; 0 until the first claim of the tenant's partition.
    pub fn checkpoint(&self, tenant: TenantId) -> watch::Receiver<i64> {
        self.signals.checkpoint(tenant)
    }

    /// How many arrived events of a tenant wait for the engine, by what this process has committed last, and when that was.
    /// None if it has committed nothing of that tenant yet.
    pub fn behind(&self, tenant: TenantId) -> Option<(i64, Instant)> {
        self.signals.behind(tenant)
    }

    pub(crate) fn note_behind(&self, tenant: TenantId, events: i64) {
        self.signals.send(Signal::Behind(tenant, events));
    }

    pub(crate) async fn reading(&self, scope: impl Into<Option<&Scope>>) -> Result<Reading, StoreError> {
        self.readers.read(scope.into(), Breadth::Some).await
    }

    /// For what looks at all customers of a tenant.
    pub(crate) async fn reading_all(&self, scope: &Scope) -> Result<Reading, StoreError> {
        self.readers.read(Some(scope), Breadth::All).await
    }
}
