//! The second factor of a person, and what uses it up: a code works once.

use openhub_model::TenantId;

use crate::database::bulk;
use crate::database::connection::execute;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// What somebody showed besides the password.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A code of the authenticator, of this half minute.
    Code(i64),
    /// One of the codes for who has lost it; with those that there were, and those that are left.
    Recovery { before: Vec<String>, left: Vec<String> },
}

impl Store {
    /// Begins a second factor, which is not asked for yet. [`StoreError::NotFound`] if the person has one.
    pub async fn offer_second_factor(&self, scope: &Scope, person: &str, sealed: &str) -> Result<(), StoreError> {
        let (tenant, person, sealed) = (scope.tenant(), person.to_owned(), sealed.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let offered = execute!(
                        tx.conn(),
                        "UPDATE persons SET totp = $3, totp_step = 0, recovery = '[]' \
                         WHERE tenant_id = $1 AND id = $2 AND totp_on = 0",
                        tenant.0,
                        &person,
                        &sealed,
                    )?;
                    if offered == 0 { Err(StoreError::NotFound) } else { Ok(()) }
                })
            })
            .await
    }

    /// From now on it is asked for: its first code was right. [`StoreError::NotFound`] if another one was begun meanwhile.
    pub async fn confirm_second_factor(
        &self,
        scope: &Scope,
        person: &str,
        sealed: &str,
        step: i64,
        recovery: &[String],
    ) -> Result<(), StoreError> {
        let (tenant, person, sealed) = (scope.tenant(), person.to_owned(), sealed.to_owned());
        let recovery = bulk::list(recovery);
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let confirmed = execute!(
                        tx.conn(),
                        "UPDATE persons SET totp_on = 1, totp_step = $4, recovery = $5 \
                         WHERE tenant_id = $1 AND id = $2 AND totp = $3 AND totp_on = 0",
                        tenant.0,
                        &person,
                        &sealed,
                        step,
                        &recovery,
                    )?;
                    if confirmed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
                })
            })
            .await
    }

    pub async fn drop_second_factor(&self, scope: &Scope, person: &str) -> Result<(), StoreError> {
        let (tenant, person) = (scope.tenant(), person.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE persons SET totp = NULL, totp_on = 0, totp_step = 0, recovery = '[]' \
                         WHERE tenant_id = $1 AND id = $2",
                        tenant.0,
                        &person,
                    )
                    .map(drop)
                })
            })
            .await
    }
}

/// Uses a proof up; without one, the person must have no second factor. [`StoreError::NotFound`] if it was used already.
pub(crate) async fn use_up(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    person: &str,
    proof: Option<&Proof>,
) -> Result<(), StoreError> {
    let used = match proof {
        None => execute!(
            tx.conn(),
            "UPDATE persons SET totp_on = 0 WHERE tenant_id = $1 AND id = $2 AND totp_on = 0",
            tenant.0,
            person,
        )?,
        Some(Proof::Code(step)) => execute!(
            tx.conn(),
            "UPDATE persons SET totp_step = $3 WHERE tenant_id = $1 AND id = $2 AND totp_on = 1 AND totp_step < $3",
            tenant.0,
            person,
            *step,
        )?,
        Some(Proof::Recovery { before, left }) => execute!(
            tx.conn(),
            "UPDATE persons SET recovery = $4 WHERE tenant_id = $1 AND id = $2 AND totp_on = 1 AND recovery = $3",
            tenant.0,
            person,
            bulk::list(before),
            bulk::list(left),
        )?,
    };
    if used == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}
