//! The act that a task is about: who does what, from where. It travels with the task, not through the arguments of each call, so that
//! no write can be made without it: the first transaction that the task commits for the tenant has the act's entry of the audit log
//! in it. See decision 81.

use openhub_model::audit::{AuditEntry, AuditHead};
use openhub_model::identity::Marker;
use openhub_model::{Principal, TenantId, Timestamp};
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::database::connection::{execute, fetch_optional};
use crate::database::transaction::Tx;
use crate::error::StoreError;

tokio::task_local! {
    static ACT: Arc<Act>;
}

/// Who does what.
#[derive(Clone, Debug)]
pub struct Deeded {
    /// Whose log says so; none: that of the first tenant that is written.
    pub tenant: Option<TenantId>,
    pub principal: Principal,
    /// Method and route, or a command.
    pub act: String,
    /// The names in the path.
    pub subject: String,
    pub origin: String,
    pub request: String,
    pub at: Timestamp,
}

/// An act under way.
struct Act {
    deed: Deeded,
    noted: Mutex<Noted>,
    recorded: AtomicBool,
}

/// What its handler tells of it.
#[derive(Clone, Debug, Default)]
struct Noted {
    subject: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

/// Makes a signature, by the hub's key.
pub type Signs = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// What signs the end of each chain, and makes digests: both need the hub's key.
#[derive(Clone)]
pub struct Notary {
    pub marker: Marker,
    pub sign: Signs,
}

impl fmt::Debug for Notary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notary")
    }
}

/// Does the work of an act. What it writes first has the act's entry with it; what writes nothing leaves none.
pub async fn acting<T>(deed: Deeded, work: impl Future<Output = T>) -> T {
    let act = Act { deed, noted: Mutex::default(), recorded: AtomicBool::new(false) };
    ACT.scope(Arc::new(act), work).await
}

/// Tells what the present act is about, where its path does not: of what it makes.
pub fn note_subject(subject: impl Into<String>) {
    note(|noted| noted.subject = Some(subject.into()));
}

/// Tells what was there before the present act; only a digest of it is kept.
pub fn note_before(before: &Value) {
    note(|noted| noted.before = Some(before.to_string()));
}

/// Tells what is there after the present act; only a digest of it is kept.
pub fn note_after(after: &Value) {
    note(|noted| noted.after = Some(after.to_string()));
}

/// Outside of an act, nobody asks.
fn note(change: impl FnOnce(&mut Noted)) {
    let _outside = ACT.try_with(|act| change(&mut act.noted.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// An act that has yet to be recorded, and in whose log.
pub(crate) struct Pending {
    act: Arc<Act>,
    tenant: TenantId,
}

/// Of the present task, if what it writes now is of the act's tenant.
pub(crate) fn pending(writes: Option<TenantId>) -> Option<Pending> {
    let act = ACT.try_with(Arc::clone).ok()?;
    let tenant = writes.filter(|tenant| act.deed.tenant.is_none_or(|of| of == *tenant))?;
    (!act.recorded.load(Ordering::Acquire)).then_some(Pending { act, tenant })
}

impl Pending {
    /// Its transaction is committed.
    pub(crate) fn is_recorded(&self) {
        self.act.recorded.store(true, Ordering::Release);
    }

    /// Puts the act's entry at the end of its tenant's chain.
    pub(crate) async fn record(&self, tx: &mut Tx<'_>, notary: Option<&Notary>) -> Result<(), StoreError> {
        let (deed, tenant) = (&self.act.deed, self.tenant);
        let noted = self.act.noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let digest = |content: Option<String>| match (content, notary) {
            (Some(content), Some(notary)) => notary.marker.content(tenant, content.as_bytes()).to_string(),
            _ => String::new(),
        };
        // Who comes second waits here until the first is committed.
        let end = fetch_optional!(
            tx.conn(),
            (i64, String),
            "INSERT INTO audit_heads (tenant_id, number, hash, signature) VALUES ($1, 1, '', '') \
             ON CONFLICT (tenant_id) DO UPDATE SET number = audit_heads.number + 1 RETURNING number, hash",
            tenant.0,
        )?;
        let (number, previous) = end.ok_or(StoreError::NotFound)?;
        let mut entry = AuditEntry {
            number,
            at: deed.at,
            principal: deed.principal.clone(),
            act: stored(&deed.act),
            subject: stored(noted.subject.as_deref().unwrap_or(&deed.subject)),
            origin: stored(&deed.origin),
            request: stored(&deed.request),
            before: digest(noted.before),
            after: digest(noted.after),
            previous,
            hash: String::new(),
        };
        entry.hash = entry.hashed(tenant);
        put(tx, tenant, &entry).await?;
        let signed = AuditHead::signed(tenant, number, &entry.hash);
        let signature = notary.map_or_else(String::new, |notary| (notary.sign)(&signed));
        execute!(
            tx.conn(),
            "UPDATE audit_heads SET hash = $2, signature = $3 WHERE tenant_id = $1",
            tenant.0,
            &entry.hash,
            &signature,
        )
        .map(drop)
    }
}

async fn put(tx: &mut Tx<'_>, tenant: TenantId, entry: &AuditEntry) -> Result<(), StoreError> {
    let (kind, who, more) = openhub_model::audit::said(&entry.principal);
    execute!(
        tx.conn(),
        "INSERT INTO audit (tenant_id, number, at, kind, who, more, act, subject, origin, request, before, after, previous, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        tenant.0,
        entry.number,
        entry.at.micros(),
        kind,
        who,
        more,
        &entry.act,
        &entry.subject,
        &entry.origin,
        &entry.request,
        &entry.before,
        &entry.after,
        &entry.previous,
        &entry.hash,
    )
    .map(drop)
}

/// As the database gives it back: PostgreSQL stores no U+0000.
fn stored(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
