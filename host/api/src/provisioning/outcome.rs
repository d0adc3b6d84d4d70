//! What becomes of an operation, and of a subscription by time alone; told in the logs of both sides.

use openhub_model::subscription::{Act, Contract, OperationState, Outcome, Purpose};
use openhub_model::{EventKind, Id, NewEvent, Principal, TenantId};
use openhub_store::{Agreement, Operation, Scope, Subscription};
use serde_json::{Value, json};
use std::sync::Arc;

use super::operation::begun;
use crate::app::{App, Shared};
use crate::contracts::said;
use crate::problem::Problem;
use crate::views::PARTNERS_REASON;
use crate::writes;

/// Ends an operation; what was to be removed is removed, and the contract says so.
pub(super) async fn settle(
    app: &Arc<App>,
    subscription: &Subscription,
    operation: Operation,
    outcome: Outcome,
) -> Result<(), Problem> {
    let Some(state) = OperationState::Running.after(outcome) else { return Ok(()) };
    let (partner, now) = (subscription.partner, app.now());
    let settled = Operation { state, settled_at: Some(now), ..operation };
    let mut body = said(subscription);
    body["operation"] =
        json!({"number": settled.number, "purpose": settled.purpose, "state": state, "reason": settled.reason});
    let name = match (state, settled.purpose) {
        (OperationState::Failed, _) => "subscription.operation-failed",
        (_, Purpose::Provision) => "subscription.provisioned",
        (_, Purpose::Upgrade) => "subscription.upgraded",
        (_, Purpose::Remove) => "subscription.removed",
    };
    let mut agreements = Vec::new();
    if state == OperationState::Succeeded && settled.purpose == Purpose::Remove {
        let removed = Subscription { removed_at: Some(now), ..subscription.clone() };
        agreements.push(Agreement::Change { from: subscription.contract, to: Box::new(removed) });
    }
    agreements.push(Agreement::Note { partner, from: OperationState::Running, operation: Box::new(settled) });
    let events = told(app, subscription, name, &body).await?;
    app.store.agree(&Scope::of(partner), agreements, events).await?;
    Ok(())
}

/// A request that nobody answered expires; what is ended is removed once its export window is over.
pub(super) async fn pass_time(shared: &Shared, scope: &Scope, id: Id) -> Result<(), Problem> {
    let (app, now) = (&shared.app, shared.app.now());
    let Some(subscription) = app.store.subscription(scope, id).await? else { return Ok(()) };
    match subscription.contract {
        Contract::Requested if subscription.expires_at <= now => {
            let Some(to) = Contract::Requested.after(Act::Expire) else { return Ok(()) };
            let expired = Subscription { contract: to, ended_at: Some(now), ..subscription };
            let events = told(app, &expired, "subscription.expired", &said(&expired)).await?;
            let change = Agreement::Change { from: Contract::Requested, to: Box::new(expired) };
            app.store.agree(scope, vec![change], events).await?;
        }
        Contract::Ended if subscription.export_until.is_some_and(|until| until <= now) => {
            let before = app.store.operations(scope, id).await?;
            // A removal that failed waits for somebody, and what is under way goes on.
            let may_begin = |newest: &Operation| match newest.state {
                OperationState::Running => false,
                OperationState::Succeeded => true,
                OperationState::Failed => newest.purpose != Purpose::Remove,
            };
            if before.first().is_none_or(may_begin) {
                let items = removed_items(app, scope, id).await?;
                let operation = begun(&subscription, &before, Purpose::Remove, items, now);
                let begin = Agreement::Begin { partner: scope.tenant(), operation: Box::new(operation) };
                app.store.agree(scope, vec![begin], Vec::new()).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// What a subscription made, as it is taken apart: what may use others goes before them.
pub(crate) async fn removed_items(app: &App, scope: &Scope, id: Id) -> Result<Vec<String>, Problem> {
    let mut made = app.store.made(scope).await?;
    made.retain(|made| made.subscription == id);
    let first = |kind: &str| ["journey", "segment", "plugin", "object-type"].iter().position(|known| *known == kind);
    made.sort_by_key(|made| (first(&made.kind), std::cmp::Reverse(made.made_at), made.name.clone()));
    Ok(made.into_iter().map(|made| made.item).collect())
}

/// The event of what the hub did, in the log of both sides.
async fn told(
    app: &Arc<App>,
    subscription: &Subscription,
    name: &str,
    body: &Value,
) -> Result<Vec<(TenantId, NewEvent)>, Problem> {
    let mut body = body.clone();
    body["principal"] = json!(Principal::Subscription { id: subscription.id.to_string() });
    let mut events = Vec::new();
    for tenant in [subscription.partner, subscription.provider] {
        let at = writes::present(app, &Scope::of(tenant)).await?;
        if tenant == subscription.provider && body["operation"]["reason"].is_string() {
            body["operation"]["reason"] = json!(PARTNERS_REASON);
        }
        let event = NewEvent { name: name.to_owned(), ..writes::event(app, EventKind::Control, None, at, &body) };
        events.push((tenant, event));
    }
    Ok(events)
}
