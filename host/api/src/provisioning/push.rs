//! Goes on with pushes: begins an upgrade with each subscriber of the present wave, and looks what became of those that were begun. Once
//! all of a wave is settled the next one begins; where too many of one fail, the push stops.

use openhub_model::block::Stop;
use openhub_model::push::{PushAct, PushState, TargetState, is_too_many};
use openhub_model::subscription::{Contract, OperationState};
use openhub_model::{EventKind, NewEvent, Principal, TenantId, Timestamp};
use openhub_store::{Agreement, Deeded, Operation, Push, Scope, StoreError, Subscription, Target, acting};
use serde_json::{Map, Value, json};
use std::sync::Arc;

use super::{AGAIN_MICROS, TAKEN_MICROS};
use crate::app::App;
use crate::contracts::said;
use crate::problem::{CHANGED_HERE, INVALID_SUBSCRIPTION, MISSING_PARAMETER, NOT_AGREED, Problem};
use crate::routes::subscriptions::{Agree, Wanted, plan, target};
use crate::writes;

/// Upgrades of a push that are under way at once.
const AT_ONCE: usize = 20;

/// Goes on with all pushes of a tenant, if nobody else does.
pub(super) async fn work(app: &Arc<App>, tenant: TenantId, read: Timestamp) -> Result<(), Problem> {
    let scope = Scope::of(tenant);
    let until = Timestamp::from_micros(app.now().micros() + TAKEN_MICROS);
    if !app.store.take_pushes(tenant, read, until).await? {
        return Ok(());
    }
    for push in app.store.running_pushes(&scope).await? {
        match Box::pin(advance(app, &scope, push)).await {
            // Somebody paused it, or another node went on with it.
            Err(problem) if !problem.is_passing() => {
                tracing::warn!(tenant.id = tenant.0, code = problem.code(), "A push waits: it is tried again.");
            }
            advanced => advanced?,
        }
    }
    let again = Timestamp::from_micros(app.now().micros() + AGAIN_MICROS);
    let look = Agreement::LookAtPushes { provider: tenant, at: Some(again) };
    app.store.agree(&scope, vec![look], Vec::new()).await?;
    Ok(())
}

/// Goes on with a push as far as it comes.
async fn advance(app: &Arc<App>, scope: &Scope, mut push: Push) -> Result<(), Problem> {
    loop {
        let mut wave = app.store.push_wave(scope, push.id, push.wave).await?;
        for target in wave.iter_mut().filter(|target| target.state == TargetState::Running) {
            *target = Box::pin(look_at(app, scope, target.clone())).await?;
        }
        let count = |wave: &[Target], state| wave.iter().filter(|target| target.state == state).count();
        let failed = count(&wave, TargetState::Failed);
        if is_too_many(failed, wave.len(), push.stop_at) {
            let reason = format!("{failed} of {} in wave {} failed.", wave.len(), push.wave + 1);
            return turn(app, scope, push, PushAct::Stop, Some(reason)).await.map(drop);
        }
        let mut free = AT_ONCE.saturating_sub(count(&wave, TargetState::Running));
        for target in wave.iter_mut().filter(|target| target.state == TargetState::Waiting) {
            if free == 0 {
                break;
            }
            *target = Box::pin(begin(app, scope, &push, target.clone())).await?;
            free -= usize::from(target.state == TargetState::Running);
        }
        if wave.iter().any(|target| !target.state.is_settled()) {
            return Ok(());
        }
        let failed = count(&wave, TargetState::Failed);
        if is_too_many(failed, wave.len(), push.stop_at) {
            continue;
        }
        if usize::try_from(push.wave + 1).unwrap_or_default() >= push.waves.len() {
            return turn(app, scope, push, PushAct::End, None).await.map(drop);
        }
        let next = Push { wave: push.wave + 1, ..push.clone() };
        let body = body(&next);
        let event = event(app, scope, "offering.push-wave-done", &Principal::Hub, body).await?;
        let note = Agreement::NotePush { provider: scope.tenant(), from: Box::new(push), to: Box::new(next.clone()) };
        app.store.agree(scope, vec![note], vec![event]).await?;
        push = next;
    }
}

