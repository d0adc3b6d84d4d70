//! `GET /api/v1/segments/{name}/members`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, SegmentsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::segments::find;
use crate::views::MemberList;

const LIST: &str = "members";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Who is in a segment, by id, and since when.
#[utoipa::path(get, path = "/api/v1/segments/{name}/members", tag = "segments",
    params(("name" = String, Path, description = "The segment's name."), Parameters),
    security(("api_key" = ["segments:read"])),
    responses((status = 200, body = MemberList), Problems))]
pub(crate) async fn segment_members(
    State(app): State<Arc<App>>,
    access: Authorized<SegmentsRead>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<MemberList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let segment = find(&app, &access.scope, &name).await?;
    let members = app.store.members(&access.scope, &segment.name, after, limit + 1).await?;
    let (members, next) = cursor::page(LIST, members, limit, |(customer, _)| *customer);
    Ok(Json(MemberList::new(members, next)))
}
