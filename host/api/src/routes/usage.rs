//! What plugins used: the meter.

use axum::Json;
use axum::extract::State;
use openhub_model::{Day, Fault};
use openhub_store::{Called, UsageCursor, UsageFilter, UsageKey, UsageOfDay};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, UsageRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::{INVALID_QUERY, Problem};
use crate::views::UsageList;

const LIST: &str = "usage";

/// Days of a list unless told.
const DAYS: i64 = 31;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The first day, in UTC (default: 30 days before `to`).
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Day>,
    /// The last day, in UTC (default: today).
    #[param(value_type = Option<String>, format = Date, example = "2026-11-30")]
    to: Option<Day>,
    /// Only of this plugin.
    plugin: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Lists what plugins used: calls, rows, faults, fuel, memory and HTTP requests, summed by day, version, and what was called.
///
/// Rules and checks count with the commit that takes what they answered. Calls of channels, sources, endpoints and jobs, and checks of what
/// the API changes, are added within a second.
#[utoipa::path(get, path = "/api/v1/usage", tag = "plugins", params(Parameters),
    security(("api_key" = ["usage:read"])),
    responses((status = 200, body = UsageList), Problems))]
pub(crate) async fn plugin_usage(
    State(app): State<Arc<App>>,
    access: Authorized<UsageRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<UsageList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<After> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let to = parameters.to.unwrap_or_else(|| Day::of((app.clock)()));
    let from = parameters.from.unwrap_or(to.before(DAYS - 1));
    if from > to {
        let message = format!("`from` is {from}, which is after `to`, {to}.");
        return Err(Problem::fault(INVALID_QUERY, Fault::new("/from", "out-of-range", message)));
    }
    let filter = UsageFilter { days: (from, to), plugin: parameters.plugin, after: after.map(|After(cursor)| cursor) };
    let usage = app.store.usage(&access.scope, &filter, limit + 1).await?;
    let (usage, next) = cursor::page(LIST, usage, limit, After::behind);
    Ok(Json(UsageList { usage: usage.into_iter().map(Into::into).collect(), next }))
}

/// Where a page begins, as a cursor writes it.
struct After(UsageCursor);

impl After {
    fn behind(row: &UsageOfDay) -> After {
        After((row.day, row.usage.key.clone()))
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, UsageKey { plugin, digest, called, name }) = &self.0;
        write!(f, "{}\n{plugin}\n{digest}\n{}\n{name}", day.number(), called.as_str())
    }
}

impl FromStr for After {
    type Err = ();

    fn from_str(text: &str) -> Result<After, ()> {
        let parts: Vec<&str> = text.split('\n').collect();
        let [day, plugin, digest, called, name] = parts[..] else { return Err(()) };
        let (plugin, digest, name) = (plugin.to_owned(), digest.to_owned(), name.to_owned());
        let called = Called::ALL.into_iter().find(|one| one.as_str() == called).ok_or(())?;
        Ok(After((Day::new(day.parse().map_err(|_| ())?), UsageKey { plugin, digest, called, name })))
    }
}
