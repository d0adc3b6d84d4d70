//! A webhook is tried.

use axum::Json;
use axum::extract::State;
use openhub_model::Id;
use std::sync::Arc;

use super::find;
use crate::app::App;
use crate::auth::{Authorized, WebhooksWrite};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{OVERLOADED, Problem};
use crate::views::AttemptView;

/// Sends `{"type": "openhub:test", …}` to a webhook now, signed as everything is, and answers what came of it. Works while it is
/// disabled, too. It is no delivery: nothing is tried again.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/test", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name.")),
    security(("api_key" = ["webhooks:write"])),
    responses((status = 200, description = "What the receiver answered, or why it did not.", body = AttemptView), Problems))]
pub(crate) async fn test_webhook(
    State(app): State<Arc<App>>,
    access: Authorized<WebhooksWrite>,
    Path(name): Path<String>,
) -> Result<Json<AttemptView>, Problem> {
    let webhook = find(&app, &access.scope, &name).await?;
    let id = Id::at(app.now(), &[&(app.random)()]);
    let attempt = app.engine.test_webhook(&access.scope, &webhook, id).await;
    let busy = || Problem::new(OVERLOADED, "Too much is being sent to webhooks. Try again later.").retry_after(5);
    attempt.map(|attempt| Json(attempt.into())).ok_or_else(busy)
}
