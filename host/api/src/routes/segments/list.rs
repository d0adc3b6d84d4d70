//! `GET /api/v1/segments`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::IntoParams;

use super::get::customers;
use crate::app::App;
use crate::auth::{Authorized, SegmentsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::Problem;
use crate::views::{SegmentList, SegmentView};

const LIST: &str = "segments";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Segments, by name.
#[utoipa::path(get, path = "/api/v1/segments", tag = "segments", params(Parameters),
    security(("api_key" = ["segments:read"])),
    responses((status = 200, body = SegmentList), Problems))]
pub(crate) async fn list_segments(
    State(app): State<Arc<App>>,
    access: Authorized<SegmentsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<SegmentList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<String> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let scope = &access.scope;
    let segments = app.store.segments(scope).await?;
    let later = segments.into_iter().filter(|segment| after.as_ref().is_none_or(|after| segment.name > *after));
    let (segments, next) = cursor::page(LIST, later.take(limit + 1).collect(), limit, |segment| segment.name.clone());
    let latest = app.store.latest_segment_versions(scope).await?;
    let latest: HashMap<&str, _> = latest.iter().map(|version| (version.segment.as_str(), version)).collect();
    let customers = match segments.iter().any(|segment| segment.fill.is_some()) {
        true => customers(&app, scope).await?,
        false => 0,
    };
    let segments = segments.into_iter().map(|segment| {
        let latest = latest.get(segment.name.as_str()).copied();
        SegmentView::new(segment, latest, customers)
    });
    Ok(Json(SegmentList { segments: segments.collect(), next }))
}
