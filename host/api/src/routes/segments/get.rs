//! `GET /api/v1/segments/{name}`

use axum::Json;
use axum::extract::State;
use openhub_model::{Condition, Timestamp};
use openhub_store::{AsOf, Scope};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, SegmentsRead};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::segments::find;
use crate::views::SegmentView;

/// One segment: what it says, how many members it has, and how far its first fill has come.
#[utoipa::path(get, path = "/api/v1/segments/{name}", tag = "segments",
    params(("name" = String, Path, description = "The segment's name.")),
    security(("api_key" = ["segments:read"])),
    responses((status = 200, body = SegmentView), Problems))]
pub(crate) async fn get_segment(
    State(app): State<Arc<App>>,
    access: Authorized<SegmentsRead>,
    Path(name): Path<String>,
) -> Result<Json<SegmentView>, Problem> {
    show(&app, &access.scope, &name).await.map(Json)
}

pub(super) async fn show(app: &App, scope: &Scope, name: &str) -> Result<SegmentView, Problem> {
    let segment = find(app, scope, name).await?;
    let versions = app.store.segment_versions(scope, name).await?;
    let customers = match segment.fill {
        Some(_) => customers(app, scope).await?,
        None => 0,
    };
    Ok(SegmentView::new(segment, versions.last(), customers))
}

/// How many customers a first fill has to look at.
pub(super) async fn customers(app: &App, scope: &Scope) -> Result<i64, Problem> {
    let everybody = Condition::All(Vec::new());
    Ok(app.store.count_customers(scope, &everybody, AsOf::whole_log(Timestamp::MAX)).await?)
}
