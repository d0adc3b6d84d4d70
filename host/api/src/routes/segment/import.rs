//! `POST /v1/import`: a batch, and of the past if it is asked for by name.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{KeyCache, WriteAccess};
use crate::body::EventBody;
use crate::ingest::{BatchMode, Receipt, accept_batch, try_batch};
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::Problem;

/// Those that it does not have are refused for all routes of events: see `event_query`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `true`: the events are history; they change customers and trigger nothing. `false`: they come from a file, and trigger
    /// journeys like events of `/v1/batch`. Both need a key with the scope `identities:write`.
    historical: Option<bool>,
    /// `true`: check everything, store nothing.
    dry_run: Option<bool>,
}

/// Many events at once, as `/v1/batch`, which older libraries send here; with `historical`, a file's.
///
/// History is not the present: with `historical=true` the events change customers and trigger nothing. A file can be mended:
/// with `historical`, or in a dry run, an event with a trait of another type than its attribute was declared with is refused,
/// with the code `wrong-type`. An event of a file that has neither `userId` nor `anonymousId` may name its customer by an address:
/// `"identity": {"kind": "email", "value": "…"}`. All of this needs `identities:write`, too.
#[utoipa::path(post, path = "/v1/import", tag = "segment", params(Parameters), request_body = Value,
    security(("write_key" = ["events:write"])),
    responses((status = 200, body = Receipt), Problems))]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: WriteAccess,
    Query(parameters): Query<Parameters>,
    EventBody(body): EventBody,
) -> Result<Json<Receipt>, Problem> {
    let mode = match parameters.historical {
        Some(true) => BatchMode::Historical,
        Some(false) => BatchMode::Imported,
        None => BatchMode::Live,
    };
    if parameters.dry_run == Some(true) {
        let mode = if mode == BatchMode::Live { BatchMode::Imported } else { mode };
        return try_batch(&app, &keys, access, mode, &body).await;
    }
    accept_batch(&app, &keys, access, mode, &body).await
}
