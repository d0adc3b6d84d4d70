//! What becomes of a share: the other one agrees or not, and each of the two takes it back.

use axum::Json;
use axum::extract::State;
use openhub_engine::shares::PairKey;
use openhub_model::Fault;
use openhub_model::share::{ShareAct, ShareState};
use openhub_store::{Agreement, Scope, Share, act};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use super::{find, must_be_there, party, said, shown, told};
use crate::app::App;
use crate::auth::SharesWrite;
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{ALREADY_DECIDED, NOT_AGREED, Problem};
use crate::views::ShareView;

/// Characters of a reason.
const REASON: usize = 500;

/// What you agree to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShareAgreement)]
pub(crate) struct Agree {
    /// The `digest` of the share that you have read.
    digest: String,
}

impl Meaning for Agree {
    fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }
}

/// Why not, or not any more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShareRefusal)]
pub(crate) struct Refusal {
    /// For the other one's people, 1 to 500 characters.
    reason: String,
}

impl Meaning for Refusal {
    fn faults(&self) -> Vec<Fault> {
        let is_right = (1..=REASON).contains(&self.reason.chars().count());
        let message = format!("A reason has 1 to {REASON} characters.");
        if is_right { Vec::new() } else { vec![Fault::new("/reason", "wrong-length", message)] }
    }
}

/// Agrees to a share that the other one proposed. It takes the place of the version before, if there is one.
#[utoipa::path(post, path = "/api/v1/shares/{id}/agree", tag = "partners", request_body = Agree,
    params(("id" = String, Path, description = "The share's id.")),
    security(("api_key" = ["shares:write"])),
    responses((status = 200, body = ShareView), Problems))]
pub(crate) async fn agree_to_share(
    State(app): State<Arc<App>>,
    change: Change<SharesWrite>,
    Path(id): Path<String>,
    MeantBody(Agree { digest }): MeantBody<Agree>,
) -> Result<Json<ShareView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id).await?;
    if digest != found.digest {
        let detail = format!("The share's digest is `{}`. Read it, and agree to that.", found.digest);
        return Err(Problem::new(NOT_AGREED, detail));
    }
    must_be_there(&app, &Scope::of(found.giver), &found).await?;
    let (giver, recipient, at) = (found.giver, found.recipient, app.now());
    let key = found.terms.leads_to_people().then(|| {
        let sealed = PairKey::of([(app.random)(), (app.random)()]).sealed(&app.sealer, giver, recipient);
        Agreement::PairKey { giver, recipient, sealed, at }
    });
    let agreed = |share: Share| Share { agreed_at: Some(at), ..share };
    settle(&app, &change, found, (ShareAct::Agree, "share.agreed"), agreed, key).await
}

/// Says no to a share that the other one proposed.
#[utoipa::path(post, path = "/api/v1/shares/{id}/decline", tag = "partners", request_body = Refusal,
    params(("id" = String, Path, description = "The share's id.")),
    security(("api_key" = ["shares:write"])),
    responses((status = 200, body = ShareView), Problems))]
pub(crate) async fn decline_share(
    State(app): State<Arc<App>>,
    change: Change<SharesWrite>,
    Path(id): Path<String>,
    MeantBody(Refusal { reason }): MeantBody<Refusal>,
) -> Result<Json<ShareView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id).await?;
    let at = app.now();
    let over = |share: Share| Share { reason: Some(reason), ended_at: Some(at), ..share };
    settle(&app, &change, found, (ShareAct::Decline, "share.declined"), over, None).await
}

/// Takes a share back, whichever of the two you are: what flows by it stops at once. A proposal is taken back by who made it.
#[utoipa::path(post, path = "/api/v1/shares/{id}/withdraw", tag = "partners", request_body = Refusal,
    params(("id" = String, Path, description = "The share's id.")),
    security(("api_key" = ["shares:write"])),
    responses((status = 200, body = ShareView), Problems))]
pub(crate) async fn withdraw_share(
    State(app): State<Arc<App>>,
    change: Change<SharesWrite>,
    Path(id): Path<String>,
    MeantBody(Refusal { reason }): MeantBody<Refusal>,
) -> Result<Json<ShareView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id).await?;
    let at = app.now();
    let over = |share: Share| Share { reason: Some(reason), ended_at: Some(at), ..share };
    settle(&app, &change, found, (ShareAct::Withdraw, "share.withdrawn"), over, None).await
}

async fn settle(
    app: &App,
    change: &Change<SharesWrite>,
    share: Share,
    (act, name): (ShareAct, &str),
    adjust: impl FnOnce(Share) -> Share,
    more: Option<Agreement>,
) -> Result<Json<ShareView>, Problem> {
    let from = share.state;
    let by = party(&share, change.tenant());
    let to = from.after(act, by).ok_or_else(|| not_now(&share))?;
    let settled = adjust(Share { state: to, ..share });
    act::note_before(&json!({"state": from}));
    act::note_after(&said(&settled));
    let events = told(app, change, &settled, name).await?;
    let agreements = [Agreement::Settle { from, to: Box::new(settled.clone()) }].into_iter().chain(more).collect();
    app.store.agree(&change.scope, agreements, events).await?;
    Ok(Json(shown(app, settled).await?))
}

fn not_now(share: &Share) -> Problem {
    let detail = match share.state {
        ShareState::Proposed => "Who proposed it waits for the other one to answer, and can withdraw it.".to_owned(),
        state => format!("The share is {state}."),
    };
    Problem::new(ALREADY_DECIDED, detail)
}
