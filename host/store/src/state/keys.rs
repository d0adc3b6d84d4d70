//! The keys that callers authenticate with. Only the hash of a secret is kept.

use openhub_model::{Network, Principal, TenantId, Timestamp};

use crate::database::bulk;
use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{json, limit, maybe_time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::settings::PageSettings;
use crate::state::tenant_tree::Lineage;
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
    /// Whether it stands in a page, where anybody can read it: it sends events, and nothing else, whatever its scopes say.
    pub page: bool,
    /// From where it may be used; none: from everywhere.
    pub addresses: Vec<Network>,
    pub created_at: Timestamp,
    pub made_by: Option<Principal>,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub rotated_at: Option<Timestamp>,
    /// The secret before, as long as it still works.
    pub former: Option<Former>,
    /// To some minutes.
    pub last_used_at: Option<Timestamp>,
    /// How its tenant stands, and what it may have at most; as read with a key that was looked for.
    pub line: Lineage,
    /// What its tenant says about the keys of pages, as read with it.
    pub pages: PageSettings,
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    pub hash: String,
    pub until: Timestamp,
}

/// A new secret for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub hash: String,
    pub at: Timestamp,
    /// How long the secret so far works; none: no longer.
    pub keep_until: Option<Timestamp>,
}

/// Where a page of keys begins: behind this one, the newest first.
pub type KeyCursor = (Timestamp, String);

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    tenant_id: i64,
    name: String,
    scopes: String,
    hash: String,
    page: i64,
    addresses: String,
    created_at: i64,
    made_by: Option<String>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    rotated_at: Option<i64>,
    former_hash: Option<String>,
    former_until: Option<i64>,
    last_used_at: Option<i64>,
    page_origins: String,
    server_events: String,
}

impl Row {
    fn read(self) -> Result<Key, StoreError> {
        let former = self.former_hash.zip(maybe_time(self.former_until));
        Ok(Key {
            id: self.id,
            tenant: TenantId(self.tenant_id),
            name: self.name,
            scopes: json(&self.scopes, "scopes of a key")?,
            hash: self.hash,
            page: self.page != 0,
            addresses: json(&self.addresses, "addresses of a key")?,
            created_at: Timestamp::from_micros(self.created_at),
            made_by: self.made_by.map(|by| json(&by, "maker of a key")).transpose()?,
            expires_at: maybe_time(self.expires_at),
            revoked_at: maybe_time(self.revoked_at),
            rotated_at: maybe_time(self.rotated_at),
            former: former.map(|(hash, until)| Former { hash, until }),
            last_used_at: maybe_time(self.last_used_at),
            line: Lineage::default(),
            pages: PageSettings::read(&self.page_origins, &self.server_events)?,
        })
    }
}

/// Of keys, with what their tenants say of pages.
macro_rules! keys {
    ($where:literal) => {
        concat!(
            "SELECT id, tenant_id, name, scopes, hash, page, addresses, created_at, made_by, expires_at, revoked_at, rotated_at, ",
            "former_hash, former_until, last_used_at, ",
            "(SELECT t.page_origins FROM tenants t WHERE t.id = keys.tenant_id) AS page_origins, ",
            "(SELECT t.server_events FROM tenants t WHERE t.id = keys.tenant_id) AS server_events FROM keys ",
            $where
        )
    };
}

impl Store {
    pub async fn create_key(&self, key: &Key) -> Result<(), StoreError> {
        let key = key.clone();
        self.writer.write(Some(key.tenant), move |tx| Box::pin(async move { insert_key(tx, &key).await })).await
    }

    /// Ends a key, and makes another one of the tenant in its place. [`StoreError::NotFound`] if the first one has ended already.
    pub async fn exchange_key(&self, scope: &Scope, id: &str, new: &Key, now: Timestamp) -> Result<(), StoreError> {
        let (tenant, id, new) = (scope.tenant(), id.to_owned(), new.clone());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let ended = execute!(
                        tx.conn(),
                        "UPDATE keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
                        tenant.0,
                        &id,
                        now.micros(),
                    )?;
                    if ended == 0 {
                        return Err(StoreError::NotFound);
                    }
                    insert_key(tx, &new).await
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
        let keys: Vec<Key> = rows.into_iter().map(Row::read).collect::<Result<_, _>>()?;
        self.lined(keys).await
    }

