//! The people of a tenant. Of a password and of an invitation only the hash is kept. A tenant that has an owner keeps one.

use openhub_model::{Principal, Role, TenantId, Timestamp};

use crate::database::connection::{execute, fetch_all, select};
use crate::database::decode::{corrupt, json, limit, maybe_time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::identity_providers::Subject;
use crate::store::Store;

/// Somebody who may log in, or is invited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Unique in the tenant.
    pub id: String,
    /// In lower case; unique in the tenant.
    pub email: String,
    pub name: String,
    pub role: Role,
    /// An argon2id hash; none as long as no invitation was accepted.
    pub password: Option<String>,
    pub second: Option<SecondFactor>,
    /// Who the tenant's identity provider says that it is, once it has said so.
    pub subject: Option<Subject>,
    /// The one that can still be accepted, or could.
    pub invitation: Option<Invitation>,
    pub created_at: Timestamp,
    pub made_by: Option<Principal>,
    pub logged_in_at: Option<Timestamp>,
}

/// Whoever has its text sets the password, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Hex SHA-256 of the secret half.
    pub hash: String,
    pub until: Timestamp,
}

/// What a person shows besides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// What the authenticator knows, sealed.
    pub sealed: String,
    /// Whether it is asked for; before, it waits for its first code.
    pub confirmed: bool,
    /// The half minute of the last code that was used: none works twice.
    pub step: i64,
    /// Hex SHA-256 of each code for who has lost the authenticator.
    pub recovery: Vec<String>,
}

/// What is changed of a person; none: nothing.
#[derive(Clone, Debug, Default)]
pub struct PersonChange {
    pub name: Option<String>,
    pub role: Option<Role>,
}

/// Whether a change left the tenant its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKept {
    Yes,
    /// The tenant would have none; nothing was changed.
    WouldBeLost,
}

/// Where a page of persons begins: behind this one, the newest first.
pub type PersonCursor = (Timestamp, String);

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    email: String,
    name: String,
    role: String,
    password: Option<String>,
    totp: Option<String>,
    totp_on: i64,
    totp_step: i64,
    recovery: String,
    issuer: Option<String>,
    subject: Option<String>,
    invitation: Option<String>,
    invited_until: Option<i64>,
    created_at: i64,
    made_by: Option<String>,
    logged_in_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<Person, StoreError> {
        let invitation = self.invitation.zip(maybe_time(self.invited_until));
        let second = match self.totp {
            Some(sealed) => Some(SecondFactor {
                sealed,
                confirmed: self.totp_on != 0,
                step: self.totp_step,
                recovery: json(&self.recovery, "recovery codes")?,
            }),
            None => None,
        };
        Ok(Person {
            id: self.id,
            email: self.email,
            name: self.name,
            role: Role::from_word(&self.role).ok_or_else(|| corrupt("role of a person"))?,
            password: self.password,
            second,
            subject: self.issuer.zip(self.subject).map(|(issuer, id)| Subject { issuer, id }),
            invitation: invitation.map(|(hash, until)| Invitation { hash, until }),
            created_at: Timestamp::from_micros(self.created_at),
            made_by: self.made_by.map(|by| json(&by, "maker of a person")).transpose()?,
            logged_in_at: maybe_time(self.logged_in_at),
        })
    }
}

macro_rules! persons {
    ($where:literal) => {
        concat!(
            "SELECT id, email, name, role, password, totp, totp_on, totp_step, recovery, issuer, subject, invitation, invited_until, created_at, made_by, logged_in_at ",
            "FROM persons WHERE tenant_id = $1 ",
            $where
        )
    };
}

