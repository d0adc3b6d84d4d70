//! The keys that callers authenticate with. Only the hash of a secret is kept.

use openhub_model::{TenantId, Timestamp};

use crate::database::bulk;
use crate::database::connection::{execute, select};
use crate::database::decode::{json, maybe_time};
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::settings::PageSettings;
use crate::store::Store;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The public half; unique in the hub.
    pub id: String,
    pub tenant: TenantId,
    pub name: String,
    pub scopes: Vec<String>,
    /// Hex SHA-256 of the secret half.
    pub hash: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// What its tenant says about the keys of pages, as read with it.
    pub pages: PageSettings,
}

type Row = (String, i64, String, String, String, i64, Option<i64>, Option<i64>, String, String);

/// Of keys, with what their tenants say of pages.
macro_rules! keys {
    ($where:literal) => {
        concat!(
            "SELECT id, tenant_id, name, scopes, hash, created_at, expires_at, revoked_at, ",
            "(SELECT t.page_origins FROM tenants t WHERE t.id = keys.tenant_id), ",
            "(SELECT t.server_events FROM tenants t WHERE t.id = keys.tenant_id) FROM keys ",
            $where
        )
    };
}

impl Store {
    pub async fn create_key(&self, key: &Key) -> Result<(), StoreError> {
        let key = key.clone();
        self.writer
            .write(Some(key.tenant), move |tx| {
                Box::pin(async move {
                    let scopes = crate::database::bulk::list(&key.scopes);
                    let made = execute!(
                        tx.conn(),
                        "INSERT INTO keys (tenant_id, id, name, scopes, hash, created_at, expires_at, revoked_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                        key.tenant.0,
                        &key.id,
                        &key.name,
                        &scopes,
                        &key.hash,
                        key.created_at.micros(),
                        key.expires_at.map(Timestamp::micros),
                        key.revoked_at.map(Timestamp::micros),
                    )?;
                    if made == 0 { Err(StoreError::AlreadyExists(key.id)) } else { Ok(()) }
                })
            })
            .await
    }

    /// Those of these ids that there are. A look-up without a scope: it is how the scope is found.
    pub async fn keys_by_id(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<Key>, StoreError> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        let rows = select!(
            self,
            None::<&Scope>,
            Row,
            keys!("WHERE id IN (SELECT atom FROM json_each($1))"),
            bulk::list(&ids),
        );
        rows.into_iter().map(key).collect()
    }

    /// Likewise of one.
    pub async fn key(&self, id: &str) -> Result<Option<Key>, StoreError> {
        let rows = select!(self, None::<&Scope>, Row, keys!("WHERE id = $1"), id.to_owned(),);
        rows.into_iter().next().map(key).transpose()
    }

    pub async fn keys(&self, scope: &Scope) -> Result<Vec<Key>, StoreError> {
        let rows = select!(self, scope, Row, keys!("WHERE tenant_id = $1 ORDER BY created_at, id"), scope.tenant().0,);
        rows.into_iter().map(key).collect()
    }

    pub async fn revoke_key(&self, scope: &Scope, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let (tenant, id) = (scope.tenant(), id.to_owned());
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let revoked = execute!(
                        tx.conn(),
                        "UPDATE keys SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant_id = $1 AND id = $2",
                        tenant.0,
                        &id,
                        now.micros(),
                    )?;
                    if revoked == 0 { Err(StoreError::NotFound) } else { Ok(()) }
                })
            })
            .await
    }
}

fn key(
    (id, tenant, name, scopes, hash, created_at, expires_at, revoked_at, origins, events): Row,
) -> Result<Key, StoreError> {
    Ok(Key {
        id,
        tenant: TenantId(tenant),
        name,
        scopes: json(&scopes, "scopes of a key")?,
        hash,
        created_at: Timestamp::from_micros(created_at),
        expires_at: maybe_time(expires_at),
        revoked_at: maybe_time(revoked_at),
        pages: PageSettings::read(&origins, &events)?,
    })
}
