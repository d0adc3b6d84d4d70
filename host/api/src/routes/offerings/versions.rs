//! The versions of an offering: made, published, archived.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::offering::{BYTES, Document, Item};
use openhub_model::{Fault, Timestamp};
use openhub_store::{OFFERING_VERSIONS, OfferingVersion, Op, PluginStatus, Scope};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use super::{find, find_version};
use crate::app::{App, Checks};
use crate::auth::{Authorized, OfferingsRead, OfferingsWrite};
use crate::body::{Meaning, MeantBody, OptionalJsonBody, too_large};
use crate::change::Change;
use crate::cursor;
use crate::openapi::{Problems, Unfit};
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, INVALID_OFFERING, OFFERING_ARCHIVED, Problem};
use crate::provisioning::fit;
use crate::views::{OfferingVersionList, OfferingVersionView};

const LIST: &str = "offering-versions";

impl Meaning for Document {
    fn faults(&self) -> Vec<Fault> {
        Document::faults(self)
    }
}

/// When a version becomes active.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Publication)]
pub(crate) struct Publication {
    /// Default: now. A time that is past means now.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
}

/// The versions of an offering, the newest first.
#[utoipa::path(get, path = "/api/v1/offerings/{name}/versions", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."), cursor::Page),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = OfferingVersionList), Problems))]
pub(crate) async fn list_offering_versions(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path(name): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<OfferingVersionList>, Problem> {
    let name = find(&app, &access.scope, &name).await?.name;
    let (versions, now) = (app.store.offering_versions(&access.scope, &name).await?, app.now());
    let (versions, next) = page.of(LIST, versions, |version| version.version, |version, after| version < after)?;
    let versions = versions.into_iter().map(|version| OfferingVersionView::of(version, now)).collect();
    Ok(Json(OfferingVersionList { versions, next }))
}

/// One version of an offering, with its document.
#[utoipa::path(get, path = "/api/v1/offerings/{name}/versions/{version}", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."),
        ("version" = i64, Path, description = "The version's number.")),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = OfferingVersionView), Problems))]
