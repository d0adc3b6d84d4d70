//! `GET /api/v1/segments/{name}/why`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead, SegmentsRead};
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::people::customer_called;
use crate::problem::{INVALID_QUERY, Problem};
use crate::segments::find;
use crate::views::{ExplanationView, WhyView};
use crate::why::{as_of, explain};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The customer's id, or an identity, like `user_id:42`.
    customer: String,
}

/// Why a customer is in a segment, or why not: the tree of its condition with the truth and the evidence at each leaf.
///
/// It also needs `segments:read`, and the scopes of what the condition asks about: `objects:read`, `messages:read`.
#[utoipa::path(get, path = "/api/v1/segments/{name}/why", tag = "segments",
    params(("name" = String, Path, description = "The segment's name."), Parameters),
    security(("api_key" = ["customers:read", "segments:read"])),
    responses((status = 200, body = WhyView), Problems))]
pub(crate) async fn why_segment(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<WhyView>, Problem> {
    access.must::<SegmentsRead>()?;
    let scope = &access.scope;
    let segment = find(&app, scope, &name).await?;
    let customer = customer_called(&app, scope, &parameters.customer, INVALID_QUERY).await?;
    let memberships = app.store.memberships(scope, &[customer.customer]).await?;
    let since = memberships.into_iter().find(|each| each.segment == segment.name).and_then(|each| each.since);
    let condition = match segment.version {
        Some(_) => segment.condition,
        None => app.store.segment_versions(scope, &segment.name).await?.pop().and_then(|version| version.condition),
    };
    let as_of = as_of(&app, scope).await?;
    let why = match &condition {
        Some(condition) => explain(&app, &access, &customer, &[condition], as_of).await?.pop(),
        None => None,
    };
    Ok(Json(WhyView {
        customer: customer.customer,
        segment: Some(segment.name),
        since: Some(since),
        now: as_of.now,
        truth: why.as_ref().map(|why| why.truth),
        until: why.as_ref().and_then(|why| why.until),
        why: why.map(ExplanationView),
    }))
}
