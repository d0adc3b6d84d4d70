//! Entries of the audit log.

use openhub_model::audit::{AuditEntry, AuditHead};
use openhub_model::{Principal, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// The newest first.
    pub entries: Vec<AuditEntryView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// What somebody did.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditEntryView {
    /// 1 for the tenant's first act, one more for each further one.
    number: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who: `kind` (`key`, `person`, `plugin`, `partner`, `operator` or `hub`), and which one. Null if somebody has tampered with it:
    /// `openhub audit verify` says with what else.
    #[schema(value_type = Option<Object>)]
    principal: Option<Principal>,
    /// What: method and route, like `PUT /api/v1/segments/{name}`, or a command, like `openhub key create`.
    act: String,
    /// To what: the names in the path, or the id of what was made. Empty where that would say who a customer is.
    subject: String,
    /// The address that it came from. Empty for a command.
    origin: String,
    /// The id that the answer has in `X-Request-Id`. Empty for a command.
    request: String,
    /// A digest of what stood there before. Equal digests are of equal contents; only the hub can make them.
    before: Option<String>,
    /// A digest of what stands there afterwards, or of what the change says.
    after: Option<String>,
    /// The hash of the entry before.
    previous: String,
    /// The hash of this entry and, with it, of all before.
    hash: String,
}

impl From<AuditEntry> for AuditEntryView {
    fn from(entry: AuditEntry) -> AuditEntryView {
        let told = |digest: String| Some(digest).filter(|digest| !digest.is_empty());
        AuditEntryView {
            number: entry.number,
            at: entry.at,
            principal: entry.doer.principal(),
            act: entry.act,
            subject: entry.subject,
            origin: entry.origin,
            request: entry.request,
            before: told(entry.before),
            after: told(entry.after),
            previous: entry.previous,
            hash: entry.hash,
        }
    }
}

/// Where a tenant's chain ends: keep it elsewhere, and `openhub audit verify --since` finds out later whether all up to here is still
/// there.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditHead)]
pub(crate) struct AuditHeadView {
    /// Of the last entry; 0 if there is none.
    number: i64,
    hash: String,
    /// Base64 of the hub's signature (Ed25519) of number and hash.
    signature: String,
    /// Base64 of the key that tells whether the signature is the hub's.
    public_key: String,
}

impl AuditHeadView {
    pub fn of(head: Option<AuditHead>, public_key: String) -> AuditHeadView {
        let AuditHead { number, hash, signature } =
            head.unwrap_or(AuditHead { number: 0, hash: String::new(), signature: String::new() });
        AuditHeadView { number, hash, signature, public_key }
    }
}