pub(crate) async fn get_offering_version(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<OfferingVersionView>, Problem> {
    let found = find_version(&app, &access.scope, &name, &version).await?;
    Ok(Json(OfferingVersionView::of(found, app.now())))
}

/// Makes the next version of an offering, a draft: `{"parameters": [{"name": "days", "type": "integer", "default": 30}], "items":
/// [{"object-type": {"name": "visit", "declaration": {…}}}, {"plugin": {"name": "points"}}, {"segment": {"name": "lapsed",
/// "condition": {…}}}, {"journey": {"name": "win-back", "definition": {…}}}, {"quota": {…}}, {"price": {…}}]}`.
///
/// The items are made at a partner's in this order. Wherever `{"$parameter": "days"}` stands in a condition, a definition or settings, a
/// subscription puts its own value. A plugin is one that is enabled here; without a `digest`, the version that is active now. With
/// `"approval": "automatic"`, nobody has to say yes to a subscription.
///
/// A version never changes. What is made again is the next one.
#[utoipa::path(post, path = "/api/v1/offerings/{name}/versions", tag = "partners", request_body = Object,
    params(("name" = String, Path, description = "The offering's name.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 201, body = OfferingVersionView), Problems, Unfit))]
pub(crate) async fn create_offering_version(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    State(checks): State<Checks>,
    Path(name): Path<String>,
    MeantBody(mut document): MeantBody<Document>,
) -> Result<(StatusCode, Json<OfferingVersionView>), Problem> {
    if json!(document).to_string().len() > BYTES {
        return Err(too_large(BYTES));
    }
    let _alone = change.alone().await?;
    let offering = find(&app, &change.scope, &name).await?;
    if offering.latest >= OFFERING_VERSIONS {
        return Err(Problem::new(
            CONFLICT,
            format!("An offering has at most {OFFERING_VERSIONS} versions. Make a new one."),
        ));
    }
    let mut faults = pin_plugins(&app, &change.scope, &mut document).await?;
    if faults.is_empty() {
        let defaults = document.parameters.iter();
        let defaults = defaults.filter_map(|parameter| Some((parameter.name.clone(), parameter.default.clone()?)));
        faults = fit::faults(&app, &checks, (&change.scope, &change.scope), &document, &defaults.collect()).await?;
    }
    if !faults.is_empty() {
        return Err(
            Problem::new(INVALID_OFFERING, "Nothing was made. `faults` says what to correct.").with_faults(faults)
        );
    }
    let new = OfferingVersion {
        offering: name.clone(),
        version: offering.latest + 1,
        digest: document.digest(),
        document,
        created_by: change.id.clone(),
        created_at: app.now(),
        active_at: None,
        archived_at: None,
    };
    let body = json!({"offering": name, "version": new.version, "digest": new.digest});
    let number = new.version.to_string();
    let _seen = change.commit_with(vec![Op::PutOfferingVersion(Box::new(new))], "offering.version-made", body).await?;
    let made = find_version(&app, &change.scope, &name, &number).await?;
    Ok((StatusCode::CREATED, Json(OfferingVersionView::of(made, app.now()))))
}

/// Each plugin becomes one component: what a partner agrees to is what it gets.
async fn pin_plugins(app: &App, scope: &Scope, document: &mut Document) -> Result<Vec<Fault>, Problem> {
    let plugins = app.store.plugins(scope).await?;
    let mut faults = Vec::new();
    for (index, item) in document.items.iter_mut().enumerate() {
        let Item::Plugin(item) = item else { continue };
        let pointer = format!("/items/{index}/plugin");
        let enabled = |plugin: &&openhub_store::Installation| plugin.status == PluginStatus::Enabled;
        let Some(plugin) = plugins.iter().filter(enabled).find(|plugin| plugin.name == item.name) else {
            let message =
                format!("`{:.64}` is not enabled here. What you offer, you run yourself: enable it first.", item.name);
            faults.push(Fault::new(format!("{pointer}/name"), "unknown-plugin", message));
            continue;
        };
        match &item.digest {
            None => item.digest = Some(plugin.digest.clone()),
            Some(digest) if *digest == plugin.digest => {}
            Some(_) => {
                let message =
                    format!("The version of `{}` that is active here has the digest {}.", item.name, plugin.digest);
                faults.push(Fault::new(format!("{pointer}/digest"), "other-version", message));
            }
        }
    }
    Ok(faults)
}

/// Publishes a version, now or from a time on. From then on, the tenants below yours find it in their catalog.
#[utoipa::path(post, path = "/api/v1/offerings/{name}/versions/{version}/publish", tag = "partners", request_body = Publication,
    params(("name" = String, Path, description = "The offering's name."),
        ("version" = i64, Path, description = "The version's number.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = OfferingVersionView), Problems))]
pub(crate) async fn publish_offering_version(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path((name, version)): Path<(String, String)>,
    OptionalJsonBody(Publication { at }): OptionalJsonBody<Publication>,
) -> Result<Json<OfferingVersionView>, Problem> {
    let _alone = change.alone().await?;
    let read = find_version(&app, &change.scope, &name, &version).await?;
    let now = app.now();
    if !read.state(now).may_be_published() {
        return Err(match read.archived_at {
            Some(_) => archived(),
            None => Problem::new(CONFLICT, "The version is active already."),
        });
    }
    let at = at.map_or(now, |at| at.max(now));
    set_times(&app, &change, read, (Some(at), None), "offering.published").await
}

/// Archives a version: nobody comes onto it any more, and who is on it stays.
#[utoipa::path(post, path = "/api/v1/offerings/{name}/versions/{version}/archive", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."),
        ("version" = i64, Path, description = "The version's number.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = OfferingVersionView), Problems))]
pub(crate) async fn archive_offering_version(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<OfferingVersionView>, Problem> {
    let _alone = change.alone().await?;
    let read = find_version(&app, &change.scope, &name, &version).await?;
    let now = app.now();
    if !read.state(now).may_be_archived() {
        return Err(archived());
    }
    let active_at = read.active_at;
    set_times(&app, &change, read, (active_at, Some(now)), "offering.archived").await
}

fn archived() -> Problem {
    Problem::new(OFFERING_ARCHIVED, "The version is archived. Make a new one from its document.")
}

async fn set_times(
    app: &App,
    change: &Change<OfferingsWrite>,
    read: OfferingVersion,
    (active_at, archived_at): (Option<Timestamp>, Option<Timestamp>),
    event: &str,
) -> Result<Json<OfferingVersionView>, Problem> {
    let (name, number) = (read.offering.clone(), read.version.to_string());
    let body = json!({
        "offering": name, "version": read.version, "digest": read.digest, "active_at": active_at, "archived_at": archived_at,
    });
    let set = Op::SetVersionTimes { read: Box::new(read), active_at, archived_at };
    let _seen = change.commit_with(vec![set], event, body).await?;
    Ok(Json(OfferingVersionView::of(find_version(app, &change.scope, &name, &number).await?, app.now())))
}
