//! Where the people of a tenant are logged in. Only the hash of what a browser holds is kept.

use openhub_model::{Role, TenantId, Timestamp};
use std::collections::BTreeMap;

use crate::database::bulk;
use crate::database::connection::{execute, select};
use crate::database::decode::corrupt;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::identity_providers::Subject;
use crate::state::second_factors::{Proof, use_up};
use crate::state::tenant_tree::Lineage;
use crate::store::Store;

/// A session, with what its person is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub tenant: TenantId,
    /// Hex SHA-256 of what the browser holds.
    pub hash: String,
    /// The person's id.
    pub person: String,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    /// When it was used last, to a minute.
    pub seen_at: Timestamp,
    /// When it ends, however it is used.
    pub ends_at: Timestamp,
    /// How its tenant stands, and what it may have at most.
    pub line: Lineage,
}

#[derive(Clone, Debug)]
pub struct NewSession {
    pub hash: String,
    pub person: String,
    pub at: Timestamp,
    pub ends_at: Timestamp,
    /// Sessions of the person that were not used since are over.
    pub idle_since: Timestamp,
}

/// By what somebody was known who logs in.
#[derive(Clone, Debug)]
pub enum Shown {
    /// The hash that the password was checked with.
    Password(String),
    /// As whom the tenant's identity provider knows the person.
    Subject(Subject),
}

#[derive(sqlx::FromRow)]
struct Row {
    hash: String,
    person: String,
    email: String,
    name: String,
    role: String,
    created_at: i64,
    seen_at: i64,
    ends_at: i64,
}

impl Store {
    /// Logs a person in. [`StoreError::NotFound`] if the person is gone, is not known any more by what was checked, or the proof of a
    /// second factor was used already.
    pub async fn begin_session(
        &self,
        scope: &Scope,
        new: &NewSession,
        shown: &Shown,
        proof: Option<Proof>,
    ) -> Result<(), StoreError> {
        let (tenant, new, shown) = (scope.tenant(), new.clone(), shown.clone());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    is_still_known(tx, tenant, &new, &shown).await?;
                    use_up(tx, tenant, &new.person, proof.as_ref()).await?;
                    execute!(
                        tx.conn(),
                        "DELETE FROM sessions WHERE tenant_id = $1 AND person = $2 AND (ends_at <= $3 OR seen_at <= $4)",
                        tenant.0,
                        &new.person,
                        new.at.micros(),
                        new.idle_since.micros(),
                    )?;
                    execute!(
                        tx.conn(),
                        "INSERT INTO sessions (tenant_id, hash, person, created_at, seen_at, ends_at) \
                         VALUES ($1, $2, $3, $4, $4, $5)",
                        tenant.0,
                        &new.hash,
                        &new.person,
                        new.at.micros(),
                        new.ends_at.micros(),
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// Those of these sessions that there are, whatever their times say. A tenant that is named sees its own alone.
    pub async fn sessions(&self, asked: &[(TenantId, String)]) -> Result<Vec<Session>, StoreError> {
        let mut by_tenant: BTreeMap<TenantId, Vec<&str>> = BTreeMap::new();
        for (tenant, hash) in asked {
            by_tenant.entry(*tenant).or_default().push(hash);
        }
        let mut found = Vec::new();
        for (tenant, hashes) in by_tenant {
            let rows = select!(
                self,
                &Scope::of(tenant),
                Row,
                "SELECT s.hash, s.person, p.email, p.name, p.role, s.created_at, s.seen_at, s.ends_at FROM sessions s \
                 JOIN persons p ON p.tenant_id = s.tenant_id AND p.id = s.person \
                 WHERE s.tenant_id = $1 AND s.hash IN (SELECT atom FROM json_each($2))",
                tenant.0,
                bulk::list(hashes),
            );
            if rows.is_empty() {
                continue;
            }
            let line = self.lineages(&[tenant]).await?.remove(&tenant).unwrap_or_default();
            for row in rows {
                found.push(Session {
                    tenant,
                    hash: row.hash,
                    person: row.person,
                    email: row.email,
                    name: row.name,
                    role: Role::from_word(&row.role).ok_or_else(|| corrupt("role of a person"))?,
                    created_at: Timestamp::from_micros(row.created_at),
                    seen_at: Timestamp::from_micros(row.seen_at),
                    ends_at: Timestamp::from_micros(row.ends_at),
                    line: line.clone(),
                });
            }
        }
        Ok(found)
    }

    /// Notes that a session is used, unless a later use is noted.
    pub async fn note_session_seen(&self, tenant: TenantId, hash: &str, at: Timestamp) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE sessions SET seen_at = $3 WHERE tenant_id = $1 AND hash = $2 AND seen_at < $3",
                        tenant.0,
                        &hash,
                        at.micros(),
                    )
                    .map(drop)
                })
            })
            .await
    }

    pub async fn end_session(&self, scope: &Scope, hash: &str) -> Result<(), StoreError> {
        let (tenant, hash) = (scope.tenant(), hash.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    execute!(tx.conn(), "DELETE FROM sessions WHERE tenant_id = $1 AND hash = $2", tenant.0, &hash)
                        .map(drop)
                })
            })
            .await
    }

    /// Ends all sessions of a person.
    pub async fn end_sessions(&self, scope: &Scope, person: &str) -> Result<(), StoreError> {
        let (tenant, person) = (scope.tenant(), person.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    execute!(tx.conn(), "DELETE FROM sessions WHERE tenant_id = $1 AND person = $2", tenant.0, &person)
                        .map(drop)
                })
            })
            .await
    }
}

/// Notes that the person logs in, if what was checked is so now.
async fn is_still_known(tx: &mut Tx<'_>, tenant: TenantId, new: &NewSession, shown: &Shown) -> Result<(), StoreError> {
    let there = match shown {
        Shown::Password(hash) => execute!(
            tx.conn(),
            "UPDATE persons SET logged_in_at = $3 WHERE tenant_id = $1 AND id = $2 AND password = $4",
            tenant.0,
            &new.person,
            new.at.micros(),
            hash,
        )?,
        Shown::Subject(subject) => execute!(
            tx.conn(),
            "UPDATE persons SET logged_in_at = $3 WHERE tenant_id = $1 AND id = $2 AND issuer = $4 AND subject = $5 \
             AND EXISTS (SELECT 1 FROM identity_providers WHERE tenant_id = $1 AND issuer = $4)",
            tenant.0,
            &new.person,
            new.at.micros(),
            &subject.issuer,
            &subject.id,
        )?,
    };
    if there == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}
