//! Writes through the log: what an API call appends, and the wait until the engine has passed it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::identity::Authority;
use openhub_model::{ClockKind, EventKind, NewEvent, PartId, TenantId, Timestamp};
use openhub_store::{Op, Scope, Tenant};
use serde_json::Value;

use crate::app::App;
use crate::problem::{CONFLICT, Problem};
use crate::views::PendingView;

/// The tenant of a credential.
pub(crate) async fn tenant(app: &App, scope: &Scope) -> Result<Tenant, Problem> {
    app.store.tenant(scope.tenant()).await?.ok_or_else(|| Problem::not_found("tenant"))
}

/// The present of a tenant: the host's clock, or where its replay has come to.
pub(crate) async fn tenant_now(app: &App, scope: &Scope) -> Result<Timestamp, Problem> {
    match tenant(app, scope).await?.clock {
        ClockKind::Live => Ok(app.now()),
        ClockKind::Replay => Ok(app.store.clock(scope).await?.max(Timestamp::default())),
    }
}

/// The present of what is written now: the host's clock, or where the replay will stand once all that is in its log has happened.
pub(crate) async fn present(app: &App, scope: &Scope) -> Result<Timestamp, Problem> {
    Ok(app.engine.present(scope, app.now()).await?)
}

/// An event of the hub's own API.
pub(crate) fn event(app: &App, kind: EventKind, part: Option<PartId>, at: Timestamp, body: &Value) -> NewEvent {
    NewEvent {
        message_id: app.fresh_id(),
        kind,
        name: String::new(),
        part,
        occurred_at: at,
        received_at: app.now(),
        historical: false,
        // Who may write customers is known to the hub.
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}

/// How far a write has come when its wait ends.
#[must_use]
pub(crate) enum Progress {
    /// The engine has passed it: reads see it.
    Done,
    /// It is stored, and the engine has yet to reach this position.
    Pending(i64),
}

/// Writes, and waits a little for the engine. A change that the engine refuses at its place is refused here, too.
pub(crate) async fn write(app: &App, scope: &Scope, ops: Vec<Op>) -> Result<Progress, Problem> {
    let appended = app.store.transact(scope, ops).await?;
    let progress = wait(app, scope.tenant(), appended.position, app.limits.write_wait).await;
    let catalog = app.engine.in_force(scope).await?;
    match (&progress, catalog.refusal_at(appended.position)) {
        (Progress::Done, Some(reason)) => {
            let detail =
                format!("The change was stored at position {}, but had no effect there: {reason}", appended.position);
            Err(Problem::new(CONFLICT, detail))
        }
        _ => Ok(progress),
    }
}

/// Writes the end of a plugin, which sends nothing more from now on, wherever the engine is in its log.
pub(crate) async fn halting(app: &App, scope: &Scope, plugin: &str, end: Vec<Op>) -> Result<Progress, Problem> {
    let mut halt = app.engine.halt(scope.tenant(), plugin);
    let written = write(app, scope, end).await;
    if let Ok(Progress::Pending(position)) = &written {
        halt.ends_at = Some(*position);
    }
    written
}

/// Waits until the engine has passed the position, but at most so long, and not beyond the hub's own end.
pub(crate) async fn wait(app: &App, tenant: TenantId, position: i64, most: std::time::Duration) -> Progress {
    let reached = tokio::select! {
        biased;
        reached = app.engine.reached(tenant, position, most) => reached,
        () = app.stopping.cancelled() => false,
    };
    if reached { Progress::Done } else { Progress::Pending(position) }
}

/// The 202 for a write that the engine has not passed yet.
pub(crate) fn accepted(position: i64) -> Response {
    (StatusCode::ACCEPTED, Json(PendingView { position })).into_response()
}
