//! What a plugin logs, and how it does.

use axum::Json;
use axum::extract::State;
use openhub_engine::watch::rank;
use openhub_engine::{EntryKind, watch};
use openhub_model::{Day, Id, Timestamp};
use openhub_runtime::LogLevel;
use openhub_store::{LogFilter, PluginLog, UsageFilter};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::find;
use crate::app::App;
use crate::auth::{Authorized, PluginsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::views::{PluginHealthView, PluginLogList};

const LIST: &str = "plugin-logs";
/// Days whose usage counts, and the most rows of them that are summed.
const DAYS: i64 = 7;
const USAGE_ROWS: usize = 10_000;
/// Error lines that are shown.
const ERRORS: usize = 5;

/// How much a line matters.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn rank(self) -> i64 {
        rank(match self {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParameters {
    /// The lowest level (default: `debug`).
    #[param(inline)]
    level: Option<Level>,
    /// The `behind` of the page before: lines behind it. Without, the newest lines.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// What a plugin has logged, the oldest first: the newest lines, or those behind `after`. To follow it, ask again with `behind`.
///
/// The hub keeps the last 2,000 lines of a plugin, for seven days at most. They are there within a second or two of being written.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/logs", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), LogParameters),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginLogList), Problems))]
pub(crate) async fn plugin_logs(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
    Query(parameters): Query<LogParameters>,
) -> Result<Json<PluginLogList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<Line> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let plugin = find(&app, &access.scope, &name).await?.name;
    let level = parameters.level.map_or(0, Level::rank);
    let filter = LogFilter { plugin, level, after: after.as_ref().map(|line| (line.at, line.id)) };
    let lines = app.store.plugin_logs(&access.scope, &filter, limit).await?;
    let behind = match lines.last() {
        Some(last) => Line::of(last),
        // There is nothing behind it yet.
        None => after.unwrap_or_default(),
    };
    Ok(Json(PluginLogList { lines: lines.into_iter().map(Into::into).collect(), behind: cursor::write(LIST, &behind) }))
}

/// How a plugin does: what stands in its way, what its versions used in the last seven days, how long their calls take, and its last errors.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/health", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginHealthView), Problems))]
pub(crate) async fn plugin_health(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
) -> Result<Json<PluginHealthView>, Problem> {
    let scope = &access.scope;
    let plugin = find(&app, scope, &name).await?;
    let catalog = app.engine.in_force(scope).await?;
    let mut not_in_force = catalog
        .faults
        .iter()
        .filter(|fault| fault.kind == EntryKind::Plugin && fault.name == plugin.name)
        .map(|fault| &fault.reason);
    let today = Day::of((app.clock)());
    let name = plugin.name.clone();
    let days = (today.before(DAYS - 1), today);
    let filter = UsageFilter { days, plugin: Some(name.clone()), after: None };
    let used = app.store.usage(scope, &filter, USAGE_ROWS).await?;
    let errors = LogFilter { plugin: name, level: rank(LogLevel::Error), after: None };
    let errors = app.store.plugin_logs(scope, &errors, ERRORS).await?;
    let watched = &app.engine.prepared().watch;
    let latency = |digest: &str| -> Option<watch::Quantiles> { watched.latency(scope.tenant(), digest) };
    let health = PluginHealthView::of(&plugin, used, latency);
    Ok(Json(health.with(not_in_force.next().cloned(), errors)))
}

/// A line of the list, as a cursor writes it.
struct Line {
    at: Timestamp,
    id: Id,
}

impl Default for Line {
    /// Before all lines.
    fn default() -> Line {
        Line { at: Timestamp::from_micros(0), id: Id::named(&[]) }
    }
}

impl Line {
    fn of(line: &PluginLog) -> Line {
        Line { at: line.at, id: line.id }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.at.micros(), self.id)
    }
}

impl FromStr for Line {
    type Err = ();

    fn from_str(text: &str) -> Result<Line, ()> {
        let (at, id) = text.split_once('\n').ok_or(())?;
        let at = at.parse().map_err(|_| ())?;
        Ok(Line { at: Timestamp::from_micros(at), id: id.parse().map_err(|_| ())? })
    }
}
