//! `POST /api/v1/segments/why`: the same for a condition that is not saved.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::body::JsonBody;
use crate::openapi::{Absent, Problems, Unfit};
use crate::people::customer_called;
use crate::problem::{INVALID_BODY, Problem};
use crate::segments::Known;
use crate::views::{ExplanationView, WhyView};
use crate::why::{as_of, explain};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WhyRequest)]
pub(crate) struct Request {
    #[schema(value_type = Object)]
    condition: Value,
    /// The customer's id, or an identity, like `user_id:42`.
    customer: String,
}

/// Why a condition holds for a customer, or why not.
///
/// A condition also needs the scopes of what it asks about: `objects:read`, `messages:read`.
#[utoipa::path(post, path = "/api/v1/segments/why", tag = "segments", request_body = Request,
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = WhyView), Problems, Absent, Unfit))]
pub(crate) async fn why_condition(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    JsonBody(request): JsonBody<Request>,
) -> Result<Json<WhyView>, Problem> {
    let scope = &access.scope;
    let condition = Known::read(&app, scope).await?.condition(&access, request.condition)?;
    let customer = customer_called(&app, scope, &request.customer, INVALID_BODY).await?;
    let as_of = as_of(&app, scope).await?;
    let why = explain(&app, &access, &customer, &[&condition], as_of).await?.pop();
    Ok(Json(WhyView {
        customer: customer.customer,
        segment: None,
        since: None,
        now: as_of.now,
        truth: why.as_ref().map(|why| why.truth),
        until: why.as_ref().and_then(|why| why.until),
        why: why.map(ExplanationView),
    }))
}
