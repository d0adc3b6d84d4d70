//! Receipts of erasures.

use axum::Json;
use axum::extract::State;
use openhub_model::Id;
use openhub_store::{Erasure, ErasureRequest, Scope, Store};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, PrivacyRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::Problem;
use crate::views::{ErasureList, ErasureView};

const LIST: &str = "erasures";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// The receipts of all erasures, in the order in which they were asked for.
#[utoipa::path(get, path = "/api/v1/erasures", tag = "privacy", params(Parameters),
    security(("api_key" = ["privacy:read"])),
    responses((status = 200, body = ErasureList), Problems))]
pub(crate) async fn list_erasures(
    State(app): State<Arc<App>>,
    access: Authorized<PrivacyRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<ErasureList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let erasures = app.store.erasures(&access.scope, after, limit + 1).await?;
    let (erasures, next) = cursor::page(LIST, erasures, limit, |erasure| erasure.asked.id);
    let ids: Vec<Id> = erasures.iter().map(|erasure| erasure.asked.id).collect();
    let mut requests: HashMap<Id, Vec<ErasureRequest>> = HashMap::new();
    for request in app.store.erasure_requests(&access.scope, &ids).await? {
        requests.entry(request.erasure).or_default().push(request);
    }
    let view = |erasure: Erasure| {
        let of = requests.remove(&erasure.asked.id).unwrap_or_default();
        ErasureView::of(erasure, of)
    };
    Ok(Json(ErasureList { erasures: erasures.into_iter().map(view).collect(), next }))
}

/// The receipt of an erasure.
#[utoipa::path(get, path = "/api/v1/erasures/{id}", tag = "privacy",
    params(("id" = String, Path, description = "The erasure's id.")),
    security(("api_key" = ["privacy:read"])),
    responses((status = 200, body = ErasureView), Problems))]
pub(crate) async fn get_erasure(
    State(app): State<Arc<App>>,
    access: Authorized<PrivacyRead>,
    Path(id): Path<String>,
) -> Result<Json<ErasureView>, Problem> {
    Ok(Json(receipt(&app.store, &access.scope, id_in_path(&id, "erasure")?).await?))
}

/// As it stands now.
pub(in crate::routes) async fn receipt(store: &Store, scope: &Scope, id: Id) -> Result<ErasureView, Problem> {
    let found = store.erasure(scope, id).await?.ok_or_else(|| Problem::not_found("erasure"))?;
    let requests = store.erasure_requests(scope, &[id]).await?;
    Ok(ErasureView::of(found, requests))
}
