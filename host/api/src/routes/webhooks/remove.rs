//! A webhook is deleted.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use openhub_engine::webhooks::REMOVED;
use openhub_store::Op;
use serde_json::json;
use std::sync::Arc;

use super::{find, is_expected};
use crate::app::App;
use crate::auth::WebhooksWrite;
use crate::change::Change;
use crate::objects::expected_version;
use crate::openapi::{Changed, Problems};
use crate::parameters::Path;
use crate::problem::Problem;

/// Deletes a webhook with its deliveries. What is being sent may still arrive.
#[utoipa::path(delete, path = "/api/v1/webhooks/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`.")),
    security(("api_key" = ["webhooks:write"])),
    responses((status = 204, description = "It is gone."), Problems, Changed))]
pub(crate) async fn remove_webhook(
    State(app): State<Arc<App>>,
    change: Change<WebhooksWrite>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected_version(&headers)?;
    let _alone = change.alone().await?;
    is_expected(&find(&app, &change.scope, &name).await?, expected)?;
    let body = json!({ "webhook": name });
    let drop = Op::DropWebhook { name, version: expected };
    let _seen = change.commit_with(vec![drop], REMOVED, body).await?;
    Ok(StatusCode::NO_CONTENT)
}
