//! `POST /api/v1/usage`: usage that a meter of somebody's own has counted; and what was counted in all.

use axum::Json;
use axum::extract::State;
use openhub_model::plain::misleads;
use openhub_model::price::{Meter, is_name};
use openhub_model::subscription::Contract;
use openhub_model::{Fault, Id, Quarter, Span, Timestamp};
use openhub_store::{MeteredSum, NewUsage, Reported, Scope, Subscription, act};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, UsageRead, UsageWrite};
use crate::body::{Meaning, MeantBody};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::{INVALID_BODY, INVALID_QUERY, Problem, USAGE_KEY_REUSED};
use crate::views::{MeterList, MeterView, ReportedView};

const LIST: &str = "meters";

/// Records of one report.
const RECORDS: usize = 1_000;
/// Characters of a key.
const KEY: usize = 200;
/// The greatest quantity of one record.
const MOST: i64 = 1_000_000_000_000_000;
/// How long usage may be reported after it was: statements correct no further back.
const LATE: Span = Span::from_micros(31 * 86_400_000_000);
/// What clocks may differ by.
const EARLY: Span = Span::from_micros(300_000_000);
/// What is summed unless told.
const USUAL: i64 = 31 * 86_400_000_000;

/// Usage that a meter of your own has counted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UsageReport)]
pub(crate) struct Report {
    /// The subscription that it belongs to: to an offering of yours, or your own (default: your own usage, for whichever
    /// subscription has a price for it).
    subscription: Option<String>,
    /// 1 to 1,000 records: all of them count, or none.
    usage: Vec<Record>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UsageRecord)]
pub(crate) struct Record {
    /// Names this record for good: sent again, it counts once. It names no person.
    key: String,
    /// The meter's name, without `reported:`.
    meter: String,
    /// 0 or more, a whole number.
    quantity: i64,
    /// When it was used, at most 31 days ago (default: now).
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
}

impl Meaning for Report {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.usage.is_empty() || self.usage.len() > RECORDS {
            faults.push(Fault::new("/usage", "out-of-range", format!("A report has 1 to {RECORDS} records.")));
        }
        for (at, record) in self.usage.iter().take(RECORDS).enumerate() {
            let mut fault = |field: &str, code: &str, message: String| {
                faults.push(Fault::new(format!("/usage/{at}/{field}"), code, message));
            };
            if !(1..=KEY).contains(&record.key.chars().count()) || record.key.contains('\0') {
                fault("key", "out-of-range", format!("A key has 1 to {KEY} characters."));
            } else if record.key.contains(misleads) || record.key.trim().is_empty() {
                let message = "Leave out line breaks, codes for terminals and marks that are not shown.";
                fault("key", "bad-name", message.to_owned());
            }
            if !is_name(&record.meter) {
                let message = "A meter of your own has 1 to 64 characters `a-z`, `0-9`, `-` and `_`.".to_owned();
                fault("meter", "invalid-name", message);
            }
            if !(0..=MOST).contains(&record.quantity) {
                fault("quantity", "out-of-range", format!("A quantity is 0 to {MOST}."));
            }
        }
        faults
    }
}

/// Reports usage that a meter of your own has counted, such as seats: it counts for the meter `reported:<name>` of a price.
///
/// A key is kept for good. Sent again with the same content it counts no second time. With another quantity, meter or
/// time the report is refused, and nothing of it counts.
#[utoipa::path(post, path = "/api/v1/usage", tag = "statements", request_body = Report,
    security(("api_key" = ["usage:write"])),
    responses((status = 200, body = ReportedView), Problems))]
pub(crate) async fn report_usage(
    State(app): State<Arc<App>>,
    access: Authorized<UsageWrite>,
    MeantBody(report): MeantBody<Report>,
) -> Result<Json<ReportedView>, Problem> {
    let now = app.now();
    let is_off = |at: Timestamp| at > now + EARLY || at + LATE < now;
    let off = report.usage.iter().enumerate().filter(|(_, record)| record.at.is_some_and(is_off));
    let faults: Vec<Fault> = off
        .map(|(at, _)| {
            let message = "Usage is reported within 31 days, and not before it is used.";
            Fault::new(format!("/usage/{at}/at"), "out-of-range", message)
        })
        .collect();
    if !faults.is_empty() {
        return Err(Problem::faults(INVALID_BODY, faults));
    }
    let subscribed = match report.subscription {
        None => None,
        Some(id) => Some(find(&app, &access.scope, &id).await?),
    };
    let of = subscribed.as_ref().map_or(access.tenant(), |subscribed| subscribed.partner);
    let subscription = subscribed.map(|subscribed| subscribed.id.to_string()).unwrap_or_default();
    let all = report.usage.len();
    let usage = report.usage.into_iter().map(|record| NewUsage {
        key: record.key,
        meter: Meter::Reported(record.meter),
        subscription: subscription.clone(),
        quantity: record.quantity,
        at: record.at,
    });
    act::note_after(&json!({"records": all}));
    match app.store.report_usage(&access.scope, of, usage.collect(), now).await? {
        Reported::Counted(counted) => Ok(Json(ReportedView { counted, known: all - counted })),
        Reported::Other(places) => {
            let fault = |at: usize| {
                let message = "This key stands for other usage. Correct usage under a key of its own.";
                Fault::new(format!("/usage/{at}/key"), "usage-key-reused", message)
            };
            Err(Problem::faults(USAGE_KEY_REUSED, places.into_iter().map(fault).collect()))
        }
    }
}

async fn find(app: &App, scope: &Scope, id: &str) -> Result<Subscription, Problem> {
    let absent = || {
        let message = "There is no such subscription, of yours or to an offering of yours.";
        Problem::fault(INVALID_BODY, Fault::new("/subscription", "unknown-subscription", message))
    };
    let id = id.parse::<Id>().map_err(|_| absent())?;
    let found = app.store.subscription(scope, id).await?.ok_or_else(absent)?;
    match found.contract {
        Contract::Active | Contract::Ended => Ok(found),
        _ => Err(absent()),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// From the quarter of an hour in which this lies (default: 31 days before `to`).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Up to this one, which does not count (default: now, whose quarter counts).
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// What was counted in a time, by meter: the sums from which quotas and statements follow.
#[utoipa::path(get, path = "/api/v1/meters", tag = "statements", params(Parameters),
    security(("api_key" = ["usage:read"])),
    responses((status = 200, body = MeterList), Problems))]
pub(crate) async fn meters(
    State(app): State<Arc<App>>,
    access: Authorized<UsageRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<MeterList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<String> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let to = match parameters.to {
        Some(to) => Quarter::of(to),
        None => Quarter::new(Quarter::of(app.now()).number() + 1),
    };
    let from = parameters.from.unwrap_or(to.begins() - Span::from_micros(USUAL));
    let from = Quarter::of(from);
    if from >= to {
        let message = "`from` is not before `to`.";
        return Err(Problem::fault(INVALID_QUERY, Fault::new("/from", "out-of-range", message)));
    }
    // Meters of one's own have names that one chooses: there may be many.
    let place = |sum: &MeteredSum| format!("{} {}", sum.meter, sum.of);
    let mut sums = app.store.metered_sums(&access.scope, (from, to), None).await?;
    sums.retain(|sum| after.as_ref().is_none_or(|after| place(sum) > *after));
    sums.sort_by_cached_key(place);
    sums.truncate(limit + 1);
    let (sums, next) = cursor::page(LIST, sums, limit, place);
    let meters = sums.into_iter().map(MeterView::from).collect();
    Ok(Json(MeterList { from: from.begins(), to: to.begins(), meters, next }))
}
