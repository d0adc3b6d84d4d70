//! `POST /api/v1/journeys/{name}/publish`: the draft becomes the next version.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::Fault;
use openhub_model::message::TRANSACTIONAL;
use openhub_store::Op;
use serde_json::{Value, json};
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::{JourneysWrite, MessagesTransactional, Permission};
use crate::change::Change;
use crate::condition::normal_in;
use crate::journeys::faults;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, INVALID_JOURNEY, MISSING_SCOPE, Problem};
use crate::text::step;
use crate::views::{PendingView, PublishedView};
use crate::writes::{Progress, accepted};

/// Publishes the draft as the journey's next version, at the present end of the log.
///
/// A version never changes; runs that wait stay on theirs. One that sends under the purpose `transactional`, for which no consent
/// is asked, needs the scope `messages:transactional`, and its event in the log names those nodes.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/publish", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn publish_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await;
    let scope = &change.scope;
    let journey = find(&app, scope, &name).await?;
    let mut definition = journey.draft.ok_or_else(|| Problem::new(CONFLICT, "The journey has no draft to publish."))?;
    let faults = faults(&app, scope, &name, &definition).await?;
    if !faults.is_empty() {
        return Err(Problem::new(INVALID_JOURNEY, "The graph has faults.").with_faults(faults));
    }
    let transactional = transactional(&definition);
    if !transactional.is_empty() && !change.access.may::<MessagesTransactional>() {
        let detail = format!("A send without consent needs the scope `{}`.", MessagesTransactional::SCOPE);
        let node = |node: &String| {
            Fault::new(format!("{}/purpose", step("/nodes", node)), "missing-scope", "This send is transactional.")
        };
        return Err(Problem::new(MISSING_SCOPE, detail).with_faults(transactional.iter().map(node).collect()));
    }
    normal_in(&mut definition, app.engine.policies(scope).await?.latest());
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
