//! `GET /api/v1/customers/{id}/segments`

use axum::Json;
use axum::extract::State;
use openhub_model::Condition;
use openhub_store::Membership;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::Problem;
use crate::views::{ExplanationView, MembershipList, MembershipView};
use crate::why::{as_of, explain};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `true`: each segment comes with the tree of its condition, with the truth and the evidence at each leaf.
    #[serde(default)]
    why: bool,
}

/// The segments that a customer is in, by name, since when, and why.
///
/// Why also needs the scopes of what the conditions ask about: `objects:read`, `messages:read`.
#[utoipa::path(get, path = "/api/v1/customers/{id}/segments", tag = "customers",
    params(("id" = String, Path, description = "The customer's id."), Parameters),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = MembershipList), Problems))]
pub(crate) async fn customer_segments(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<MembershipList>, Problem> {
    let scope = &access.scope;
    let id = id_in_path(&id, "customer")?;
    let customer = app.store.customer(scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let memberships = app.store.memberships(scope, &[customer.customer]).await?;
    let mut whys = HashMap::new();
    if parameters.why && !memberships.is_empty() {
        let is_in = |name: &String| memberships.iter().any(|membership| membership.segment == *name);
        let segments = app.store.segments(scope).await?.into_iter().filter(|segment| is_in(&segment.name));
        let (names, conditions): (Vec<String>, Vec<Condition>) =
            segments.filter_map(|segment| Some((segment.name, segment.condition?))).unzip();
        let conditions: Vec<&Condition> = conditions.iter().collect();
        let as_of = as_of(&app, scope).await?;
        whys = names.into_iter().zip(explain(&app, &access, &customer, &conditions, as_of).await?).collect();
    }
    let view = |membership: Membership| {
        let why = whys.remove(&membership.segment).map(ExplanationView);
        MembershipView::new(membership, why)
    };
    Ok(Json(MembershipList { segments: memberships.into_iter().map(view).collect() }))
}
