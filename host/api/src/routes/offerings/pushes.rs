//! Pushes: a provider takes its subscribers from a version to another, wave by wave, and looks how far that is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::push::{PushAct, PushState, STOP_AT, Wave, assign, faults};
use openhub_model::{Fault, Id};
use openhub_store::{Agreement, Push, Scope, StoreError, Target, act};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::ToSchema;

use super::{find, find_version};
use crate::app::App;
use crate::auth::{Authorized, OfferingsRead, OfferingsWrite};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::contracts::must_be_active;
use crate::cursor;
use crate::openapi::{Problems, Unfit};
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, INVALID_BODY, Problem};
use crate::provisioning::push::{body, event, turn_by};
use crate::views::{PushList, PushTargetList, PushTargetView, PushView};

const LIST: &str = "pushes";
const TARGETS: &str = "push-targets";

/// From which version to which, and who comes when.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPush)]
pub(crate) struct NewPush {
    /// The version that they are on.
    from: i64,
    /// An active version.
    to: i64,
    /// 1 to 20: `{"percent": 10}` is so many of all who are on `from`, with those of the waves before; `{"subscribers": ["…"]}` is these
    /// subscriptions.
    #[schema(value_type = Vec<Object>)]
    waves: Vec<Value>,
    /// The push stops when so many percent of a wave have failed, 1 to 100 (default 20).
    stop_at_percent: Option<i64>,
}

impl NewPush {
    fn waves(&self) -> Result<Vec<Wave>, Vec<Fault>> {
        let mut wrong = Vec::new();
        let mut waves = Vec::new();
        for (at, wave) in self.waves.iter().enumerate() {
            match Wave::deserialize(wave) {
                Ok(wave) => waves.push(wave),
                Err(error) => wrong.push(Fault::new(format!("/waves/{at}"), "wrong-type", error.to_string())),
            }
        }
        if wrong.is_empty() { Ok(waves) } else { Err(wrong) }
    }
}

impl Meaning for NewPush {
    fn faults(&self) -> Vec<Fault> {
        let mut all = match self.waves() {
            Ok(waves) => faults(&waves),
            Err(wrong) => wrong,
        };
        if self.from == self.to {
            all.push(Fault::new("/to", "out-of-range", "A push goes to another version."));
        }
        if !(1..=100).contains(&self.stop_at_percent.unwrap_or(STOP_AT)) {
            all.push(Fault::new("/stop_at_percent", "out-of-range", "This must be 1 to 100."));
        }
        all
    }
}

/// Begins a push: all who are on `from` when it begins, wave by wave. A wave begins when the one before is done. One of an offering at a
/// time.
///
/// An upgrade that asks a partner for more than it agreed to, or would overwrite what it has changed, waits for the partner at the version
/// that it has (`awaits-partner`), and holds up nobody else.
#[utoipa::path(post, path = "/api/v1/offerings/{name}/pushes", tag = "partners", request_body = NewPush,
    params(("name" = String, Path, description = "The offering's name.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 201, body = PushView), Problems, Unfit))]
pub(crate) async fn begin_push(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(name): Path<String>,
    MeantBody(wanted): MeantBody<NewPush>,
) -> Result<(StatusCode, Json<PushView>), Problem> {
    let _alone = change.alone().await?;
    let scope = &change.scope;
    let offering = find(&app, scope, &name).await?;
    let from = find_version(&app, scope, &name, &wanted.from.to_string()).await?;
    let to = find_version(&app, scope, &name, &wanted.to.to_string()).await?;
    must_be_active(&to, app.now())?;
    let waves = wanted.waves().map_err(|faults| Problem::faults(INVALID_BODY, faults))?;
    let partners: BTreeMap<Id, _> = app.store.subscribed_to(scope, &name, from.version).await?.into_iter().collect();
    known(&waves, &partners.keys().copied().collect())?;
    let before = app.store.pushes(scope, &offering.name).await?;
    let number = before.first().map_or(1, |newest| newest.number + 1);
    let id = Id::named(&[b"push", &change.tenant().0.to_le_bytes(), name.as_bytes(), &number.to_le_bytes()]);
    let assigned = assign(id, &waves, &partners.keys().copied().collect());
    let push = Push {
        id,
        number,
        offering: offering.name,
        from: from.version,
        to: to.version,
        waves,
        stop_at: wanted.stop_at_percent.unwrap_or(STOP_AT),
        state: PushState::Running,
        wave: 0,
        reason: None,
        made_by: change.principal.clone(),
        made_at: app.now(),
        settled_at: None,
    };
    let targets = assigned.into_iter().filter_map(|(subscription, wave)| {
        let partner = *partners.get(&subscription)?;
        Some(Target::waiting(id, subscription, partner, wave))
    });
    let targets: Vec<Target> = targets.collect();
    let said = body(&push);
    act::note_after(&said);
    let told = event(&app, scope, "offering.push-begun", &change.principal, said).await?;
    let provider = change.tenant();
    let agreements = vec![
        Agreement::BeginPush { provider, push: Box::new(push.clone()), targets },
        Agreement::LookAtPushes { provider, at: None },
    ];
    match app.store.agree(scope, agreements, vec![told]).await {
        Err(StoreError::AlreadyExists(_)) => {
            return Err(Problem::new(CONFLICT, "Another push of the offering is not over. Wait for it, or stop it."));
        }
        begun => begun?,
    };
    Ok((StatusCode::CREATED, Json(shown(&app, scope, push).await?)))
}

/// Whoever is named is there.
fn known(waves: &[Wave], subscribers: &BTreeSet<Id>) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    for (at, wave) in waves.iter().enumerate() {
        let Wave::Subscribers(ids) = wave else { continue };
        for id in ids.difference(subscribers) {
            let message = format!("`{id}` is no active subscription on that version.");
            wrong.push(Fault::new(format!("/waves/{at}/subscribers"), "unknown-subscription", message));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::faults(INVALID_BODY, wrong)) }
}

async fn shown(app: &App, scope: &Scope, push: Push) -> Result<PushView, Problem> {
    let counts = app.store.push_counts(scope, push.id).await?;
    Ok(PushView::of(push, &counts))
}

async fn find_push(app: &App, scope: &Scope, offering: &str, push: &str) -> Result<Push, Problem> {
    let absent = || Problem::not_found("push");
    let id: Id = push.parse().map_err(|_| absent())?;
    let found = app.store.push(scope, id).await?;
    found.filter(|push| push.offering == offering).ok_or_else(absent)
}

/// The pushes of an offering, the newest first.
#[utoipa::path(get, path = "/api/v1/offerings/{name}/pushes", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."), cursor::Page),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = PushList), Problems))]
pub(crate) async fn list_pushes(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path(name): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<PushList>, Problem> {
    let scope = &access.scope;
    let name = find(&app, scope, &name).await?.name;
    let found = app.store.pushes(scope, &name).await?;
    let (found, next) = page.of(LIST, found, |push| push.number, |number, after| number < after)?;
    let mut pushes = Vec::new();
    for push in found {
        pushes.push(shown(&app, scope, push).await?);
    }
    Ok(Json(PushList { pushes, next }))
}

/// How far a push is, wave by wave.
#[utoipa::path(get, path = "/api/v1/offerings/{name}/pushes/{push}", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."), ("push" = String, Path, description = "The push's id.")),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = PushView), Problems))]
pub(crate) async fn get_push(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path((name, push)): Path<(String, String)>,
) -> Result<Json<PushView>, Problem> {
    let push = find_push(&app, &access.scope, &name, &push).await?;
    Ok(Json(shown(&app, &access.scope, push).await?))
}

/// Each subscriber of a push, and how far it is there.
#[utoipa::path(get, path = "/api/v1/offerings/{name}/pushes/{push}/targets", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."), ("push" = String, Path, description = "The push's id."),
        cursor::Page),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = PushTargetList), Problems))]
