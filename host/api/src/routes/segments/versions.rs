//! `GET /api/v1/segments/{name}/versions`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, SegmentsRead};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::segments::find;
use crate::views::SegmentVersionList;

/// All that a segment ever said, oldest first: who wrote it, and when.
#[utoipa::path(get, path = "/api/v1/segments/{name}/versions", tag = "segments",
    params(("name" = String, Path, description = "The segment's name.")),
    security(("api_key" = ["segments:read"])),
    responses((status = 200, body = SegmentVersionList), Problems))]
pub(crate) async fn segment_versions(
    State(app): State<Arc<App>>,
    access: Authorized<SegmentsRead>,
    Path(name): Path<String>,
) -> Result<Json<SegmentVersionList>, Problem> {
    let segment = find(&app, &access.scope, &name).await?;
    Ok(Json(SegmentVersionList::new(app.store.segment_versions(&access.scope, &segment.name).await?)))
}
