//! `GET /api/v1/segments/{name}/versions`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, SegmentsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::segments::find;
use crate::views::SegmentVersionList;

const LIST: &str = "segment-versions";

/// All that a segment ever said, newest first: who wrote it, and when.
#[utoipa::path(get, path = "/api/v1/segments/{name}/versions", tag = "segments",
    params(("name" = String, Path, description = "The segment's name."), cursor::Page),
    security(("api_key" = ["segments:read"])),
    responses((status = 200, body = SegmentVersionList), Problems))]
pub(crate) async fn segment_versions(
    State(app): State<Arc<App>>,
    access: Authorized<SegmentsRead>,
    Path(name): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<SegmentVersionList>, Problem> {
    let segment = find(&app, &access.scope, &name).await?;
    let versions = app.store.segment_versions(&access.scope, &segment.name).await?;
    let newest = versions.into_iter().rev();
    let (versions, next) = page.of(LIST, newest, |version| version.version, |version, after| version < after)?;
    Ok(Json(SegmentVersionList::new(versions, next)))
}
