//! The act that a task is about: who does what, from where. It travels with the task, not through the arguments of each call, so that
//! no write can be made without it: the first transaction that the task commits for the tenant has the act's entry of the audit log
//! in it. See decision 81.

use openhub_model::audit::{AuditEntry, AuditHead, BEGINNINGS, Doer, SIGNING};
use openhub_model::identity::Marker;
use openhub_model::{Id, Principal, TenantId, Timestamp};
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

/// An act that is done once, under the key that its caller gave it: see `state/idempotency_keys.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// Of the caller and the key.
    pub id: Id,
    /// Of what is asked for.
    pub request: Id,
    /// Tells this try from others of the same call.
    pub attempt: Id,
}

/// An act under way.
struct Act {
    deed: Deeded,
    /// If its caller named it, so that it is done once.
    once: Option<Once>,
    noted: Mutex<Noted>,
    recorded: AtomicBool,
}

/// What its handler tells of it.
#[derive(Clone, Debug, Default)]
struct Noted {
    subject: Option<String>,
    before: Option<String>,
    after: Option<String>,
    seen: Option<Seen>,
}

/// Up to where the log had been written when the act looked at a document.
#[derive(Clone, Debug)]
struct Seen {
    last: i64,
    /// Of the acts on the document, as a pattern.
    acts: String,
}

/// Makes a signature, by the hub's key.
pub type Signs = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;
/// Whether a signature of a message was made by the hub's key.
pub type Knows = Arc<dyn Fn(&[u8], &str) -> bool + Send + Sync>;

/// What signs the end of each chain, and makes digests: both need the hub's key.
#[derive(Clone)]
pub struct Notary {
    pub marker: Marker,
    pub sign: Signs,
    pub is_ours: Knows,
}

impl fmt::Debug for Notary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notary")
    }
}

/// Does the work of an act. What it writes first has the act's entry with it; what writes nothing leaves none.
pub async fn acting<T>(deed: Deeded, work: impl Future<Output = T>) -> T {
    acting_once(deed, None, work).await
}

/// The same for an act that has a name: what it writes first has the mark with it that it is done. See decision 103.
pub async fn acting_once<T>(deed: Deeded, once: Option<Once>, work: impl Future<Output = T>) -> T {
    let act = Act { deed, once, noted: Mutex::default(), recorded: AtomicBool::new(false) };
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

/// Tells which entry of the log was the last when the present act looked at the document that it changes: if another act on it, or on
/// what stands below it, has come between, it fails as [`StoreError::VersionConflict`]. `route` is the document's, which acts name.
pub fn note_seen(last: i64, route: &str) {
    note(|noted| noted.seen = Some(Seen { last, acts: format!("% {route}%") }));
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
        let End { number, hash: previous, is_signed } = end(tx, tenant, &deed.act, notary).await?;
        let number = number + 1;
        let subject = stored(noted.subject.as_deref().unwrap_or(&deed.subject));
        if let Some(seen) = &noted.seen {
            is_as_seen(tx, tenant, seen, &subject).await?;
        }
        if let Some(once) = &self.act.once {
            is_done(tx, tenant, once).await?;
        }
        let mut entry = AuditEntry {
            number,
            at: deed.at,
            doer: Doer::from(&deed.principal),
            act: stored(&deed.act),
            subject,
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
        let notary = notary.filter(|_| is_signed);
        let signature = notary.map_or_else(String::new, |notary| (notary.sign)(&signed));
        execute!(
            tx.conn(),
            "UPDATE audit_heads SET number = $2, hash = $3, signature = $4 WHERE tenant_id = $1",
            tenant.0,
            number,
            &entry.hash,
            &signature,
        )
        .map(drop)
    }
}

/// Where a chain ends, before an act.
struct End {
    /// 0 if it begins.
    number: i64,
    hash: String,
    /// Whether what follows is signed. The hub does not sign what follows an end that it has not signed: else whoever writes the chain anew
    /// would have it signed with the next act.
    is_signed: bool,
}

async fn end(tx: &mut Tx<'_>, tenant: TenantId, act: &str, notary: Option<&Notary>) -> Result<End, StoreError> {
    // Who comes second waits here until the first is committed.
    let end = fetch_optional!(
        tx.conn(),
        (i64, String, String),
        "INSERT INTO audit_heads (tenant_id, number, hash, signature) VALUES ($1, 0, '', '') \
         ON CONFLICT (tenant_id) DO UPDATE SET number = audit_heads.number RETURNING number, hash, signature",
        tenant.0,
    )?;
    let (number, hash, signature) = end.ok_or(StoreError::NotFound)?;
    let last = fetch_optional!(
        tx.conn(),
        (i64, String),
        "SELECT number, hash FROM audit WHERE tenant_id = $1 AND number > 0 ORDER BY number DESC LIMIT 1",
        tenant.0,
    )?;
    let last = last.unwrap_or_default();
    let is_ours = |notary: &Notary| (notary.is_ours)(&AuditHead::signed(tenant, number, &hash), &signature);
    let is_signed = match number {
        _ if act == SIGNING => true,
        0 => last.0 == 0 && BEGINNINGS.contains(&act),
        _ => last == (number, hash.clone()) && notary.is_some_and(is_ours),
    };
    // The next entry is in nobody's way, whatever was done to the chain.
    let (number, hash) = if last.0 > number { last } else { (number, hash) };
    Ok(End { number, hash, is_signed })
}

/// Fails if there was an act on the document since it was looked at.
async fn is_as_seen(tx: &mut Tx<'_>, tenant: TenantId, seen: &Seen, subject: &str) -> Result<(), StoreError> {
    let later = fetch_optional!(
        tx.conn(),
        (i64,),
        "SELECT number FROM audit WHERE tenant_id = $1 AND subject = $2 AND number > $3 AND act LIKE $4 LIMIT 1",
        tenant.0,
        subject,
        seen.last,
        &seen.acts,
    )?;
    if later.is_some() { Err(StoreError::VersionConflict(Vec::new())) } else { Ok(()) }
}

/// Marks the call as done, in the transaction of what it does. Fails if another try of it has come before.
async fn is_done(tx: &mut Tx<'_>, tenant: TenantId, once: &Once) -> Result<(), StoreError> {
    let marked = execute!(
        tx.conn(),
        "UPDATE idempotency_keys SET done = 1 WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND done = 0",
        tenant.0,
        once.id.to_string(),
        once.attempt.to_string(),
    )?;
    if marked == 0 { Err(StoreError::Overtaken) } else { Ok(()) }
}

async fn put(tx: &mut Tx<'_>, tenant: TenantId, entry: &AuditEntry) -> Result<(), StoreError> {
    let Doer { kind, who, more } = &entry.doer;
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