impl Store {
    /// [`StoreError::AlreadyExists`] if somebody has the address.
    pub async fn create_person(&self, scope: &Scope, person: &Person) -> Result<(), StoreError> {
        let (tenant, person) = (scope.tenant(), person.clone());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let made = execute!(
                        tx.conn(),
                        "INSERT INTO persons (tenant_id, id, email, name, role, password, invitation, invited_until, created_at, made_by, issuer, subject) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
                        tenant.0,
                        &person.id,
                        &person.email,
                        &person.name,
                        person.role.word(),
                        person.password.as_deref(),
                        person.invitation.as_ref().map(|invitation| invitation.hash.as_str()),
                        person.invitation.as_ref().map(|invitation| invitation.until.micros()),
                        person.created_at.micros(),
                        person.made_by.as_ref().map(|by| serde_json::json!(by).to_string()),
                        person.subject.as_ref().map(|subject| subject.issuer.as_str()),
                        person.subject.as_ref().map(|subject| subject.id.as_str()),
                    )?;
                    if made == 0 { Err(StoreError::AlreadyExists(person.email)) } else { Ok(()) }
                })
            })
            .await
    }

    pub async fn person(&self, scope: &Scope, id: &str) -> Result<Option<Person>, StoreError> {
        let rows = select!(self, scope, Row, persons!("AND id = $2"), scope.tenant().0, id.to_owned());
        rows.into_iter().next().map(Row::read).transpose()
    }

    pub async fn person_by_email(&self, scope: &Scope, email: &str) -> Result<Option<Person>, StoreError> {
        let rows = select!(self, scope, Row, persons!("AND email = $2"), scope.tenant().0, email.to_owned());
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// A page of them, the newest first.
    pub async fn newest_persons(
        &self,
        scope: &Scope,
        behind: Option<&PersonCursor>,
        rows: usize,
    ) -> Result<Vec<Person>, StoreError> {
        let (at, id) = behind.map_or((i64::MAX, ""), |(at, id)| (at.micros(), id));
        let rows = select!(
            self,
            scope,
            Row,
            persons!("AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4"),
            scope.tenant().0,
            at,
            id.to_owned(),
            limit(rows),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// A further invitation, in place of an earlier one. The password so far works until it is accepted.
    pub async fn invite_person(&self, scope: &Scope, id: &str, invitation: Invitation) -> Result<(), StoreError> {
        let (tenant, id) = (scope.tenant(), id.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let done = execute!(
                        tx.conn(),
                        "UPDATE persons SET invitation = $3, invited_until = $4 WHERE tenant_id = $1 AND id = $2",
                        tenant.0,
                        &id,
                        &invitation.hash,
                        invitation.until.micros(),
                    )?;
                    if done == 0 { Err(StoreError::NotFound) } else { Ok(()) }
                })
            })
            .await
    }

    /// Sets the password, ends the invitation, the second factor, and whatever sessions there are. [`StoreError::NotFound`] if it was accepted already, or
    /// has ended.
    pub async fn accept_invitation(
        &self,
        scope: &Scope,
        id: &str,
        invitation: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (tenant, id) = (scope.tenant(), id.to_owned());
        let (invitation, password) = (invitation.to_owned(), password.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let accepted = execute!(
                        tx.conn(),
                        "UPDATE persons SET password = $4, invitation = NULL, invited_until = NULL, totp = NULL, totp_on = 0 \
                         WHERE tenant_id = $1 AND id = $2 AND invitation = $3 AND invited_until > $5",
                        tenant.0,
                        &id,
                        &invitation,
                        &password,
                        now.micros(),
                    )?;
                    if accepted == 0 {
                        return Err(StoreError::NotFound);
                    }
                    end_all(tx, tenant, &id, "").await
                })
            })
            .await
    }

    /// Another password, in place of the one that the caller has checked. Sessions end, but for the one of this hash.
    /// [`StoreError::NotFound`] if the password is another one by now.
    pub async fn change_password(
        &self,
        scope: &Scope,
        id: &str,
        (former, new): (&str, &str),
        session: &str,
    ) -> Result<(), StoreError> {
        let (tenant, id, session) = (scope.tenant(), id.to_owned(), session.to_owned());
        let (former, new) = (former.to_owned(), new.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let changed = execute!(
                        tx.conn(),
                        "UPDATE persons SET password = $4 WHERE tenant_id = $1 AND id = $2 AND password = $3",
                        tenant.0,
                        &id,
                        &former,
                        &new,
                    )?;
                    if changed == 0 {
                        return Err(StoreError::NotFound);
                    }
                    end_all(tx, tenant, &id, &session).await
                })
            })
            .await
    }

    pub async fn change_person(&self, scope: &Scope, id: &str, change: PersonChange) -> Result<OwnerKept, StoreError> {
        let (tenant, id) = (scope.tenant(), id.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    if change.role.is_some_and(|role| role != Role::Owner) && is_last_owner(tx, tenant, &id).await? {
                        return Ok(OwnerKept::WouldBeLost);
                    }
                    let changed = execute!(
                        tx.conn(),
                        "UPDATE persons SET name = COALESCE($3, name), role = COALESCE($4, role) WHERE tenant_id = $1 AND id = $2",
                        tenant.0,
                        &id,
                        change.name.as_deref(),
                        change.role.map(Role::word),
                    )?;
                    if changed == 0 { Err(StoreError::NotFound) } else { Ok(OwnerKept::Yes) }
                })
            })
            .await
    }

    /// Deletes a person, with the sessions.
    pub async fn remove_person(&self, scope: &Scope, id: &str) -> Result<OwnerKept, StoreError> {
        let (tenant, id) = (scope.tenant(), id.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    if is_last_owner(tx, tenant, &id).await? {
                        return Ok(OwnerKept::WouldBeLost);
                    }
                    let gone =
                        execute!(tx.conn(), "DELETE FROM persons WHERE tenant_id = $1 AND id = $2", tenant.0, &id)?;
                    if gone == 0 { Err(StoreError::NotFound) } else { Ok(OwnerKept::Yes) }
                })
            })
            .await
    }
}

/// Whether this is the one owner who can log in. Whoever asks holds the rows of all owners until the end of the transaction: of two
/// who go at the same time, the second sees that the first has gone.
async fn is_last_owner(tx: &mut Tx<'_>, tenant: TenantId, id: &str) -> Result<bool, StoreError> {
    let owner = Role::Owner.word();
    execute!(tx.conn(), "UPDATE persons SET role = role WHERE tenant_id = $1 AND role = $2", tenant.0, owner)?;
    let owners = fetch_all!(
        tx.conn(),
        (String,),
        "SELECT id FROM persons WHERE tenant_id = $1 AND role = $2 AND (password IS NOT NULL OR subject IS NOT NULL) LIMIT 2",
        tenant.0,
        owner,
    )?;
    Ok(owners.len() == 1 && owners[0].0 == id)
}

/// Ends the sessions of a person, but for one.
async fn end_all(tx: &mut Tx<'_>, tenant: TenantId, person: &str, but: &str) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM sessions WHERE tenant_id = $1 AND person = $2 AND hash <> $3",
        tenant.0,
        person,
        but,
    )
    .map(drop)
}
