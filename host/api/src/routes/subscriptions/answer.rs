//! What becomes of a request: the provider says yes or no, or the partner takes it back.

use axum::Json;
use axum::extract::State;
use openhub_model::Fault;
use openhub_model::subscription::Act;
use openhub_store::Subscription;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{OfferingsWrite, SubscriptionsWrite};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::contracts::{Side, carry_out, find, must_be_active, must_be_in_time, shown_one, version_of};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::provisioning::operation::provision;
use crate::views::SubscriptionView;

/// Characters of a reason.
const REASON: usize = 500;

/// Why not.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Decline)]
pub(crate) struct Decline {
    /// For the partner's people, 1 to 500 characters.
    reason: String,
}

impl Meaning for Decline {
    fn faults(&self) -> Vec<Fault> {
        let is_right = (1..=REASON).contains(&self.reason.chars().count());
        let message = format!("A reason has 1 to {REASON} characters.");
        if is_right { Vec::new() } else { vec![Fault::new("/reason", "wrong-length", message)] }
    }
}

/// Says yes to a request. It is active from now on, and the hub makes what it has in the partner's tenant.
#[utoipa::path(post, path = "/api/v1/subscribers/{id}/approve", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn approve_subscriber(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Provider).await?;
    let now = app.now();
    must_be_in_time(&found, now)?;
    let version = version_of(&app, &found).await?;
    if found.contract.after(Act::Approve).is_some() {
        must_be_active(&version, now)?;
    }
    let then = |to: &Subscription| provision(to, &version.document, now);
    let approved = carry_out(&app, &change, found, Act::Approve, |to| to.active_at = Some(now), then).await?;
    Ok(Json(shown_one(&app, &change.scope, approved).await?))
}

/// Says no to a request.
#[utoipa::path(post, path = "/api/v1/subscribers/{id}/decline", tag = "partners", request_body = Decline,
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn decline_subscriber(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(id): Path<String>,
    MeantBody(Decline { reason }): MeantBody<Decline>,
) -> Result<Json<SubscriptionView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Provider).await?;
    let now = app.now();
    let over = |to: &mut Subscription| (to.reason, to.ended_at) = (Some(reason), Some(now));
    let declined = carry_out(&app, &change, found, Act::Decline, over, |_| Vec::new()).await?;
    Ok(Json(shown_one(&app, &change.scope, declined).await?))
}

/// Takes a request back that nobody has answered yet.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/withdraw", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn withdraw_subscription(
    State(app): State<Arc<App>>,
    change: Change<SubscriptionsWrite>,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Partner).await?;
    let now = app.now();
    let withdrawn =
        carry_out(&app, &change, found, Act::Withdraw, |to| to.ended_at = Some(now), |_| Vec::new()).await?;
    Ok(Json(shown_one(&app, &change.scope, withdrawn).await?))
}
