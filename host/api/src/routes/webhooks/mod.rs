//! Webhooks: events of the log, posted to receivers that a tenant names. (The plugin `webhook` is something else: a channel that
//! journeys send messages by.)

mod deliveries;
mod read;
mod remove;
mod replay;
mod rotate;
mod save;
mod test;

pub(crate) use deliveries::*;
pub(crate) use read::*;
pub(crate) use remove::*;
pub(crate) use replay::*;
pub(crate) use rotate::*;
pub(crate) use save::*;
pub(crate) use test::*;

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use openhub_engine::webhooks::{sealed_as, secret_text};
use openhub_model::TenantId;
use openhub_store::{Scope, Webhook};

use crate::app::App;
use crate::objects::etag;
use crate::problem::{Problem, VERSION_MISMATCH};
use crate::views::WebhookView;

async fn find(app: &App, scope: &Scope, name: &str) -> Result<Webhook, Problem> {
    app.store.webhook(scope, name).await?.ok_or_else(|| Problem::not_found("webhook"))
}

/// The one that whoever asks has read, if they say so.
fn is_expected(webhook: &Webhook, expected: Option<i64>) -> Result<(), Problem> {
    match expected {
        Some(version) if version != webhook.version => {
            Err(Problem::new(VERSION_MISMATCH, "Someone else changed it. Read it again and repeat the change."))
        }
        _ => Ok(()),
    }
}

fn shown(app: &App, webhook: Webhook) -> Response {
    let tag = [(header::ETAG, etag(webhook.version))];
    (tag, Json(WebhookView::of(webhook, app.now()))).into_response()
}

/// A new secret: sealed, and as its owner gets to see it.
fn drawn(app: &App, tenant: TenantId, webhook: &str) -> (String, String) {
    let secret = [(app.random)(), (app.random)()].concat();
    (app.sealer.seal(sealed_as(tenant, webhook), &secret), secret_text(&secret))
}
