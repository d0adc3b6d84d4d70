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
use crate::body::{HalfBody, too_large};
use crate::declared;
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::Problem;
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
    body: HalfBody<Change>,
) -> Result<Response, Problem> {
    let id = id_in_path(&id, "customer")?;
    let mut faults = Vec::new();
    if let Some(Change { attributes, tags, consents }) = body.value() {
        faults = faults_of(&app, &access.scope, attributes, tags, consents).await?;
    }
    let change = body.meant(faults)?;
    let customer = app.store.customer(&access.scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let body = access.sign(json!({
        "identity": customer.identity, "attributes": change.attributes, "tags": change.tags,
        "consents": change.consents,
    }));
    check_size(&app, &body)?;
    let at = present(&app, &access.scope).await?;
    let event = event(&app, EventKind::Update, Some(customer.part), at, &body);
    match write(&app, &access.scope, vec![Op::Append(event)]).await? {
        Progress::Done if !access.may::<CustomersRead>() => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Done => Ok(Json(show(&app, &access.scope, id).await?).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// All that is wrong with what is said of a customer: names, values of other types than were declared, and consents.
pub(super) async fn faults_of(
    app: &App,
    scope: &Scope,
    attributes: &Map<String, Value>,
    tags: &BTreeMap<String, bool>,
    consents: &Map<String, Value>,
) -> Result<Vec<Fault>, Problem> {
    let mut faults: Vec<Fault> = unnamed("/attributes", attributes.keys()).collect();
    if !attributes.is_empty() {
        let declared = app.store.declared_attributes(scope).await?;
        faults.extend(declared::faults(&declared, attributes, "/attributes"));
    }
    faults.extend(unnamed("/tags", tags.keys()));
    faults.extend(consent_faults(consents, "/consents"));
    Ok(faults)
}

fn unnamed<'n>(pointer: &str, names: impl Iterator<Item = &'n String>) -> impl Iterator<Item = Fault> {
    let wrong = names.filter(|name| !(1..=255).contains(&name.len()));
    wrong.map(move |name| Fault::new(step(pointer, name), "invalid-name", "The name must have 1 to 255 bytes."))
}

/// A change is an event, and bound like one.
pub(super) fn check_size(app: &App, body: &Value) -> Result<(), Problem> {
    let most = app.limits.event_bytes;
    if body.to_string().len() > most { Err(too_large(most)) } else { Ok(()) }
}
