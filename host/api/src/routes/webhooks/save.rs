//! A webhook is set up, or changed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::webhooks::SAVED;
use openhub_model::{Fault, webhook};
use openhub_store::{Op, WEBHOOKS, Webhook};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use super::{drawn, find, is_expected, shown};
use crate::app::App;
use crate::auth::{EventsRead, WebhooksWrite, sights};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::objects::{etag, expected_version};
use crate::openapi::{Changed, Problems, Unfit};
use crate::parameters::Path;
use crate::problem::{INVALID_PATH, INVALID_WEBHOOK, Problem, VERSION_MISMATCH};
use crate::views::WebhookView;

/// Characters of a description.
const DESCRIPTION: usize = 1_000;
/// Why somebody's webhook is disabled.
const ASKED: &str = "asked";

/// A webhook as somebody wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct NewWebhook {
    /// `https://…`; without a user, a password or a fragment.
    url: String,
    /// Types of events, 1 to 100: the name of a `track`, or the kind of another call with its name behind a colon (`identify`,
    /// `page:Home`, `control:journey.published`). With `*` at its end: all that begin so.
    events: Vec<String>,
    /// For people (default: empty).
    #[serde(default)]
    description: String,
    /// Default `true`.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChange)]
pub(crate) struct WebhookChange {
    url: Option<String>,
    /// All of them.
    events: Option<Vec<String>>,
    description: Option<String>,
    enabled: Option<bool>,
}

impl Meaning for NewWebhook {
    fn faults(&self) -> Vec<Fault> {
        faults(Some(&self.events), Some(&self.description))
    }
}

impl Meaning for WebhookChange {
    fn faults(&self) -> Vec<Fault> {
        faults(self.events.as_deref(), self.description.as_deref())
    }
}

fn faults(events: Option<&[String]>, description: Option<&str>) -> Vec<Fault> {
    let mut faults = events.map(webhook::faults).unwrap_or_default();
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION || text.contains('\0')) {
        faults.push(Fault::new("/description", "too-long", format!("This has at most {DESCRIPTION} characters.")));
    }
    faults
}

/// Sets up a webhook, or sets another up in its place: what is left out is as in a new one, but the secret and the deliveries stay.
///
/// Needs `events:read`, too. It is sent events only as far as the key that sets it up may see them: `objects:read`, `plugins:read`,
/// `journeys:read`, `segments:read`, `webhooks:read` and `customers:read` (for the other control events).
///
/// A new one begins with what happens from now on. The answer to a new one has its `secret`, which is never shown again. The URL
/// is checked as those of plugins are: `https`, and no private address unless the operator allows it in `allow_private`.
#[utoipa::path(put, path = "/api/v1/webhooks/{name}", tag = "webhooks", request_body = NewWebhook,
    params(("name" = String, Path, description = "The webhook's name: at most 64 characters `a-z`, `0-9`, `-` and `_`."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`.")),
    security(("api_key" = ["webhooks:write"])),
    responses((status = 200, description = "It was there, and is changed.", body = WebhookView),
        (status = 201, description = "It is new.", body = WebhookView), Problems, Changed, Unfit))]
pub(crate) async fn put_webhook(
    State(app): State<Arc<App>>,
    change: Change<WebhooksWrite>,
    Path(name): Path<String>,
    headers: HeaderMap,
    MeantBody(wanted): MeantBody<NewWebhook>,
) -> Result<Response, Problem> {
    change.access.must::<EventsRead>()?;
    let expected = expected_version(&headers)?;
    if !webhook::is_name(&name) {
        let message = "The name of a webhook has 1 to 64 characters `a-z`, `0-9`, `-` and `_`.";
        return Err(Problem::new(INVALID_PATH, message));
    }
    may_be_posted_to(&app, &wanted.url)?;
    let _alone = change.alone().await?;
    let NewWebhook { url, events, description, enabled } = wanted;
    let known = app.store.webhook(&change.scope, &name).await?;
    if let Some(known) = known {
        is_expected(&known, expected)?;
        let wanted = Webhook { url, events, description, enabled, sees: sights(&change.access), ..known.clone() };
        return save(&app, &change, &known, wanted).await;
    }
    if expected.is_some() {
        return Err(Problem::new(VERSION_MISMATCH, "There is no such webhook. Leave `If-Match` out to set it up."));
    }
    if app.store.webhooks(&change.scope).await?.len() as i64 >= WEBHOOKS {
        let message = format!("There are {WEBHOOKS} webhooks, and no more fit. Delete one first.");
        return Err(Problem::new(INVALID_WEBHOOK, message));
    }
    let (sealed, secret) = drawn(&app, change.tenant(), &name);
    let now = app.now();
    let new = Webhook {
        name: name.clone(),
        url,
        description,
        events,
        sees: sights(&change.access),
        enabled,
        disabled_for: (!enabled).then(|| ASKED.to_owned()),
        secret: sealed,
        old_secret: None,
        old_until: None,
        version: 1,
        position: 0,
        failures: 0,
        failing_since: None,
        rests_until: None,
        created_at: now,
        updated_at: now,
    };
    write(&change, new).await?;
    let made = find(&app, &change.scope, &name).await?;
    let tag = [(header::ETAG, etag(made.version))];
    Ok((StatusCode::CREATED, tag, Json(WebhookView::of(made, now).with_secret(secret))).into_response())
}

/// Changes a webhook; what is not named stays.
///
/// Needs `events:read`, too. Whoever changes its URL or its events decides what it may see, as in `PUT`. Enabled again, it goes on with
/// what waits and with what happens from now on. What happens while it is disabled is not sent.
#[utoipa::path(patch, path = "/api/v1/webhooks/{name}", tag = "webhooks", request_body = WebhookChange,
    params(("name" = String, Path, description = "The webhook's name."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`.")),
    security(("api_key" = ["webhooks:write"])),
    responses((status = 200, body = WebhookView), Problems, Changed, Unfit))]