/// What an act makes of a push, told in the provider's log.
pub(crate) async fn turn(
    app: &App,
    scope: &Scope,
    push: Push,
    act: PushAct,
    reason: Option<String>,
) -> Result<Option<Push>, Problem> {
    turn_by(app, scope, push, (act, &Principal::Hub), reason).await
}

/// The same, by somebody.
pub(crate) async fn turn_by(
    app: &App,
    scope: &Scope,
    push: Push,
    (act, by): (PushAct, &Principal),
    reason: Option<String>,
) -> Result<Option<Push>, Problem> {
    let Some(state) = push.state.after(act) else { return Ok(None) };
    let is_over = matches!(state, PushState::Stopped | PushState::Done);
    let settled_at = is_over.then(|| app.now());
    let turned = Push { state, reason: reason.or_else(|| push.reason.clone()), settled_at, ..push.clone() };
    let name = match act {
        PushAct::Pause => "offering.push-paused",
        PushAct::Resume => "offering.push-resumed",
        PushAct::Stop => "offering.push-stopped",
        PushAct::End => "offering.push-done",
    };
    let event = event(app, scope, name, by, body(&turned)).await?;
    let provider = scope.tenant();
    let note = Agreement::NotePush { provider, from: Box::new(push), to: Box::new(turned.clone()) };
    let agreements = vec![note, Agreement::LookAtPushes { provider, at: None }];
    app.store.agree(scope, agreements, vec![event]).await?;
    Ok(Some(turned))
}

/// What events say of a push.
pub(crate) fn body(push: &Push) -> Value {
    json!({
        "push": push.id, "offering": push.offering, "from": push.from, "to": push.to, "state": push.state,
        "wave": push.wave + 1, "waves": push.waves.len(), "reason": push.reason,
    })
}

pub(crate) async fn event(
    app: &App,
    scope: &Scope,
    name: &str,
    by: &Principal,
    mut body: Value,
) -> Result<(TenantId, NewEvent), Problem> {
    body["principal"] = json!(by);
    let at = writes::present(app, scope).await?;
    let event = NewEvent { name: name.to_owned(), ..writes::event(app, EventKind::Control, None, at, &body) };
    Ok((scope.tenant(), event))
}

/// What became of an upgrade that was begun.
async fn look_at(app: &App, scope: &Scope, target: Target) -> Result<Target, Problem> {
    let operations = app.store.operations(&Scope::of(target.partner), target.subscription).await?;
    let its = operations.into_iter().find(|operation| Some(operation.number) == target.operation);
    let (state, reason) = match its {
        Some(Operation { state: OperationState::Running, .. }) => return Ok(target),
        Some(Operation { state: OperationState::Succeeded, .. }) => (TargetState::Upgraded, None),
        Some(Operation { state: OperationState::Failed, reason, .. }) => (TargetState::Failed, reason),
        None => (TargetState::Skipped, Some("The subscription is gone.".to_owned())),
    };
    let from = target.state;
    let to = settled(app, target, state, reason);
    note(app, scope, from, &to, Vec::new(), Vec::new()).await?;
    Ok(to)
}

fn settled(app: &App, target: Target, state: TargetState, reason: Option<String>) -> Target {
    Target { state, reason, settled_at: state.is_settled().then(|| app.now()), ..target }
}

async fn note(
    app: &App,
    scope: &Scope,
    from: TargetState,
    to: &Target,
    mut agreements: Vec<Agreement>,
    events: Vec<(TenantId, NewEvent)>,
) -> Result<(), StoreError> {
    agreements.push(Agreement::NoteTarget { provider: scope.tenant(), from, target: Box::new(to.clone()) });
    app.store.agree(scope, agreements, events).await.map(drop)
}