    /// A key of the tenant, by its id.
    pub async fn key(&self, scope: &Scope, id: &str) -> Result<Option<Key>, StoreError> {
        let rows =
            select!(self, scope, Row, keys!("WHERE tenant_id = $1 AND id = $2"), scope.tenant().0, id.to_owned());
        let found: Vec<Key> = rows.into_iter().map(Row::read).collect::<Result<_, _>>()?;
        Ok(self.lined(found).await?.pop())
    }

    /// With what follows for their tenants from those above them.
    async fn lined(&self, mut keys: Vec<Key>) -> Result<Vec<Key>, StoreError> {
        let mut tenants: Vec<TenantId> = keys.iter().map(|key| key.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        if tenants.is_empty() {
            return Ok(keys);
        }
        let lines = self.lineages(&tenants).await?;
        for key in &mut keys {
            key.line = lines.get(&key.tenant).cloned().unwrap_or_default();
        }
        Ok(keys)
    }

    /// All keys of the tenant, the oldest first.
    pub async fn keys(&self, scope: &Scope) -> Result<Vec<Key>, StoreError> {
        let rows = select!(self, scope, Row, keys!("WHERE tenant_id = $1 ORDER BY created_at, id"), scope.tenant().0);
        rows.into_iter().map(Row::read).collect()
    }

    /// A page of them, the newest first.
    pub async fn newest_keys(
        &self,
        scope: &Scope,
        behind: Option<&KeyCursor>,
        rows: usize,
    ) -> Result<Vec<Key>, StoreError> {
        let (at, id) = behind.map_or((i64::MAX, ""), |(at, id)| (at.micros(), id));
        let rows = select!(
            self,
            scope,
            Row,
            keys!("WHERE tenant_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4"),
            scope.tenant().0,
            at,
            id.to_owned(),
            limit(rows),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// Gives a key another secret. [`StoreError::NotFound`] if it is revoked, or the secret before the
    /// present one still works and this one is to work on, too: two are alive at most.
    pub async fn rotate_key(&self, scope: &Scope, id: &str, rotation: Rotation) -> Result<(), StoreError> {
        let (tenant, id) = (scope.tenant(), id.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let Rotation { hash, at, keep_until } = rotation;
                    let rotated = fetch_optional!(
                        tx.conn(),
                        (String,),
                        "UPDATE keys SET former_hash = CASE WHEN CAST($5 AS BIGINT) IS NULL THEN NULL ELSE hash END, \
                         former_until = $5, hash = $3, rotated_at = $4 \
                         WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL AND \
                         (CAST($5 AS BIGINT) IS NULL OR former_until IS NULL OR former_until <= $4) RETURNING id",
                        tenant.0,
                        &id,
                        &hash,
                        at.micros(),
                        keep_until.map(Timestamp::micros),
                    )?;
                    rotated.map(drop).ok_or(StoreError::NotFound)
                })
            })
            .await
    }

    /// Notes that keys were used, unless a later use is noted.
    pub async fn note_key_used(&self, tenant: TenantId, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE keys SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2 \
                         AND (last_used_at IS NULL OR last_used_at < $3)",
                        tenant.0,
                        &id,
                        at.micros(),
                    )
                    .map(drop)
                })
            })
            .await
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

pub(crate) async fn insert_key(tx: &mut Tx<'_>, key: &Key) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO keys (tenant_id, id, name, scopes, hash, page, addresses, created_at, made_by, expires_at, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        key.tenant.0,
        &key.id,
        &key.name,
        bulk::list(&key.scopes),
        &key.hash,
        i64::from(key.page),
        bulk::list(&key.addresses),
        key.created_at.micros(),
        key.made_by.as_ref().map(|by| serde_json::json!(by).to_string()),
        key.expires_at.map(Timestamp::micros),
        key.revoked_at.map(Timestamp::micros),
    )?;
    if made == 0 { Err(StoreError::AlreadyExists(key.id.clone())) } else { Ok(()) }
}
