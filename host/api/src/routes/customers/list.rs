//! `GET /api/v1/customers`

use axum::Json;
use axum::extract::State;
use openhub_model::{Fault, Identity};
use openhub_store::CustomerFilter;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::{App, Previews};
use crate::auth::{Authorized, CustomersRead};
use crate::openapi::{Problems, Unfit};
use crate::parameters::Query;
use crate::people::with_identities;
use crate::problem::{INVALID_QUERY, Problem, TOO_COSTLY};
use crate::views::{CustomerList, CustomerView};
use crate::{condition, cursor};

const LIST: &str = "customers";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// A condition as JSON: `{"attribute": {"name": "tier", "is": "eq", "value": "gold"}}`.
    condition: Option<String>,
    /// Kind and value: `user_id:42`.
    identity: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Customers that satisfy a condition, by id.
///
/// A condition also needs the scopes of what it asks about: `objects:read`, `messages:read`. Conditions of a tenant are looked at one at
/// a time, each for at most five seconds.
#[utoipa::path(get, path = "/api/v1/customers", tag = "customers", params(Parameters),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = CustomerList), Problems, Unfit))]
pub(crate) async fn list_customers(
    State(app): State<Arc<App>>,
    State(previews): State<Previews>,
    access: Authorized<CustomersRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<CustomerList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let identity = parameters.identity.as_deref().map(identity).transpose()?;
    let policies = app.engine.policies(&access.scope).await?;
    let misspelt = identity.as_ref().and_then(|of| condition::misspelt_kind(&of.kind, policies.latest()));
    let identity = identity.map(|identity| policies.latest().normal(identity));
    let filter = CustomerFilter {
        condition: condition::in_query(&app, &access, parameters.condition.as_deref()).await?,
        identity,
        after: cursor::read(LIST, "after", parameters.after.as_deref())?,
        limit: limit + 1,
        time: Some(app.limits.condition_time),
        ..CustomerFilter::default()
    };
    let turn = match filter.condition {
        Some(_) => Some(previews.turn(access.tenant(), app.limits.preview_time).await?),
        None => None,
    };
    let customers = app.store.customers(&access.scope, &filter).await.map_err(|error| match error.is_cut_off() {
        true => Problem::new(TOO_COSTLY, "The condition takes too long: ask for fewer customers, or make it simpler."),
        false => error.into(),
    })?;
    drop(turn);
    if let Some(message) = misspelt.filter(|_| customers.is_empty()) {
        return Err(Problem::fault(INVALID_QUERY, Fault::new("/identity", "unknown-identity", message)));
    }
    let (customers, next) = cursor::page(LIST, customers, limit, |customer| customer.part);
    let people = with_identities(&app, &access.scope, customers).await?;
    Ok(Json(CustomerList { customers: people.into_iter().map(CustomerView::new).collect(), next }))
}

fn identity(text: &str) -> Result<Identity, Problem> {
    let pair = text.split_once(':').filter(|(kind, value)| !kind.is_empty() && !value.is_empty());
    let fault =
        || Fault::new("/identity", "invalid-identity", "Write the identity as kind and value, like `user_id:42`.");
    pair.map(|(kind, value)| Identity::new(kind, value)).ok_or_else(|| Problem::fault(INVALID_QUERY, fault()))
}
