//! A webhook gets another secret.

use axum::Json;
use axum::extract::State;
use openhub_engine::webhooks::ROTATED;
use openhub_model::{Fault, Span};
use openhub_store::{Op, Webhook};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use super::{drawn, find};
use crate::app::App;
use crate::auth::WebhooksWrite;
use crate::body::OptionalJsonBody;
use crate::change::Change;
use crate::openapi::{Changed, Problems};
use crate::parameters::Path;
use crate::problem::{INVALID_BODY, Problem};
use crate::views::WebhookView;

/// Seven days.
const LONGEST_S: i64 = 604_800;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SecretRotation)]
pub(crate) struct Rotation {
    /// For so many seconds the secret before signs, too: 0 to 604800 (default 86400).
    overlap_s: i64,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { overlap_s: 86_400 }
    }
}

/// Draws a new secret, which the answer shows once. For a while each call has a signature of both, so that no call is refused while
/// you put the new one in place.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/rotate-secret", tag = "webhooks", request_body = Rotation,
    params(("name" = String, Path, description = "The webhook's name.")),
    security(("api_key" = ["webhooks:write"])),
    responses((status = 200, body = WebhookView), Problems, Changed))]
pub(crate) async fn rotate_webhook_secret(
    State(app): State<Arc<App>>,
    change: Change<WebhooksWrite>,
    Path(name): Path<String>,
    OptionalJsonBody(Rotation { overlap_s }): OptionalJsonBody<Rotation>,
) -> Result<Json<WebhookView>, Problem> {
    if !(0..=LONGEST_S).contains(&overlap_s) {
        let message = format!("This must be 0 to {LONGEST_S} seconds.");
        return Err(Problem::fault(INVALID_BODY, Fault::new("/overlap_s", "out-of-range", message)));
    }
    let _alone = change.alone().await?;
    let known = find(&app, &change.scope, &name).await?;
    let (sealed, secret) = drawn(&app, change.tenant(), &name);
    let now = app.now();
    let until = now + Span::from_micros(overlap_s * 1_000_000);
    let rotated = Webhook {
        old_secret: (overlap_s > 0).then_some(known.secret),
        old_until: (overlap_s > 0).then_some(until),
        secret: sealed,
        version: known.version + 1,
        updated_at: now,
        ..known
    };
    let body = json!({ "webhook": name, "version": rotated.version });
    let _seen = change.commit_with(vec![Op::PutWebhook(Box::new(rotated))], ROTATED, body).await?;
    let rotated = find(&app, &change.scope, &name).await?;
    Ok(Json(WebhookView::of(rotated, now).with_secret(secret)))
}