pub(crate) async fn list_push_targets(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path((name, push)): Path<(String, String)>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<PushTargetList>, Problem> {
    let push = find_push(&app, &access.scope, &name, &push).await?;
    let (behind, limit) = page.behind(TARGETS)?;
    let found = app.store.push_targets(&access.scope, push.id, behind, limit + 1).await?;
    let (found, next) = cursor::page(TARGETS, found, limit, |(target, _)| target.subscription);
    let targets = found.into_iter().map(|(target, version)| PushTargetView::of(target, version, push.to)).collect();
    Ok(Json(PushTargetList { targets, next }))
}

/// Pauses a push: nobody else is begun with. Whoever is under way gets there.
#[utoipa::path(post, path = "/api/v1/offerings/{name}/pushes/{push}/pause", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."), ("push" = String, Path, description = "The push's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = PushView), Problems))]
pub(crate) async fn pause_push(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path((name, push)): Path<(String, String)>,
) -> Result<Json<PushView>, Problem> {
    turned(&app, &change, (&name, &push), PushAct::Pause).await
}

/// Lets a paused push go on.
#[utoipa::path(post, path = "/api/v1/offerings/{name}/pushes/{push}/resume", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."), ("push" = String, Path, description = "The push's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = PushView), Problems))]
pub(crate) async fn resume_push(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path((name, push)): Path<(String, String)>,
) -> Result<Json<PushView>, Problem> {
    turned(&app, &change, (&name, &push), PushAct::Resume).await
}

/// Stops a push for good. Whoever is under way gets there; all others stay at the version that they have.
#[utoipa::path(post, path = "/api/v1/offerings/{name}/pushes/{push}/stop", tag = "partners",
    params(("name" = String, Path, description = "The offering's name."), ("push" = String, Path, description = "The push's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = PushView), Problems))]
pub(crate) async fn stop_push(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path((name, push)): Path<(String, String)>,
) -> Result<Json<PushView>, Problem> {
    turned(&app, &change, (&name, &push), PushAct::Stop).await
}

async fn turned(
    app: &App,
    change: &Change<OfferingsWrite>,
    (name, push): (&str, &str),
    act: PushAct,
) -> Result<Json<PushView>, Problem> {
    let _alone = change.alone().await?;
    let push = find_push(app, &change.scope, name, push).await?;
    let state = push.state;
    let turned = turn_by(app, &change.scope, push, (act, &change.principal), None).await?;
    let word = serde_json::to_value(state).unwrap_or_default();
    let not_now = || Problem::new(CONFLICT, format!("The push is {}.", word.as_str().unwrap_or_default()));
    Ok(Json(shown(app, &change.scope, turned.ok_or_else(not_now)?).await?))
}
