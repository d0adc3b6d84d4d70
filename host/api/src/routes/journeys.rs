//! Journeys: drawn, checked, published, paused, stopped.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_engine::judge::statuses_before;
use openhub_model::Fault;
use openhub_model::message::TRANSACTIONAL;
use openhub_store::{JourneyRow, JourneyStatus, Op, Scope};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::app::{App, Checks};
use crate::auth::{Authorized, JourneysRead, JourneysWrite, MessagesTransactional, Permission};
use crate::body::{JsonBody, OptionalJsonBody};
use crate::change::Change;
use crate::condition::normal_in;
use crate::cursor;
use crate::journeys::{faults, faults_of_version};
use crate::openapi::{Problems, Unfit};
use crate::parameters::{Path, Query, name_in_path};
use crate::problem::{CONFLICT, INVALID_BODY, INVALID_JOURNEY, MISSING_SCOPE, Problem};
use crate::text::step;
use crate::views::{CountsView, FaultsView, JourneyList, JourneyView, PendingView, PublishedView};
use crate::writes::{Progress, accepted};

const LIST: &str = "journeys";

/// The journeys, by name.
#[utoipa::path(get, path = "/api/v1/journeys", tag = "journeys", params(cursor::Page),
    security(("api_key" = ["journeys:read"])),
    responses((status = 200, body = JourneyList), Problems))]
pub(crate) async fn list_journeys(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysRead>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<JourneyList>, Problem> {
    let journeys = app.store.journeys(&access.scope).await?;
    let (journeys, next) = page.of(LIST, journeys, |journey| journey.name.clone(), |name, after| name > after)?;
    Ok(Json(JourneyList { journeys: journeys.into_iter().map(Into::into).collect(), next }))
}

/// One journey with its draft.
#[utoipa::path(get, path = "/api/v1/journeys/{name}", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:read"])),
    responses((status = 200, body = JourneyView), Problems))]
pub(crate) async fn get_journey(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysRead>,
    Path(name): Path<String>,
) -> Result<Json<JourneyView>, Problem> {
    Ok(Json(find(&app, &access.scope, &name).await?.into()))
}

pub(super) async fn find(app: &App, scope: &Scope, name: &str) -> Result<JourneyRow, Problem> {
    let found = app.store.journey(scope, name_in_path(name)?).await?;
    found.ok_or_else(|| Problem::not_found("journey"))
}

/// Saves a journey's draft. What stands in the way of publishing it is told, and does not stop the save.
#[utoipa::path(put, path = "/api/v1/journeys/{name}", tag = "journeys", request_body = Value,
    params(("name" = String, Path, description = "The journey's name, in kebab-case.")),
    security(("api_key" = ["journeys:write"])),
    responses((status = 200, body = JourneyView), Problems))]
pub(crate) async fn save_journey(
    State(app): State<Arc<App>>,
    State(checks): State<Checks>,
    access: Authorized<JourneysWrite>,
    Path(name): Path<String>,
    JsonBody(definition): JsonBody<Value>,
) -> Result<Json<JourneyView>, Problem> {
    let name = name_in_path(&name)?;
    if !definition.is_object() {
        return Err(Problem::fault(INVALID_BODY, Fault::new("", "wrong-type", "A journey must be a JSON object.")));
    }
    let scope = &access.scope;
    let faults = faults(&app, &checks, scope, name, &definition).await?;
    let draft = Op::PutJourneyDraft { name: name.to_owned(), definition, at: app.now() };
    app.store.transact(scope, vec![draft]).await?;
    Ok(Json(JourneyView::from(find(&app, scope, name).await?).with_faults(faults)))
}

/// Removes a draft, or a journey that was stopped or has drained, in which no run waits and that no segment mentions, with its
/// versions. Its ended runs and their messages stay, and still count if the name is used again; who was in it may enter again then.
#[utoipa::path(delete, path = "/api/v1/journeys/{name}", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:write"])),
    responses((status = 204), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await?;
    let scope = &change.scope;
    let status = find(&app, scope, &name).await?.status;
    if matches!(status, JourneyStatus::Published | JourneyStatus::Paused) {
        return Err(Problem::new(CONFLICT, "The journey is published. Stop or drain it first."));
    }
    if !app.store.waiting_parts(scope, &name).await?.is_empty() {
        return Err(Problem::new(CONFLICT, "The journey has waiting runs. Stop or drain it first."));
    }
    for segment in app.store.latest_segment_versions(scope).await? {
        if segment.condition.is_some_and(|condition| condition.needs().journeys.contains(&name)) {
            let detail = format!("The segment `{}` uses the journey. Change the segment first.", segment.segment);
            return Err(Problem::new(CONFLICT, detail));
        }
    }
    match change.commit("journey.removed", json!({"journey": name})).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// What stands in the way of publishing: of the definition in the body or, without one, of the draft.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/check", tag = "journeys", request_body = Option<Value>,
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:read"])),
    responses((status = 200, body = FaultsView), Problems))]
pub(crate) async fn check_journey(
    State(app): State<Arc<App>>,
    State(checks): State<Checks>,
    access: Authorized<JourneysRead>,
    Path(name): Path<String>,
    OptionalJsonBody(definition): OptionalJsonBody<Option<Value>>,
) -> Result<Json<FaultsView>, Problem> {
    let name = name_in_path(&name)?;
    let definition = match definition {
        Some(definition) => definition,
        None => find(&app, &access.scope, name).await?.draft.ok_or_else(|| Problem::not_found("draft"))?,
    };
    Ok(Json(FaultsView { faults: faults(&app, &checks, &access.scope, name, &definition).await? }))
}