pub(crate) async fn change_webhook(
    State(app): State<Arc<App>>,
    change: Change<WebhooksWrite>,
    Path(name): Path<String>,
    headers: HeaderMap,
    MeantBody(wanted): MeantBody<WebhookChange>,
) -> Result<Response, Problem> {
    change.access.must::<EventsRead>()?;
    let expected = expected_version(&headers)?;
    if let Some(url) = &wanted.url {
        may_be_posted_to(&app, url)?;
    }
    let _alone = change.alone().await?;
    let known = find(&app, &change.scope, &name).await?;
    is_expected(&known, expected)?;
    let WebhookChange { url, events, description, enabled } = wanted;
    let is_other = url.is_some() || events.is_some();
    let wanted = Webhook {
        url: url.unwrap_or_else(|| known.url.clone()),
        events: events.unwrap_or_else(|| known.events.clone()),
        description: description.unwrap_or_else(|| known.description.clone()),
        enabled: enabled.unwrap_or(known.enabled),
        sees: if is_other { sights(&change.access) } else { known.sees.clone() },
        ..known.clone()
    };
    save(&app, &change, &known, wanted).await
}

/// What is as it was makes no new version.
async fn save(
    app: &App,
    change: &Change<WebhooksWrite>,
    known: &Webhook,
    mut wanted: Webhook,
) -> Result<Response, Problem> {
    wanted.disabled_for = match (known.enabled, wanted.enabled) {
        (_, true) => None,
        (true, false) => Some(ASKED.to_owned()),
        (false, false) => known.disabled_for.clone(),
    };
    if wanted != *known {
        wanted.version = known.version + 1;
        wanted.updated_at = app.now();
        write(change, wanted).await?;
    }
    Ok(shown(app, find(app, &change.scope, &known.name).await?))
}

/// Stored, and said in the log: whoever sends comes to it there. An address may be a secret, and is not said.
async fn write(change: &Change<WebhooksWrite>, webhook: Webhook) -> Result<(), Problem> {
    let body = json!({
        "webhook": webhook.name, "version": webhook.version, "events": webhook.events, "enabled": webhook.enabled,
    });
    let _seen = change.commit_with(vec![Op::PutWebhook(Box::new(webhook))], SAVED, body).await?;
    Ok(())
}

/// As far as the URL tells.
fn may_be_posted_to(app: &App, url: &str) -> Result<(), Problem> {
    app.runtime.check_target(url).map_err(|why| {
        let why = format!("Nothing can be sent to this URL: {why}.");
        Problem::fault(INVALID_WEBHOOK, Fault::new("/url", "invalid-url", why))
    })
}
