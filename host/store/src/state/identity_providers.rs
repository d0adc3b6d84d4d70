//! Who a tenant lets say who its people are: an OpenID provider, one a tenant. Its client's secret is sealed.

use openhub_model::{Role, TenantId, Timestamp};

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{corrupt, json, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::persons::{OwnerKept, Person};
use crate::store::Store;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Its URL, as its tokens name it.
    pub issuer: String,
    /// By which it knows the hub.
    pub client_id: String,
    /// Sealed.
    pub client_secret: String,
    /// Behind the at sign of an address, in lower case; empty: any.
    pub domains: Vec<String>,
    /// What somebody may do whom nobody has invited. None: such a one does not come in.
    pub newcomers: Option<Role>,
    pub updated_at: Timestamp,
}

/// A person as a provider knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub issuer: String,
    pub id: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    issuer: String,
    client_id: String,
    client_secret: String,
    domains: String,
    newcomers: Option<String>,
    updated_at: i64,
}

impl Row {
    fn read(self) -> Result<IdentityProvider, StoreError> {
        let role = |word: String| Role::from_word(&word).ok_or_else(|| corrupt("role of newcomers"));
        Ok(IdentityProvider {
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret,
            domains: json(&self.domains, "domains of an identity provider")?,
            newcomers: self.newcomers.map(role).transpose()?,
            updated_at: time(self.updated_at),
        })
    }
}

impl Store {
    pub async fn identity_provider(&self, scope: &Scope) -> Result<Option<IdentityProvider>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT issuer, client_id, client_secret, domains, newcomers, updated_at FROM identity_providers WHERE tenant_id = $1",
            scope.tenant().0,
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// In place of one that is there.
    pub async fn put_identity_provider(&self, scope: &Scope, provider: &IdentityProvider) -> Result<(), StoreError> {
        let (tenant, provider) = (scope.tenant(), provider.clone());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "INSERT INTO identity_providers (tenant_id, issuer, client_id, client_secret, domains, newcomers, updated_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id) DO UPDATE SET issuer = excluded.issuer, \
                         client_id = excluded.client_id, client_secret = excluded.client_secret, domains = excluded.domains, \
                         newcomers = excluded.newcomers, updated_at = excluded.updated_at",
                        tenant.0,
                        &provider.issuer,
                        &provider.client_id,
                        &provider.client_secret,
                        serde_json::json!(provider.domains).to_string(),
                        provider.newcomers.map(Role::word),
                        provider.updated_at.micros(),
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// Whom it let in alone has to be invited again. Refused if no owner could log in any more.
    pub async fn drop_identity_provider(&self, scope: &Scope) -> Result<OwnerKept, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    if all_owners_need_it(tx, tenant).await? {
                        return Ok(OwnerKept::WouldBeLost);
                    }
                    let gone = execute!(tx.conn(), "DELETE FROM identity_providers WHERE tenant_id = $1", tenant.0)?;
                    if gone == 0 { Err(StoreError::NotFound) } else { Ok(OwnerKept::Yes) }
                })
            })
            .await
    }

    pub async fn person_by_subject(&self, scope: &Scope, subject: &Subject) -> Result<Option<Person>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT id FROM persons WHERE tenant_id = $1 AND issuer = $2 AND subject = $3",
            scope.tenant().0,
            subject.issuer.clone(),
            subject.id.clone(),
        );
        match rows.into_iter().next() {
            Some((id,)) => self.person(scope, &id).await,
            None => Ok(None),
        }
    }

    /// Remembers whom a provider means by a subject, and ends an invitation: who comes in this way needs no password.
    /// [`StoreError::NotFound`] if the person is known to this provider as somebody else.
    pub async fn know_person_as(&self, scope: &Scope, person: &str, subject: &Subject) -> Result<(), StoreError> {
        let (tenant, person, subject) = (scope.tenant(), person.to_owned(), subject.clone());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let known = execute!(
                        tx.conn(),
                        "UPDATE persons SET issuer = $3, subject = $4, invitation = NULL, invited_until = NULL \
                         WHERE tenant_id = $1 AND id = $2 AND (issuer IS NULL OR issuer <> $3 OR subject = $4)",
                        tenant.0,
                        &person,
                        &subject.issuer,
                        &subject.id,
                    )?;
                    if known == 0 { Err(StoreError::NotFound) } else { Ok(()) }
                })
            })
            .await
    }
}

/// Whoever asks holds the row of each owner until the end of the transaction, as [`super::persons`] says.
async fn all_owners_need_it(tx: &mut Tx<'_>, tenant: TenantId) -> Result<bool, StoreError> {
    let owner = Role::Owner.word();
    execute!(tx.conn(), "UPDATE persons SET role = role WHERE tenant_id = $1 AND role = $2", tenant.0, owner)?;
    let found = fetch_optional!(
        tx.conn(),
        (i64, i64),
        "SELECT COUNT(subject), COUNT(password) FROM persons WHERE tenant_id = $1 AND role = $2",
        tenant.0,
        owner,
    )?;
    Ok(found.is_some_and(|(by_provider, by_password)| by_provider > 0 && by_password == 0))
}
