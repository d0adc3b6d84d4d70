//! `PUT /api/v1/segments/{name}`: writes a segment's next version.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::{Condition, Fault};
use openhub_store::{Op, SegmentVersion};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use super::get::show;
use crate::app::App;
use crate::auth::SegmentsWrite;
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::{Problems, Unfit};
use crate::parameters::{Path, name_in_path};
use crate::problem::{CONFLICT, INVALID_BODY, Problem};
use crate::segments::Known;
use crate::views::{PendingView, SegmentView};
use crate::writes::{Progress, accepted};

/// A `condition`, or `"static": true`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSegment)]
pub(crate) struct NewSegment {
    /// The customers for whom it holds are in the segment.
    #[schema(value_type = Option<Object>)]
    condition: Option<Value>,
    /// `true`: the members are added and removed by hand.
    r#static: Option<bool>,
}

/// Makes a segment, or writes its next version, which everybody is looked at anew for.
///
/// What it says already is not written again. A static segment stays one. A condition also needs the scopes of what it asks about:
/// `customers:read`, `objects:read`, `messages:read`.
#[utoipa::path(put, path = "/api/v1/segments/{name}", tag = "segments", request_body = NewSegment,
    params(("name" = String, Path, description = "The segment's name, in kebab-case.")),
    security(("api_key" = ["segments:write"])),
    responses((status = 200, body = SegmentView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn save_segment(
    State(app): State<Arc<App>>,
    change: Change<SegmentsWrite>,
    Path(name): Path<String>,
    JsonBody(new): JsonBody<NewSegment>,
) -> Result<Response, Problem> {
    let name = name_in_path(&name)?;
    let _changes = change.alone().await?;
    let scope = &change.scope;
    let known = Known::read(&app, scope).await?;
    let condition = condition(&known, &change, name, new)?;
    let latest = known.segments.get(name);
    if latest.is_some_and(|latest| latest.condition.is_some() != condition.is_some()) {
        return Err(Problem::new(
            CONFLICT,
            "A static segment cannot get a condition, nor the other way round. Use another name.",
        ));
    }
    if latest.is_some_and(|latest| latest.condition == condition) {
        return Ok(Json(show(&app, scope, name).await?).into_response());
    }
    let version = latest.map_or(1, |latest| latest.version + 1);
    let new = SegmentVersion {
        segment: name.to_owned(),
        version,
        condition,
        author: change.id.clone(),
        created_at: app.now(),
    };
    let body = json!({"segment": name, "version": version});
    match change.commit_with(vec![Op::PutSegmentVersion(new)], "segment.published", body).await? {
        Progress::Done => Ok(Json(show(&app, scope, name).await?).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// None for a static segment.
fn condition(
    known: &Known,
    change: &Change<SegmentsWrite>,
    name: &str,
    new: NewSegment,
) -> Result<Option<Condition>, Problem> {
    match (new.condition, new.r#static) {
        (Some(condition), None | Some(false)) => known.condition_of(&change.access, name, condition).map(Some),
        (None, Some(true)) => Ok(None),
        _ => {
            let fault = Fault::new("", "wrong-form", "Set `condition`, or set `static` to true, but not both.");
            Err(Problem::fault(INVALID_BODY, fault))
        }
    }
}
