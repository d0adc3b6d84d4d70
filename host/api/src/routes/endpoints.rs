//! `/x/{plugin}/{path}`: plugins' own HTTP APIs. The key says whose plugin it is, and must allow to call it; what the call takes
//! beyond that is the plugin's to ask for.
//!
//! The plugin is told neither the key nor a cookie. Its answer is its own: no page may read it, and nothing in it runs. A hub can
//! serve these addresses, and nothing else, on an address of their own.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::{Asked, Keyed};
use openhub_model::endpoint;
use openhub_runtime::{EndpointCaller, HttpRequest, Unanswered};
use openhub_store::Scope;

use crate::app::{App, Shared};
use crate::auth::{authorize_call, peer};
use crate::body::raw_bytes;
use crate::foreign::{LATER_S, foreign, pause};
use crate::ingest::{Hook, note_failed, note_misconfigured, within_calls};
use crate::once::IDEMPOTENCY_KEY;
use crate::overload::{address, shed};
use crate::problem::{
    CALL_REFUSED, INVALID_HEADER, METHOD_NOT_ALLOWED, PLUGIN_FAILED, Problem, ProblemBody, UNAVAILABLE,
};

pub(crate) const PATH: &str = "/x/{plugin}/{*path}";
/// What stands before a plugin's name.
pub(crate) const BELOW: &str = "/x/";

/// Headers that a plugin is told, beside those that begin with `x-`.
const TOLD: [HeaderName; 7] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    IDEMPOTENCY_KEY,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::USER_AGENT,
];
/// Of those: where somebody is, as proxies say it, is nobody's business.
const UNTOLD: [&str; 3] = ["x-forwarded-", "x-real-ip", "x-client-ip"];
/// Headers that a plugin may set.
const ANSWERED: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LANGUAGE,
    header::CONTENT_DISPOSITION,
    header::RETRY_AFTER,
    header::CACHE_CONTROL,
    header::ETAG,
];
/// Bytes of an idempotency key.
const LONGEST: usize = 255;

/// Calls a plugin's own HTTP API, by any method that it declares. The plugin answers, with any status, text or JSON.
///
/// The key needs the scope `plugins:call`, or `plugins:call:<plugin>`, which allows to call this plugin alone. The plugin is told
/// the key's id and scopes, and the caller's `Idempotency-Key`.
#[utoipa::path(post, path = "/x/{plugin}/{path}", tag = "plugins",
    params(("plugin" = String, Path, description = "The plugin's name."),
        ("path" = String, Path, description = "The path of one of its endpoints, with any number of steps."),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request, so that it can be sent again.")),
    request_body(content = String, content_type = "application/octet-stream", description = "What the endpoint takes."),
    security(("api_key" = ["plugins:call"])),
    responses(
        (status = "2XX", description = "What the plugin answers.", content((String = "text/plain"), (Value = "application/json"))),
        (status = "3XX", description = "What the plugin answers.", content((String = "text/plain"), (Value = "application/json"))),
        (status = 401, description = "Problem details: no key that works (`unauthenticated`).",
            content((ProblemBody = "application/problem+json"))),
        (status = "4XX", description = "What the plugin answers; or problem details: the key may not call it (`missing-scope`, `address-not-allowed`), too \
            many unknown keys were sent (`too-many-guesses`), no such endpoint (`not-found`, `method-not-allowed`), the request is not valid \
            (`invalid-header`, `too-large`, `body-timeout`, `incomplete-body`), the plugin refuses it (`call-refused`), too many \
            are under way (`too-many-requests`), a quota of its calls is used up (`quota-exhausted`).",
            content((String = "text/plain"), (Value = "application/json"), (ProblemBody = "application/problem+json"))),
        (status = "5XX", description = "What the plugin answers; or problem details: it cannot take this now (`unavailable`, `tenant-closed`), or it \
            failed (`plugin-failed`, `internal`).",
            content((String = "text/plain"), (Value = "application/json"), (ProblemBody = "application/problem+json")))))]
