//! `POST /v1/import`: a batch of the past.

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

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `false`: the events trigger journeys as if they came in by `/v1/batch`.
    historical: Option<bool>,
    /// `true`: everything is checked, nothing is stored.
    dry_run: Option<bool>,
}

/// Many past events at once, in the form of `/v1/batch`.
///
/// History is not the present: the events change customers and trigger nothing, unless asked for. An event with a trait of
/// another type than its attribute was declared with is refused, with the code `wrong-type`.
#[utoipa::path(post, path = "/v1/import", tag = "segment", params(Parameters), request_body = Value,
    responses((status = 200, body = Receipt), Problems))]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: WriteAccess,
    Query(parameters): Query<Parameters>,
    EventBody(body): EventBody,
) -> Result<Json<Receipt>, Problem> {
    let mode = if parameters.historical == Some(false) { BatchMode::Imported } else { BatchMode::Historical };
    if parameters.dry_run == Some(true) {
        return try_batch(&app, &keys, access, mode, &body).await;
    }
    accept_batch(&app, &keys, access, mode, &body).await
}
