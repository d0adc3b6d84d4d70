//! Receipts of erasures.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
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
    Ok(Json(ErasureList { erasures: erasures.into_iter().map(Into::into).collect(), next }))
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
    let found = app.store.erasure(&access.scope, id_in_path(&id, "erasure")?).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("erasure"))?.into()))
}
