//! `GET /api/v1/objects/{kind}`

use axum::Json;
use axum::extract::State;
use openhub_store::ObjectFilter;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, ObjectsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_query};
use crate::problem::Problem;
use crate::views::ObjectList;

const LIST: &str = "objects";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only objects of this customer, by id.
    customer: Option<String>,
    /// Cursor of the page before.
    after: Option<String>,
    /// From 1 to 1000; 50 unless told.
    limit: Option<usize>,
}

/// Objects of a type, by key.
#[utoipa::path(get, path = "/api/v1/objects/{kind}", tag = "objects",
    params(("kind" = String, Path, description = "The object type."), Parameters),
    responses((status = 200, body = ObjectList), Problems))]
pub(crate) async fn list_objects(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Path(kind): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<ObjectList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let filter = ObjectFilter {
        kind,
        part: id_in_query("customer", parameters.customer.as_deref())?,
        after: cursor::read(LIST, "after", parameters.after.as_deref())?,
        limit: limit + 1,
    };
    let objects = app.store.objects(&access.scope, &filter).await?;
    let (objects, next) = cursor::page(LIST, objects, limit, |object| object.key.clone());
    Ok(Json(ObjectList { objects: objects.into_iter().map(Into::into).collect(), next }))
}