/// Publishes the draft as the journey's next version, at the present end of the log.
///
/// A version never changes; runs that wait stay on theirs. A draft that says what the active version says makes no other. One that sends under the purpose `transactional`, for which no consent
/// is asked, needs the scope `messages:transactional`, and its event in the log names those nodes.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/publish", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:write"])),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn publish_journey(
    State(app): State<Arc<App>>,
    State(checks): State<Checks>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await?;
    let scope = &change.scope;
    let journey = find(&app, scope, &name).await?;
    let mut definition =
        journey.draft.ok_or_else(|| Problem::new(CONFLICT, "The journey has no draft. Save one first."))?;
    let faults = faults(&app, &checks, scope, &name, &definition).await?;
    if !faults.is_empty() {
        return Err(
            Problem::new(INVALID_JOURNEY, "Nothing was published. `faults` says what to correct.").with_faults(faults)
        );
    }
    let transactional = transactional(&definition);
    if !transactional.is_empty() && !change.access.may::<MessagesTransactional>() {
        let detail = format!("A transactional send needs a key with the scope `{}`.", MessagesTransactional::SCOPE);
        let node = |node: &String| {
            Fault::new(
                format!("{}/purpose", step("/nodes", node)),
                "missing-scope",
                "This send is transactional: it goes out without consent.",
            )
        };
        return Err(Problem::new(MISSING_SCOPE, detail).with_faults(transactional.iter().map(node).collect()));
    }
    normal_in(&mut definition, app.engine.policies(scope).await?.latest());
    if let (JourneyStatus::Published, Some(version)) = (journey.status, journey.version)
        && app.store.journey_version(scope, &name, version).await?.is_some_and(|active| active.definition == definition)
    {
        return Ok(Json(PublishedView::from(find(&app, scope, &name).await?)).into_response());
    }
    let version = journey.latest + 1;
    let put = Op::PutJourneyVersion { name: name.clone(), version, definition, at: app.now() };
    let mut body = json!({"journey": name, "version": version});
    if !transactional.is_empty() {
        body["transactional"] = json!(transactional);
    }
    match change.commit_with(vec![put], "journey.published", body).await? {
        Progress::Done => Ok(Json(PublishedView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// The nodes that send without asking for a consent.
fn transactional(definition: &Value) -> Vec<String> {
    let nodes = definition["nodes"].as_object().into_iter().flatten();
    nodes.filter(|(_, node)| node["purpose"] == TRANSACTIONAL).map(|(name, _)| name.clone()).collect()
}

/// Pauses a journey: until it is resumed no run starts, none that waits moves, and what is unsent of it is held.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/pause", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:write"])),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn pause_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    moves(&app, &change, "journey.paused", &name, JourneyStatus::Paused, "Only a published journey can be paused.")
        .await
}

/// Resumes a paused journey, or one that runs out: it starts runs again, and what waits goes on. What
/// came due meanwhile is due now.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/resume", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:write"])),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn resume_journey(
    State(app): State<Arc<App>>,
    State(checks): State<Checks>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await?;
    let scope = &change.scope;
    let journey = find(&app, scope, &name).await?;
    let rests = statuses_before(JourneyStatus::Published).contains(&journey.status);
    let Some(version) = journey.version.filter(|_| rests) else {
        return Err(Problem::new(CONFLICT, "Only a paused or draining journey can be resumed."));
    };
    if let Some(version) = app.store.journey_version(scope, &name, version).await? {
        let faults = faults_of_version(&app, &checks, scope, version).await?;
        if !faults.is_empty() {
            let detail = "The version uses something that no longer exists.";
            return Err(Problem::new(INVALID_JOURNEY, detail).with_faults(faults));
        }
    }
    moved(&app, &change, "journey.resumed", &name).await
}

/// Stops a journey: its runs end, and what is unsent of it is taken back. It starts runs again once it is published anew.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/stop", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:write"])),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn stop_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    moves(
        &app,
        &change,
        "journey.stopped",
        &name,
        JourneyStatus::Stopped,
        "Only a journey that was published can be stopped.",
    )
    .await
}

/// Lets a journey run out: no run starts, those under way finish. `resume` or `publish` takes that back.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/drain", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:write"])),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn drain_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    moves(
        &app,
        &change,
        "journey.drained",
        &name,
        JourneyStatus::Draining,
        "Only a published or paused journey can be drained.",
    )
    .await
}

/// How many runs came by each node, by version, and what has become of all runs and messages.
#[utoipa::path(get, path = "/api/v1/journeys/{name}/counts", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    security(("api_key" = ["journeys:read"])),
    responses((status = 200, body = CountsView), Problems))]
pub(crate) async fn journey_counts(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysRead>,
    Path(name): Path<String>,
) -> Result<Json<CountsView>, Problem> {
    let journey = find(&app, &access.scope, &name).await?;
    let standings = app.store.node_counts(&access.scope, &journey.name).await?;
    let outcomes = app.store.outcomes(&access.scope, &journey.name).await?;
    Ok(Json(CountsView::new(standings, &outcomes)))
}

/// What a journey does only from some of its statuses.
async fn moves(
    app: &App,
    change: &Change<JourneysWrite>,
    event: &str,
    name: &str,
    to: JourneyStatus,
    refusal: &str,
) -> Result<Response, Problem> {
    let _changes = change.alone().await?;
    if !statuses_before(to).contains(&find(app, &change.scope, name).await?.status) {
        return Err(Problem::new(CONFLICT, refusal));
    }
    moved(app, change, event, name).await
}

/// Says so in the log, and answers with the journey as it then stands.
async fn moved(app: &App, change: &Change<JourneysWrite>, event: &str, name: &str) -> Result<Response, Problem> {
    match change.commit(event, json!({"journey": name})).await? {
        Progress::Done => Ok(Json(PublishedView::from(find(app, &change.scope, name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
