//! `/hooks/{tenant}/{plugin}/{source}`: what providers call. A plugin's source verifies the request and answers it; what it
//! yields is committed before the answer leaves.
//!
//! Whoever knows the address can call it, so it has a stranger's place until its tenant is known, and then one of that tenant's
//! places for events. The answer is a plugin's: no page may read it, and nothing in it runs.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, header};
use axum::response::Response;
use openhub_engine::Asked;
use openhub_runtime::{HttpRequest, Unanswered};
use openhub_store::Scope;

use crate::app::{App, Shared};
use crate::auth::is_open;
use crate::body::raw_bytes;
use crate::foreign::{LATER_S, foreign, pause};
use crate::ingest::{
    Hook, accept_received, note_failed, note_misconfigured, note_refused, note_turned_away, unfit, within_calls,
};
use crate::overload::{address, shed};
use crate::problem::{HOOK_REFUSED, PLUGIN_FAILED, Problem, ProblemBody, UNAVAILABLE};

pub(crate) const PATH: &str = "/hooks/{tenant}/{plugin}/{source}";

/// Headers that a source may set.
const ANSWERED: [HeaderName; 3] = [header::CONTENT_TYPE, header::RETRY_AFTER, header::CACHE_CONTROL];
/// The hub's own keys and sessions are nobody else's to see.
const OWN_KEYS: &[u8] = b"Bearer oh_";
/// A call for a plugin's source, by any method. The plugin answers it, with any status, text or JSON; no key is needed, and what its
/// events may claim is decided by whether the plugin verified the call.
#[utoipa::path(post, path = "/hooks/{tenant}/{plugin}/{source}", tag = "plugins",
    params(("tenant" = String, Path, description = "The tenant's name."), ("plugin" = String, Path, description = "The plugin's name."),
        ("source" = String, Path, description = "The name of one of its sources.")),
    request_body(content = String, content_type = "application/octet-stream", description = "Whatever the caller sends."),
    responses(
        (status = "2XX", description = "What the plugin answers.", content((String = "text/plain"), (Value = "application/json"))),
        (status = "3XX", description = "What the plugin answers.", content((String = "text/plain"), (Value = "application/json"))),
        (status = "4XX", description = "What the plugin answers; or problem details: there is no such source (`not-found`), the path is \
            not UTF-8 (`invalid-path`), the plugin refuses the request (`hook-refused`), too many are under way (`too-many-requests`, `too-far-behind`), a quota of its calls is used up (`quota-exhausted`).",
            content((String = "text/plain"), (Value = "application/json"), (ProblemBody = "application/problem+json"))),
        (status = "5XX", description = "What the plugin answers; or problem details: it cannot take this now (`unavailable`, \
            `tenant-closed`), or it failed (`plugin-failed`).",
            content((String = "text/plain"), (Value = "application/json"), (ProblemBody = "application/problem+json")))))]
pub(crate) async fn receive(
    State(shared): State<Shared>,
    Path((tenant, plugin, source)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let address = address(&request);
    let Some(stranger) = shared.strangers.take(address) else { return Ok(shed("hooks")) };
    let app = &*shared.app;
    let nobody = || Problem::not_found("source");
    let tenant = app.store.tenant_by_name(&tenant).await?.ok_or_else(nobody)?;
    let scope = Scope::of(tenant.id);
    is_open(app.store.lineages(&[tenant.id]).await?.remove(&tenant.id).unwrap_or_default().status)?;
    let Some(_place) = shared.ingest.take(tenant.id) else { return Ok(shed("hooks")) };
    let Some(_share) = shared.callers.take(tenant.id, address) else { return Ok(shed("hooks")) };
    // Before its body is read: there are more addresses that nobody has.
    let catalog = app.engine.in_force(&scope).await?;
    let enabled = catalog.plugins.get(&plugin).ok_or_else(nobody)?;
    let manifest = &enabled.installation.manifest;
    if !manifest.sources.iter().any(|shape| shape.name == source) {
        return Err(nobody());
    }
    drop(stranger);
    let channels: Vec<&str> = manifest.channels.iter().map(|channel| channel.name.as_str()).collect();
    let hook = Hook { plugin: &plugin, source: &source, channels: &channels };
    within_calls(app, &scope, &plugin).await?;
    let request = told(request, app).await?;
    let received = match app.engine.receive(&scope, (&plugin, &source), request).await? {
        Asked::Nobody => return Err(nobody()),
        Asked::Busy => return Ok(shed("hooks")),
        Asked::Answered(answered) => answered.map_err(|unanswered| explain(app, &scope, hook, unanswered))?,
    };
    note_turned_away(app, &scope, hook, &received);
    accept_received(app, scope, hook, &received).await?;
    Ok(foreign(received.answer, ANSWERED))
}

/// The request as the source is told it: the body as it was sent, since that is what was signed.
async fn told(request: Request, app: &App) -> Result<HttpRequest, Problem> {
    let (parts, body) = request.into_parts();
    let body = raw_bytes(body, &app.limits, app.limits.json_bytes).await?;
    let headers = parts.headers.iter().filter(|(name, value)| {
        *name != header::COOKIE && !(*name == header::AUTHORIZATION && value.as_bytes().starts_with(OWN_KEYS))
    });
    let headers = headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Ok(HttpRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.into(),
    })
}

/// A caller is told whether to try again; why, the hub's admin is told.
fn explain(app: &App, scope: &Scope, hook: Hook<'_>, unanswered: Unanswered) -> Problem {
    let plugin = hook.plugin;
    match unanswered {
        Unanswered::Retry { after_ms, reason } => {
            let detail = format!("The plugin `{plugin}` cannot take this now ({}). Send it again later.", reason.code);
            Problem::new(UNAVAILABLE, detail).retry_after(pause(after_ms))
        }
        Unanswered::Rejected(reason) => {
            note_refused(app, scope, hook, &reason);
            let detail = format!("The plugin `{plugin}` refuses this request ({}): {}", reason.code, reason.message);
            Problem::new(HOOK_REFUSED, detail)
        }
        Unanswered::Misconfigured(reason) => {
            tracing::warn!(
                plugin,
                source = hook.source,
                code = reason.code,
                reason = reason.message,
                "A source needs an admin."
            );
            note_misconfigured(app, scope, hook, &reason);
            let detail = format!("The plugin `{plugin}` is not set up yet. Send it again later.");
            Problem::new(UNAVAILABLE, detail).retry_after(LATER_S)
        }
        Unanswered::Unfit(fault) => unfit(app, scope, hook, vec![fault], None),
        Unanswered::Failed(fault) => {
            tracing::warn!(plugin, source = hook.source, %fault, "A source failed.");
            note_failed(app, scope, hook, fault.kind.as_str());
            let detail = format!("The plugin `{plugin}` failed, and nothing was accepted. Send it again later.");
            Problem::new(PLUGIN_FAILED, detail)
        }
    }
}
