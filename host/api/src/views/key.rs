//! API keys, without their secrets.

use openhub_model::{Network, Principal, Timestamp};
use openhub_store::Key;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList {
    /// The newest first.
    pub keys: Vec<KeyView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyView {
    /// The middle of the key's text: `oh_<env>_<id>_<secret>`.
    id: String,
    name: String,
    /// `valid`, `expired` or `revoked`.
    status: &'static str,
    /// What it may do. `*` is everything, also what later versions of the hub can do.
    scopes: Vec<String>,
    /// Whether it stands in a page, where anybody can read it: it sends events, as a page may, and does nothing else.
    page: bool,
    /// The addresses and networks from which it works; empty: from everywhere.
    #[schema(value_type = Vec<String>)]
    addresses: Vec<Network>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Who made it: `kind`, and `id` of a key or a person; `null` for a key of an earlier version.
    #[schema(value_type = Option<Object>)]
    made_by: Option<Principal>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    rotated_at: Option<Timestamp>,
    /// Until when the secret before the last rotation works; `null`: it does not work any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    former_until: Option<Timestamp>,
    /// To five minutes.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl KeyView {
    pub fn of(key: Key, now: Timestamp) -> KeyView {
        let is_over = |end: &Timestamp| *end <= now;
        let status = match (&key.revoked_at, &key.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if is_over(end) => "expired",
            (None, _) => "valid",
        };
        KeyView {
            id: key.id,
            name: key.name,
            status,
            scopes: key.scopes,
            page: key.page,
            addresses: key.addresses,
            created_at: key.created_at,
            made_by: key.made_by,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            rotated_at: key.rotated_at,
            former_until: key.former.map(|former| former.until).filter(|until| !is_over(until)),
            last_used_at: key.last_used_at,
        }
    }
}

/// A key with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewKey)]
pub(crate) struct NewKeyView {
    /// The whole key. The hub keeps a hash of it, and shows it only now.
    pub key: String,
    #[serde(flatten)]
    pub view: KeyView,
}
