//! The offerings of a tenant.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use super::find;
use crate::app::App;
use crate::auth::{Authorized, OfferingsRead};
use crate::cursor;
use crate::objects::etag;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::views::{OfferingList, OfferingView};

const LIST: &str = "offerings";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Your offerings by name.
#[utoipa::path(get, path = "/api/v1/offerings", tag = "partners", params(Parameters),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = OfferingList), Problems))]
pub(crate) async fn list_offerings(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<OfferingList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<String> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let mut offerings = app.store.offerings(&access.scope).await?;
    offerings.retain(|offering| after.as_ref().is_none_or(|after| offering.name > *after));
    offerings.truncate(limit + 1);
    let (offerings, next) = cursor::page(LIST, offerings, limit, |offering| offering.name.clone());
    Ok(Json(OfferingList { offerings: offerings.into_iter().map(OfferingView::from).collect(), next }))
}

/// One of your offerings.
#[utoipa::path(get, path = "/api/v1/offerings/{name}", tag = "partners",
    params(("name" = String, Path, description = "The offering's name.")),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = OfferingView), Problems))]
pub(crate) async fn get_offering(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let offering = find(&app, &access.scope, &name).await?;
    Ok(([(header::ETAG, etag(offering.version))], Json(OfferingView::from(offering))).into_response())
}