pub(crate) async fn handle(
    State(shared): State<Shared>,
    Path((plugin, _path)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let app = &*shared.app;
    let address = address(&request);
    let access = authorize_call(app, &shared.keys, request.headers(), peer(request.extensions()), &plugin).await;
    let access = access.map_err(|problem| shared.guesses.told(address, problem))?;
    let scope = access.scope;
    let Some(_place) = shared.endpoints.take_by(shared.weight(scope.tenant()), scope.tenant()) else {
        return Ok(shed("endpoints"));
    };
    let Some(_share) = shared.endpoint_callers.take(scope.tenant(), address) else { return Ok(shed("endpoints")) };
    let path = request.uri().path();
    let path = path.strip_prefix(BELOW).and_then(|rest| rest.find('/').map(|at| rest[at..].to_owned()));
    let nobody = || Problem::not_found("endpoint");
    let path = path.ok_or_else(nobody)?;
    // Before its body is read.
    let catalog = app.engine.in_force(&scope).await?;
    let enabled = catalog.plugins.get(&plugin).ok_or_else(nobody)?;
    let endpoint = match endpoint::find(&enabled.installation.manifest.endpoints, request.method().as_str(), &path) {
        endpoint::Asked::Endpoint(shape) => shape.name.clone(),
        endpoint::Asked::OtherMethod(methods) => return Ok(other_method(request.method().as_str(), &methods)),
        endpoint::Asked::Nothing => return Err(nobody()),
    };
    drop(catalog);
    within_calls(app, &scope, &plugin).await?;
    let once = named(&request)?;
    let caller = EndpointCaller { key: access.id.clone(), scopes: access.caller().usable_scopes() };
    let keyed = Keyed { caller, authority: access.authority, once, request: told(request, path, app).await? };
    match app.engine.handle(&scope, (&plugin, &endpoint), keyed).await? {
        Asked::Nobody => Err(nobody()),
        Asked::Busy => Ok(shed("endpoints")),
        Asked::Answered(answered) => match *answered {
            Ok(answer) => Ok(foreign(answer, ANSWERED)),
            Err(unanswered) => Err(explain(app, &scope, (&plugin, &endpoint), unanswered)),
        },
    }
}

fn other_method(method: &str, there: &[&str]) -> Response {
    let there = there.join(", ");
    let detail = format!("This endpoint does not accept `{method}`. It accepts {there}.");
    let mut response = Problem::new(METHOD_NOT_ALLOWED, detail).into_response();
    if let Ok(there) = HeaderValue::from_str(&there) {
        response.headers_mut().insert(header::ALLOW, there);
    }
    response
}

/// What the caller names the request by.
fn named(request: &Request) -> Result<Option<String>, Problem> {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=LONGEST).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let detail = format!("`Idempotency-Key` must have 1 to {LONGEST} visible ASCII characters.");
            Err(Problem::new(INVALID_HEADER, detail))
        }
    }
}

/// The request as the plugin is told it.
async fn told(request: Request, path: String, app: &App) -> Result<HttpRequest, Problem> {
    let (parts, body) = request.into_parts();
    let body = raw_bytes(body, &app.limits, app.limits.json_bytes).await?;
    let is_told = |name: &HeaderName| {
        let own = name.as_str().starts_with("x-") && !UNTOLD.iter().any(|untold| name.as_str().starts_with(untold));
        own || TOLD.into_iter().any(|told| told == *name)
    };
    let headers = parts.headers.iter().filter(|(name, _)| is_told(name));
    let headers = headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Ok(HttpRequest {
        method: parts.method.as_str().to_owned(),
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.into(),
    })
}

/// A caller is told whether to try again; what only an admin can mend stands in the list of faults, too.
fn explain(app: &App, scope: &Scope, (plugin, endpoint): (&str, &str), unanswered: Unanswered) -> Problem {
    let hook = Hook { plugin, source: endpoint, channels: &[] };
    let failed = |code: &str, fault: &str| {
        tracing::warn!(plugin, endpoint, code, fault, "An endpoint failed.");
        note_failed(app, scope, hook, code);
        let detail = format!("The plugin `{plugin}` failed. What it had done by then may stand.");
        Problem::new(PLUGIN_FAILED, detail)
    };
    match unanswered {
        Unanswered::Retry { after_ms, reason } => {
            let detail = format!("The plugin `{plugin}` cannot take this now ({}). Send it again later.", reason.code);
            Problem::new(UNAVAILABLE, detail).retry_after(pause(after_ms))
        }
        Unanswered::Rejected(reason) => {
            let detail = format!("The plugin `{plugin}` refuses this call ({}): {}", reason.code, reason.message);
            Problem::new(CALL_REFUSED, detail)
        }
        Unanswered::Misconfigured(reason) => {
            tracing::warn!(
                plugin,
                endpoint,
                code = reason.code,
                reason = reason.message,
                "An endpoint needs an admin."
            );
            note_misconfigured(app, scope, hook, &reason);
            let detail = format!("The plugin `{plugin}` is not set up yet. Send it again later.");
            Problem::new(UNAVAILABLE, detail).retry_after(LATER_S)
        }
        Unanswered::Unfit(fault) => failed(&fault.code, &fault.message),
        Unanswered::Failed(fault) => failed(fault.kind.as_str(), &fault.message),
    }
}
