//! A change of what a tenant runs or is: who makes it, for which tenant, and the event that says so. A handler that writes a
//! control event asks for a [`Change`], and commits through it: so none is without its principal.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use openhub_model::{EventKind, Id, NewEvent, PartId, Principal, TenantId, Timestamp};
use openhub_store::{Op, Scope, act, in_time};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

use crate::app::{App, Shared};
use crate::auth::{Authorized, Permission};
use crate::problem::Problem;
use crate::writes::{self, Progress};

/// Proof that whoever asks may change what the permission `P` is about.
pub(crate) struct Change<P> {
    pub access: Authorized<P>,
    pub scope: Scope,
    pub principal: Principal,
    /// Of the key, or of the person.
    pub id: String,
    app: Arc<App>,
    locks: Locks,
}

/// One a tenant, held while what it runs changes: what was checked is what is written. No tenant waits for another.
#[derive(Clone, Default)]
pub(crate) struct Locks(Arc<Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>>);

impl<P: Permission> FromRequestParts<Shared> for Change<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        Ok(Change::new(Authorized::<P>::from_request_parts(parts, shared).await?, shared))
    }
}

impl<P: Permission> Change<P> {
    /// What a subscription does at its partner's, under a principal of its own and within the tenant's ceiling.
    pub async fn of_subscription(shared: &Shared, tenant: TenantId, id: Id) -> Result<Change<P>, Problem> {
        let access = Authorized::of_subscription(&shared.app, tenant, id).await?;
        access.must::<P>()?;
        Ok(Change::new(access, shared))
    }

    fn new(access: Authorized<P>, shared: &Shared) -> Change<P> {
        Change {
            scope: access.scope,
            principal: access.principal.clone(),
            id: access.id.clone(),
            access,
            app: shared.app.clone(),
            locks: shared.locks.clone(),
        }
    }
}

impl<P> Change<P> {
    pub fn tenant(&self) -> TenantId {
        self.scope.tenant()
    }

    /// Until the guard is dropped no other change of this tenant is checked or written.
    pub async fn alone(&self) -> Result<OwnedMutexGuard<()>, Problem> {
        let lock = {
            let mut locks = self.locks.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(self.tenant()).or_default().clone()
        };
        Ok(in_time(lock.lock_owned()).await?)
    }

    /// The tenant's present at the end of its log.
    pub async fn now(&self) -> Result<Timestamp, Problem> {
        writes::present(&self.app, &self.scope).await
    }

    /// The control event of this change, at `at`.
    pub fn control(&self, name: &str, at: Timestamp, body: Value) -> NewEvent {
        NewEvent { name: name.to_owned(), ..self.event(EventKind::Control, None, at, body) }
    }

    /// Any event of this change.
    pub fn event(&self, kind: EventKind, part: Option<PartId>, at: Timestamp, mut body: Value) -> NewEvent {
        body["principal"] = serde_json::json!(self.principal);
        writes::event(&self.app, kind, part, at, &body)
    }

    /// Appends the control event at the present end of the log, and waits a little for the engine.
    pub async fn commit(&self, name: &str, body: Value) -> Result<Progress, Problem> {
        self.commit_with(Vec::new(), name, body).await
    }

    /// The same, behind other writes of the same transaction.
    pub async fn commit_with(&self, mut ops: Vec<Op>, name: &str, body: Value) -> Result<Progress, Problem> {
        act::note_after(&body);
        ops.push(Op::Append(self.control(name, self.now().await?, body)));
        writes::write(&self.app, &self.scope, ops).await
    }
}
