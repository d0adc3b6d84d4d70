//! Declared attributes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::Fault;
use openhub_model::attribute::Declaration;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead, SettingsWrite};
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{INVALID_BODY, INVALID_PATH, Problem};
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

/// The declared attributes: by name, their `type`, how joined customers `merge` it, and a `description`.
#[utoipa::path(get, path = "/api/v1/attributes", tag = "identities",
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = Object), Problems))]
pub(crate) async fn list_attributes(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "attributes": app.store.declared_attributes(&access.scope).await? })))
}

/// Declares an attribute: `{"type": "integer", "merge": "sum", "description": "…"}`.
///
/// Types: `text`, `number`, `integer`, `boolean`, `timestamp`, `date` (a day like `2026-01-31`, without a zone), `list`, `object`.
/// Merges of joined customers: `newest` (the default), `oldest`, `sum`, `non-empty`, `min`, `max`; in force from the next write to
/// each customer on.
///
/// `"pages": "open"` lets a page's key set it like any other, `"closed"` never; without it a page may set it as long as nothing
/// but pages has.
///
/// A value of another type is not written from then on, whoever would write it; the rest of its event is, and the hub's
/// event `Attribute Refused` says so. Values that are there stay. Without a type, any value is taken.
#[utoipa::path(put, path = "/api/v1/attributes/{name}", tag = "identities", request_body = Object,
    params(("name" = String, Path, description = "The attribute's name.")),
    security(("api_key" = ["settings:write"])),
    responses((status = 200, body = Object), (status = 202, body = PendingView), Problems))]
pub(crate) async fn put_attribute(
    change: Change<SettingsWrite>,
    Path(name): Path<String>,
    JsonBody(declaration): JsonBody<Declaration>,
) -> Result<Response, Problem> {
    if !(1..=255).contains(&name.len()) {
        return Err(Problem::new(INVALID_PATH, "The name must have 1 to 255 bytes."));
    }
    if declaration.description.len() > 1024 {
        let fault = Fault::new("/description", "too-long", "The description is too long: at most 1024 bytes.");
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    let body = json!({ "attribute": name, "declaration": declaration });
    match change.commit("attribute.declared", body).await? {
        Progress::Done => Ok(Json(json!(declaration)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// Takes an attribute's declaration away; values stay.
#[utoipa::path(delete, path = "/api/v1/attributes/{name}", tag = "identities",
    params(("name" = String, Path, description = "The attribute's name.")),
    security(("api_key" = ["settings:write"])),
    responses((status = 204), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_attribute(
    State(app): State<Arc<App>>,
    change: Change<SettingsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    if !app.store.declared_attributes(&change.scope).await?.contains_key(&name) {
        return Err(Problem::not_found("attribute"));
    }
    let body = json!({ "attribute": name, "declaration": null });
    match change.commit("attribute.declared", body).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
