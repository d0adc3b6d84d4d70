//! The tenant's identity kinds.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::Fault;
use openhub_model::identity::Policy;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead, SettingsWrite};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

/// The identity kinds in force: limits, priorities, formats and block lists, and what happens to proposed matches.
#[utoipa::path(get, path = "/api/v1/identity-kinds", tag = "identities",
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = Object), Problems))]
pub(crate) async fn get_identity_kinds(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(app.store.identity_policies(&access.scope).await?.latest())))
}

/// Sets the identity kinds: `{"kinds": {"card": {"limit": 1, "priority": 70, "format": "any", "max_length": 64,
/// "block": ["0000"], "anonymous": false, "trait": "card"}}, "matches": {"accept_from": 0.95}, "erasure": {"suppress":
/// true}}`: whether the identities of an erased customer are refused from then on, unless the erasure says otherwise.
///
/// Kinds that are not mentioned stay as they are by default. What was joined before stays joined.
#[utoipa::path(put, path = "/api/v1/identity-kinds", tag = "identities", request_body = Object,
    security(("api_key" = ["settings:write"])),
    responses((status = 200, body = Object), (status = 202, body = PendingView), Problems))]
pub(crate) async fn put_identity_kinds(
    change: Change<SettingsWrite>,
    MeantBody(policy): MeantBody<Policy>,
) -> Result<Response, Problem> {
    match change.commit("identity.kinds", json!({ "policy": policy })).await? {
        Progress::Done => Ok(Json(json!(policy)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

impl Meaning for Policy {
    fn faults(&self) -> Vec<Fault> {
        Policy::faults(self)
    }
}
