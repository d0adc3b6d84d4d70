//! Quotas and caps where something is used: at the door of events, of the API, and of plugins.

use openhub_engine::quotas::{BoundOf, More};
use openhub_model::price::Meter;
use openhub_store::Scope;

use crate::app::App;
use crate::problem::{Problem, QUOTA_EXHAUSTED};

/// Seconds that whoever is over a quota is told to wait at most: it may be raised.
const LATEST: i64 = 3_600;

/// Refuses, as a whole, events that go beyond a quota that says so, or beyond the partner's own cap.
pub(super) async fn within_quota(app: &App, scope: &Scope, events: i64) -> Result<(), Problem> {
    within(app, scope, &More { meter: &Meter::Events, of: None, quantity: events }).await
}

/// Likewise, a call of a plugin from outside.
pub(crate) async fn within_calls(app: &App, scope: &Scope, plugin: &str) -> Result<(), Problem> {
    within(app, scope, &More { meter: &Meter::PluginCalls, of: Some(plugin), quantity: 1 }).await
}

/// Refuses what goes beyond.
pub(crate) async fn within(app: &App, scope: &Scope, more: &More<'_>) -> Result<(), Problem> {
    let Some(bound) = app.engine.refused_by(scope, more).await? else { return Ok(()) };
    metrics::counter!("openhub_requests_shed_total", "door" => "quota").increment(1);
    let what = match &bound.of {
        BoundOf::Quota(quota) => format!("The quota of {} `{}`", bound.limit, quota.meter),
        BoundOf::Cap { currency, .. } => format!("The cap of {} {currency}", currency.format(bound.limit)),
    };
    let detail = format!("{what} does not allow this until {}. Nothing was done.", bound.resets_at);
    let wait = (bound.resets_at.micros() - app.now().micros()) / 1_000_000;
    Err(Problem::new(QUOTA_EXHAUSTED, detail).retry_after(wait.clamp(1, LATEST) as u32))
}
