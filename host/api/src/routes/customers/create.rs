//! `POST /api/v1/customers`: a customer by its identities, through the log.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::{EventKind, Fault, Identity, PartId, TenantId};
use openhub_store::Op;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

use super::get::show;
use super::update::{check_attributes, check_size, check_tags};
use crate::app::App;
use crate::auth::{Authorized, CustomersWrite};
use crate::body::JsonBody;
use crate::openapi::Problems;
use crate::problem::{INVALID_BODY, Problem};
use crate::views::{PendingView, ProfileView};
use crate::writes::{Progress, accepted, event, tenant_now, write};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCustomer)]
pub(crate) struct NewCustomer {
    /// One `user_id` or one `anonymous_id`, or one of each.
    identities: Vec<NewIdentity>,
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// `true` sets a tag, `false` takes it away.
    #[serde(default)]
    tags: BTreeMap<String, bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewIdentity {
    /// `user_id` or `anonymous_id`.
    kind: String,
    value: String,
}

/// Makes a customer, or adds to the one with these identities.
#[utoipa::path(post, path = "/api/v1/customers", tag = "customers", request_body = NewCustomer,
    responses(
        (status = 201, body = ProfileView), (status = 200, description = "It existed.", body = ProfileView),
        (status = 202, body = PendingView), Problems))]
pub(crate) async fn create_customer(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersWrite>,
    JsonBody(new): JsonBody<NewCustomer>,
) -> Result<Response, Problem> {
    let (part, mut body) = subject(access.tenant(), &new.identities)?;
    check_attributes(&new.attributes)?;
    check_tags(&new.tags)?;
    body.insert("traits".into(), new.attributes.into());
    body.insert("tags".into(), json!(new.tags));
    let body = Value::Object(body);
    check_size(&app, &body)?;
    let status = match app.store.customer(&access.scope, part).await? {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    let at = tenant_now(&app, &access.scope).await?;
    let event = event(&app, EventKind::Identify, Some(part), at, &body);
    match write(&app, &access.scope, vec![Op::Append(event)]).await? {
        Progress::Done => Ok((status, Json(show(&app, &access.scope, part).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// The part that the identities lead to, and the start of the event's body.
fn subject(tenant: TenantId, identities: &[NewIdentity]) -> Result<(PartId, Map<String, Value>), Problem> {
    let mut body = Map::new();
    body.insert("type".into(), "identify".into());
    for (index, identity) in identities.iter().enumerate() {
        let refuse = |field: &str, code: &str, message: &str| {
            Problem::fault(INVALID_BODY, Fault::new(format!("/identities/{index}{field}"), code, message))
        };
        let field = match identity.kind.as_str() {
            Identity::USER_ID => "userId",
            Identity::ANONYMOUS_ID => "anonymousId",
            _ => return Err(refuse("/kind", "unknown-kind", "The kind is `user_id` or `anonymous_id`.")),
        };
        if !(1..=255).contains(&identity.value.len()) {
            return Err(refuse("/value", "invalid-identity", "A value has from 1 to 255 bytes."));
        }
        if body.insert(field.into(), identity.value.as_str().into()).is_some() {
            return Err(refuse("/kind", "repeated-kind", "One identity of a kind is accepted."));
        }
    }
    let of_kind = |kind: &str| identities.iter().find(|identity| identity.kind == kind);
    let first = of_kind(Identity::USER_ID).or_else(|| of_kind(Identity::ANONYMOUS_ID)).ok_or_else(|| {
        Problem::fault(INVALID_BODY, Fault::new("/identities", "missing-identity", "At least one identity is needed."))
    })?;
    Ok((Identity::new(first.kind.as_str(), first.value.as_str()).part(tenant), body))
}
