//! Deliveries are sent again.

use axum::Json;
use axum::extract::State;
use openhub_engine::webhooks::SENT_AGAIN;
use openhub_model::Timestamp;
use openhub_store::{Again, DeliveryState, Op, Webhook};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use super::find;
use crate::app::App;
use crate::auth::WebhooksWrite;
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::{CONFLICT, Problem};
use crate::views::{DeliveryView, ReplayedView};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookReplay)]
pub(crate) struct Replay {
    /// Deliveries that were made from then on.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// Sends a delivery again, whatever came of it: soon, with the same `webhook-id`, and with all attempts before it.
///
/// 409 if the webhook is disabled.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/deliveries/{id}/replay", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name."), ("id" = String, Path, description = "The delivery's id.")),
    security(("api_key" = ["webhooks:write"])),
    responses((status = 200, body = DeliveryView), Problems))]
pub(crate) async fn replay_webhook_delivery(
    State(app): State<Arc<App>>,
    change: Change<WebhooksWrite>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<DeliveryView>, Problem> {
    let id = id_in_path(&id, "delivery")?;
    let webhook = find(&app, &change.scope, &name).await?;
    let missing = || Problem::not_found("delivery");
    app.store.delivery(&change.scope, &name, id).await?.ok_or_else(missing)?;
    is_enabled(&webhook)?;
    let again = Op::SendAgain { webhook: name.clone(), which: Again::One(id), at: app.now() };
    let _seen = change.commit_with(vec![again], SENT_AGAIN, json!({ "webhook": name, "delivery": id })).await?;
    let delivery = app.store.delivery(&change.scope, &name, id).await?.ok_or_else(missing)?;
    Ok(Json(delivery.into()))
}

/// Sends all deliveries again that failed, of those that were made from an instant on.
///
/// 409 if the webhook is disabled.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/replay", tag = "webhooks", request_body = Replay,
    params(("name" = String, Path, description = "The webhook's name.")),
    security(("api_key" = ["webhooks:write"])),
    responses((status = 200, body = ReplayedView), Problems))]
pub(crate) async fn replay_webhook(
    State(app): State<Arc<App>>,
    change: Change<WebhooksWrite>,
    Path(name): Path<String>,
    JsonBody(Replay { since }): JsonBody<Replay>,
) -> Result<Json<ReplayedView>, Problem> {
    let webhook = find(&app, &change.scope, &name).await?;
    is_enabled(&webhook)?;
    let _alone = change.alone().await?;
    let replayed = app.store.count_deliveries(&change.scope, &name, DeliveryState::Failed, since).await?;
    if replayed > 0 {
        let again = Op::SendAgain { webhook: name.clone(), which: Again::FailedSince(since), at: app.now() };
        let body = json!({ "webhook": name, "since": since, "deliveries": replayed });
        let _seen = change.commit_with(vec![again], SENT_AGAIN, body).await?;
    }
    Ok(Json(ReplayedView { replayed }))
}

fn is_enabled(webhook: &Webhook) -> Result<(), Problem> {
    if webhook.enabled {
        return Ok(());
    }
    Err(Problem::new(CONFLICT, "The webhook is disabled. Enable it first."))
}
