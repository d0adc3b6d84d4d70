//! `GET /api/v1/customers/{id}/objects`

use axum::Json;
use axum::extract::State;
use openhub_model::Fault;
use openhub_store::ObjectKey;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, ObjectsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::{INVALID_QUERY, Problem};
use crate::views::ObjectList;

const LIST: &str = "customer-objects";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// The objects of a customer, by type and key.
#[utoipa::path(get, path = "/api/v1/customers/{id}/objects", tag = "customers",
    params(("id" = String, Path, description = "The customer's id."), Parameters),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, body = ObjectList), Problems))]
pub(crate) async fn customer_objects(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<ObjectList>, Problem> {
    let id = id_in_path(&id, "customer")?;
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<String> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let after = after.as_deref().map(place).transpose()?;
    let scope = &access.scope;
    app.store.customer(scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let objects = app.store.objects_of(scope, id, after.as_ref(), limit + 1).await?;
    let key = |object: &openhub_model::Object| ObjectKey::new(object.kind.as_str(), object.key.as_str());
    let (objects, next) = cursor::page(LIST, objects, limit, key);
    Ok(Json(ObjectList { objects: objects.into_iter().map(Into::into).collect(), next }))
}

/// A kind has no `/`, a key may.
fn place(text: &str) -> Result<ObjectKey, Problem> {
    let fault = || {
        Fault::new("/after", "invalid-cursor", "This is not a cursor of this list. Use the `next` of the page before.")
    };
    let pair = text.split_once('/').map(|(kind, key)| ObjectKey::new(kind, key));
    pair.ok_or_else(|| Problem::fault(INVALID_QUERY, fault()))
}
