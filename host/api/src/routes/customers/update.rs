//! `PATCH /api/v1/customers/{id}`: attributes and tags, through the log.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::customer::consent_faults;
use openhub_model::{EventKind, Fault};
use openhub_store::{Op, Scope};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

use super::get::show;
use crate::app::App;
use crate::auth::{Authorized, CustomersRead, CustomersWrite};
use crate::body::{JsonBody, too_large};
use crate::declared::fault_of;
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::{INVALID_BODY, Problem};
use crate::text::step;
use crate::views::{PendingView, ProfileView};
use crate::writes::{Progress, accepted, event, present, write};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerChange)]
pub(crate) struct Change {
    /// `null` removes an attribute.
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// `true` sets a tag, `false` removes it.
    #[serde(default)]
    tags: BTreeMap<String, bool>,
    /// By purpose, or by `purpose/channel`: `{"marketing": {"state": "granted", "source": "form", "text_version": "3"}}`;
    /// `null` removes a record.
    #[serde(default)]
    #[schema(value_type = Object)]
    consents: Map<String, Value>,
}

/// Changes a customer's attributes and tags.
///
/// Waits up to five seconds until the change shows; after that it is answered 202, with its position in the log.
#[utoipa::path(patch, path = "/api/v1/customers/{id}", tag = "customers", request_body = Change,
    params(("id" = String, Path, description = "The customer's id.")),
    security(("api_key" = ["customers:write"])),
    responses((status = 200, body = ProfileView), (status = 202, body = PendingView),
        (status = 204, description = "Done; the key may not read customers."), Problems))]
pub(crate) async fn update_customer(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersWrite>,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<Change>,
) -> Result<Response, Problem> {
    let id = id_in_path(&id, "customer")?;
    check_attributes(&app, &access.scope, &change.attributes).await?;
    check_tags(&change.tags)?;
    check_consents(&change.consents)?;
    let customer = app.store.customer(&access.scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let body = json!({
        "identity": customer.identity, "attributes": change.attributes, "tags": change.tags,
        "consents": change.consents, "asked_by": access.key,
    });
    check_size(&app, &body)?;
    let at = present(&app, &access.scope).await?;
    let event = event(&app, EventKind::Update, Some(customer.part), at, &body);
    match write(&app, &access.scope, vec![Op::Append(event)]).await? {
        Progress::Done if !access.may::<CustomersRead>() => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Done => Ok(Json(show(&app, &access.scope, id).await?).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// Their names, and the values of those that were declared with a type.
pub(super) async fn check_attributes(app: &App, scope: &Scope, attributes: &Map<String, Value>) -> Result<(), Problem> {
    const POINTER: &str = "/attributes";
    check_names(POINTER, attributes.keys())?;
    if attributes.is_empty() {
        return Ok(());
    }
    let declared = app.store.declared_attributes(scope).await?;
    match fault_of(&declared, attributes, POINTER) {
        None => Ok(()),
        Some(fault) => Err(Problem::fault(INVALID_BODY, fault)),
    }
}

pub(super) fn check_tags(tags: &BTreeMap<String, bool>) -> Result<(), Problem> {
    check_names("/tags", tags.keys())
}

pub(super) fn check_consents(consents: &Map<String, Value>) -> Result<(), Problem> {
    match consent_faults(consents, "/consents").into_iter().next() {
        None => Ok(()),
        Some(fault) => Err(Problem::fault(INVALID_BODY, fault)),
    }
}

fn check_names<'a>(pointer: &str, mut names: impl Iterator<Item = &'a String>) -> Result<(), Problem> {
    match names.find(|name| !(1..=255).contains(&name.len())) {
        None => Ok(()),
        Some(name) => {
            let fault = Fault::new(step(pointer, name), "invalid-name", "The name must have 1 to 255 bytes.");
            Err(Problem::fault(INVALID_BODY, fault))
        }
    }
}

/// A change is an event, and bound like one.
pub(super) fn check_size(app: &App, body: &Value) -> Result<(), Problem> {
    let most = app.limits.event_bytes;
    if body.to_string().len() > most { Err(too_large(most)) } else { Ok(()) }
}
