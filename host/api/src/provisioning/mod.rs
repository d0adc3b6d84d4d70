//! Makes so what was agreed on: for each subscription whose operation is under way, item by item, what is not so yet is made or removed.
//!
//! Each step goes through the handlers of the API itself, under the subscription's own principal, so that what holds for people holds
//! here: the same checks, the same control events, an entry in the audit log. A step can be made again and changes nothing then; so
//! what was interrupted goes on, on whichever node. A step that is refused stays, with its reason, until somebody resumes it.

pub(crate) mod current;
pub(crate) mod fit;
mod items;
pub(crate) mod operation;
pub(crate) mod outcome;
pub(crate) mod push;

use openhub_model::offering::Document;
use openhub_model::subscription::{ItemState, OperationState, Outcome, Progress, Purpose};
use openhub_model::{TenantId, Timestamp};
use openhub_store::{Agreement, Operation, Scope, Subscription};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use self::operation::Step;
use crate::app::{App, Shared};
use crate::contracts::version_of;
use crate::problem::Problem;

/// How often it is looked for operations, of all tenants at once.
const LOOKS: Duration = Duration::from_millis(500);
/// For so long a tenant's operations are one node's. Whoever is not done by then takes them again.
const TAKEN_MICROS: i64 = 15_000_000;
/// The control events by which items are made and removed.
const MADE: [&str; 9] = [
    "object-type.declared",
    "segment.published",
    "segment.removed",
    "journey.published",
    "journey.stopped",
    "journey.removed",
    "plugin.enabled",
    "plugin.activated",
    "plugin.removed",
];
/// When what the engine has yet to pass is looked at again.
const AGAIN_MICROS: i64 = 500_000;

/// Works on the operations of all tenants.
pub struct Provisioner {
    shared: Shared,
}

impl Provisioner {
    pub(crate) fn new(shared: Shared) -> Provisioner {
        Provisioner { shared }
    }

    /// Until the hub stops. What is interrupted goes on at the next start, or on another node.
    pub async fn run(self, stopping: CancellationToken) {
        while !stopping.is_cancelled() {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOKS) => {}
            }
            self.look().await;
        }
    }

    /// Works on all that is due now.
    pub async fn look(&self) {
        let app = &self.shared.app;
        let due = match app.store.operations_due(app.now()).await {
            Ok(due) => due,
            Err(error) => return tracing::warn!(%error, "Operations of subscriptions were not looked for."),
        };
        self.look_at_pushes().await;
        for (tenant, read) in due {
            if let Err(problem) = Box::pin(self.work(tenant, read)).await {
                tracing::warn!(tenant.id = tenant.0, code = problem.code(), "Operations wait: they are tried again.");
            }
        }
    }

    async fn look_at_pushes(&self) {
        let app = &self.shared.app;
        let due = match app.store.pushes_due(app.now()).await {
            Ok(due) => due,
            Err(error) => return tracing::warn!(%error, "Pushes were not looked for."),
        };
        for (tenant, read) in due {
            if let Err(problem) = Box::pin(push::work(app, tenant, read)).await {
                tracing::warn!(tenant.id = tenant.0, code = problem.code(), "Pushes wait: they are tried again.");
            }
        }
    }

    async fn work(&self, tenant: TenantId, read: Timestamp) -> Result<(), Problem> {
        let (app, scope) = (&self.shared.app, Scope::of(tenant));
        let until = Timestamp::from_micros(app.now().micros() + TAKEN_MICROS);
        if !app.store.take_operations(tenant, read, until).await? {
            return Ok(());
        }
        for id in app.store.waiting_subscriptions(&scope).await? {
            outcome::pass_time(&self.shared, &scope, id).await?;
        }
        let mut again = None;
        let checkpoint = app.store.standing(&scope).await?.checkpoint;
        if !app.store.controls(&scope, checkpoint, &MADE).await?.is_empty() {
            // What is on its way is not made again: the engine has yet to come to it.
            return self.look_again(tenant, Some(Timestamp::from_micros(app.now().micros() + AGAIN_MICROS))).await;
        }
        for operation in app.store.open_operations(&scope).await? {
            if Box::pin(self.operate(&scope, operation)).await? == Step::Pending {
                again = Some(Timestamp::from_micros(app.now().micros() + AGAIN_MICROS));
            }
        }
        self.look_again(tenant, again).await
    }

    async fn look_again(&self, tenant: TenantId, at: Option<Timestamp>) -> Result<(), Problem> {
        let look = Agreement::LookAt { partner: tenant, at };
        self.shared.app.store.agree(&Scope::of(tenant), vec![look], Vec::new()).await?;
        Ok(())
    }

    /// Goes on with an operation as far as it comes.
    async fn operate(&self, scope: &Scope, mut operation: Operation) -> Result<Step, Problem> {
        let app = &self.shared.app;
        let found = app.store.subscription(scope, operation.subscription).await?;
        let Some(subscription) = found else { return Ok(Step::Done) };
        let document = match operation.purpose {
            Purpose::Remove => Document::default(),
            Purpose::Provision | Purpose::Upgrade => version_of(app, &subscription).await?.document,
        };
        for index in 0..operation.progress.len() {
            if operation.progress[index].state == ItemState::Done {
                continue;
            }
            let item = operation.progress[index].item.clone();
            let step = Box::pin(self.step(scope, &subscription, &operation, &document, &item)).await;
            match step {
                Ok(Step::Pending) => return Ok(Step::Pending),
                Ok(Step::Done) => {
                    operation.progress[index] = Progress { item, state: ItemState::Done, reason: None };
                    note(app, scope, &operation).await?;
                }
                // It is the hub, and not the item, that cannot go on.
                Err(problem) if problem.is_passing() => return Err(problem),
                Err(problem) => {
                    let reason = problem.in_words();
                    operation.progress[index] =
                        Progress { item, state: ItemState::Failed, reason: Some(reason.clone()) };
                    operation.reason = Some(reason);
                    outcome::settle(app, &subscription, operation, Outcome::CannotGoOn).await?;
                    return Ok(Step::Done);
                }
            }
        }
        outcome::settle(app, &subscription, operation, Outcome::AllDone).await?;
        Ok(Step::Done)
    }

    async fn step(
        &self,
        scope: &Scope,
        subscription: &Subscription,
        operation: &Operation,
        document: &Document,
        item: &str,
    ) -> Result<Step, Problem> {
        let wanted = document.provisioned().find(|wanted| wanted.id().0 == item);
        match wanted {
            Some(wanted) => items::make(&self.shared, scope, subscription, operation, wanted).await,
            None => items::remove(&self.shared, scope, subscription.id, item).await,
        }
    }
}

/// What is done is written at once: whoever goes on begins behind it.
async fn note(app: &Arc<App>, scope: &Scope, operation: &Operation) -> Result<(), Problem> {
    let (from, partner) = (OperationState::Running, scope.tenant());
    let noted = Agreement::Note { partner, from, operation: Box::new(operation.clone()) };
    app.store.agree(scope, vec![noted], Vec::new()).await?;
    Ok(())
}
