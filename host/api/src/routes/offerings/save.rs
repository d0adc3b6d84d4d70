//! An offering is made, described anew, or deleted.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_model::offering::text_faults;
use openhub_model::{Fault, webhook};
use openhub_store::{OFFERINGS, Offering, Op, SubscriptionFilter};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

use super::find;
use crate::app::App;
use crate::auth::OfferingsWrite;
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::objects::{etag, expected_version};
use crate::openapi::{Changed, Problems};
use crate::parameters::Path;
use crate::problem::{CONFLICT, IN_USE, INVALID_PATH, Problem, VERSION_MISMATCH};
use crate::views::OfferingView;

/// What people are shown of an offering.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOffering)]
pub(crate) struct NewOffering {
    /// By language: `{"en": "Win-back with coupons", "zh": "优惠券唤回"}`.
    title: BTreeMap<String, String>,
    /// By language (default: none).
    #[serde(default)]
    description: BTreeMap<String, String>,
}

impl Meaning for NewOffering {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = text_faults(&self.title, "/title");
        faults.extend(text_faults(&self.description, "/description"));
        if self.title.is_empty() {
            faults.push(Fault::new("/title", "missing", "An offering has a title in at least one language."));
        }
        faults
    }
}

/// Makes an offering, or describes it anew. What it contains stands in its versions.
#[utoipa::path(put, path = "/api/v1/offerings/{name}", tag = "partners", request_body = NewOffering,
    params(("name" = String, Path, description = "The offering's name: at most 64 characters `a-z`, `0-9`, `-` and `_`."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, description = "It was there, and is changed.", body = OfferingView),
        (status = 201, description = "It is new.", body = OfferingView), Problems, Changed))]
pub(crate) async fn put_offering(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(name): Path<String>,
    headers: HeaderMap,
    MeantBody(NewOffering { title, description }): MeantBody<NewOffering>,
) -> Result<Response, Problem> {
    let expected = expected_version(&headers)?;
    if !webhook::is_name(&name) {
        let message = "The name of an offering has 1 to 64 characters `a-z`, `0-9`, `-` and `_`.";
        return Err(Problem::new(INVALID_PATH, message));
    }
    let _alone = change.alone().await?;
    let known = app.store.offering(&change.scope, &name).await?;
    if expected.is_some_and(|expected| known.as_ref().is_none_or(|known| known.version != expected)) {
        return Err(Problem::new(VERSION_MISMATCH, "Someone else changed it. Read it again and repeat the change."));
    }
    if known.is_none() && app.store.offerings(&change.scope).await?.len() as i64 >= OFFERINGS {
        return Err(Problem::new(
            CONFLICT,
            format!("There are {OFFERINGS} offerings, and no more fit. Delete one first."),
        ));
    }
    let now = app.now();
    let (before, created_at, latest) =
        known.as_ref().map_or((0, now, 0), |known| (known.version, known.created_at, known.latest));
    let wanted = Offering { name, title, description, latest, version: before + 1, created_at, updated_at: now };
    let is_said = known
        .is_some_and(|known| (known.title, known.description) == (wanted.title.clone(), wanted.description.clone()));
    let name = wanted.name.clone();
    if !is_said {
        let body = json!({"offering": name, "title": wanted.title});
        let _seen = change.commit_with(vec![Op::PutOffering(Box::new(wanted))], "offering.saved", body).await?;
    }
    let offering = find(&app, &change.scope, &name).await?;
    let status = if before == 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::ETAG, etag(offering.version))], Json(OfferingView::from(offering))).into_response())
}

/// Deletes an offering with its versions, as long as nobody has ever subscribed to it. Else archive its versions.
#[utoipa::path(delete, path = "/api/v1/offerings/{name}", tag = "partners",
    params(("name" = String, Path, description = "The offering's name.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 204, description = "It is deleted."), Problems))]
pub(crate) async fn remove_offering(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let _alone = change.alone().await?;
    find(&app, &change.scope, &name).await?;
    let any = SubscriptionFilter { offering: Some(name.clone()), limit: 1, ..SubscriptionFilter::default() };
    if !app.store.subscribers(&change.scope, &any).await?.is_empty() {
        return Err(Problem::new(
            IN_USE,
            "Somebody has subscribed to it. Archive its versions: nobody comes onto them any more.",
        ));
    }
    let body = json!({"offering": name});
    let _seen = change.commit_with(vec![Op::DropOffering { name }], "offering.removed", body).await?;
    Ok(StatusCode::NO_CONTENT)
}