/// Begins the upgrade of a subscriber, or says why not. What is begun and that it is begun are one transaction.
async fn begin(app: &Arc<App>, scope: &Scope, push: &Push, of: Target) -> Result<Target, Problem> {
    let partner = Scope::of(of.partner);
    let found = app.store.subscription(&partner, of.subscription).await?;
    let Some(found) = found.filter(|found| found.contract == Contract::Active) else {
        return skipped(app, scope, of, "The subscription is ended.").await;
    };
    if found.version == push.to {
        let to = settled(app, of, TargetState::Upgraded, None);
        note(app, scope, TargetState::Waiting, &to, Vec::new(), Vec::new()).await?;
        return Ok(to);
    }
    if found.version != push.from {
        return skipped(app, scope, of, "It has gone over to another version meanwhile.").await;
    }
    let stops = app.store.stops(&partner, found.id).await?;
    if stops.has(Stop::Changes) || stops.has(Stop::Service) {
        return skipped(app, scope, of, "A block on it stops changes or service.").await;
    }
    let before = app.store.operations(&partner, found.id).await?;
    match before.first().map(|newest| newest.state) {
        Some(OperationState::Running) => return Ok(of),
        Some(OperationState::Failed) => return skipped(app, scope, of, "An operation of it has failed before.").await,
        Some(OperationState::Succeeded) | None => {}
    }
    let to = target(app, &found, push.to).await?;
    let wanted = Wanted { parameters: Map::new(), agree: Agree::AsBefore, overwrite: Vec::new() };
    let planned = match plan(app, &partner, found.clone(), &before, &to, wanted).await {
        Err(problem) if problem.is_passing() => return Err(problem),
        Err(problem) => return refused(app, scope, push, of, &found, problem).await,
        Ok(planned) => planned,
    };
    let running = Target { state: TargetState::Running, operation: Some(planned.operation.number), ..of };
    let events =
        told(app, scope, push, &planned.upgraded, "subscription.upgrade-begun", said(&planned.upgraded)).await?;
    let deed = Deeded {
        tenant: Some(scope.tenant()),
        principal: push.made_by.clone(),
        act: format!("push {} to version {}", push.offering, push.to),
        subject: running.subscription.to_string(),
        origin: String::new(),
        request: app.fresh_id(),
        at: app.now(),
    };
    let begun = note(app, scope, TargetState::Waiting, &running, planned.agreements(), events);
    acting(deed, begun).await?;
    Ok(running)
}

async fn skipped(app: &App, scope: &Scope, of: Target, why: &str) -> Result<Target, Problem> {
    let from = of.state;
    let to = settled(app, of, TargetState::Skipped, Some(why.to_owned()));
    note(app, scope, from, &to, Vec::new(), Vec::new()).await?;
    Ok(to)
}

/// What the partner can settle waits for it, and it is told; all else is a failure.
async fn refused(
    app: &App,
    scope: &Scope,
    push: &Push,
    of: Target,
    subscription: &Subscription,
    problem: Problem,
) -> Result<Target, Problem> {
    let from = of.state;
    let asks = [NOT_AGREED, CHANGED_HERE, MISSING_PARAMETER, INVALID_SUBSCRIPTION].into_iter().any(|of| problem.is(of));
    let state = if asks { TargetState::AwaitsPartner } else { TargetState::Failed };
    let to = settled(app, of, state, Some(problem.in_words()));
    if !asks {
        note(app, scope, from, &to, Vec::new(), Vec::new()).await?;
        return Ok(to);
    }
    let mut body = said(subscription);
    body["offered"] = json!(push.to);
    body["why"] = json!(problem.in_words());
    let events = told(app, scope, push, subscription, "subscription.upgrade-offered", body).await?;
    let offer = Agreement::Offer { partner: to.partner, subscription: to.subscription, version: push.to };
    note(app, scope, from, &to, vec![offer], events).await?;
    Ok(to)
}

/// The event in the logs of both: the provider's says who made the push, the partner's which tenant.
async fn told(
    app: &App,
    scope: &Scope,
    push: &Push,
    subscription: &Subscription,
    name: &str,
    mut body: Value,
) -> Result<Vec<(TenantId, NewEvent)>, Problem> {
    body["push"] = json!(push.id);
    let provider = Principal::Partner { id: scope.tenant().0.to_string() };
    let own = event(app, scope, name, &push.made_by, body.clone()).await?;
    Ok(vec![own, event(app, &Scope::of(subscription.partner), name, &provider, body).await?])
}
