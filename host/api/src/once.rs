//! `Idempotency-Key`: a call that is made once under the key that its caller gave it
//! (draft-ietf-httpapi-idempotency-key-header). Each `POST` of the API takes one, by standing in the route table.
//!
//! The key is taken before the call begins; the call's first transaction marks it as done; then its answer is kept, sealed. Whoever
//! sends the same again is given that answer for a day. See decision 103.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use openhub_engine::secrets::Owner;
use openhub_model::{Fault, Id, TenantId};
use openhub_store::{Begun, Deeded, Once, Scope, acting_once};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tracing::Instrument;

use crate::app::{App, Shared};
use crate::auth::{Caller, covers};
use crate::body::raw_bytes;
use crate::problem::{ANSWER_NOT_KEPT, IDEMPOTENCY_KEY_REUSED, INVALID_HEADER, Problem, REQUEST_IN_PROGRESS};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Routes whose `POST` changes nothing, so that it can be sent again anyway.
const READS: [&str; 4] =
    ["/api/v1/journeys/{name}/check", "/api/v1/segments/preview", "/api/v1/segments/why", "/api/v1/suppressions/check"];
/// An object remembers the key that it was made under for as long as it is there.
const OF_OBJECTS: &str = "/api/v1/objects/{kind}";
/// Bytes of an answer that is kept.
const LONGEST: u64 = 256 * 1024;
/// Headers of an answer that are kept.
const HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// Whether the route takes a key.
pub(crate) fn takes_key(method: &Method, route: &str) -> bool {
    method == Method::POST && route.starts_with("/api/v1/") && route != OF_OBJECTS && !READS.contains(&route)
}

/// The caller's own name for a call.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(given) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = given.to_str().unwrap_or_default().trim();
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Ok(Some(text));
    }
    let message = "`Idempotency-Key` must have 1 to 255 printable ASCII characters.";
    Err(Problem::fault(INVALID_HEADER, Fault::new("", "invalid-idempotency-key", message)))
}

/// Does what the request asks for as an act, unless that was done before under the same key.
pub(crate) async fn act_once(
    shared: &Shared,
    caller: &Caller,
    deed: Deeded,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(key) = idempotency_key(request.headers())?.map(str::to_owned) else {
        return Ok(acting_once(deed, None, next.run(request)).await);
    };
    let (app, tenant, scopes) = (shared.app.clone(), caller.tenant(), caller.usable_scopes());
    let scope = Scope::of(tenant);
    let (parts, body) = request.into_parts();
    let is_component = parts.headers.get(header::CONTENT_TYPE).is_some_and(|of| of == "application/wasm");
    let most = if is_component { app.limits.component_bytes } else { app.limits.json_bytes };
    let bytes = raw_bytes(body, &app.limits, most).await?;
    let marker = app.sealer.marker();
    let who = serde_json::json!([IDEMPOTENCY_KEY.as_str(), deed.principal, key]).to_string();
    // The length of the address stands before it, so that no two requests read alike.
    let target = parts.uri.path_and_query().map(|target| target.as_str()).unwrap_or_default();
    let what = [format!("{} {} {target} ", parts.method, target.len()).as_bytes(), &*bytes].concat();
    let once = Once {
        id: marker.content(tenant, who.as_bytes()),
        request: marker.content(tenant, &what),
        attempt: Id::named(&[&(app.random)()]),
    };
    match app.store.begin_once(&scope, once, app.now()).await? {
        Begun::Now => {}
        Begun::Running => {
            let detail =
                "The first request with this `Idempotency-Key` is still being done. Send it again in a moment.";
            return Err(Problem::new(REQUEST_IN_PROGRESS, detail).retry_after(1));
        }
        Begun::Other => {
            let detail =
                "This `Idempotency-Key` was used for another request, and nothing was done. Use a new one for this.";
            return Err(Problem::new(IDEMPOTENCY_KEY_REUSED, detail));
        }
        Begun::Done(sealed) => return again(&app, tenant, (once, &scopes), sealed.as_deref()),
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    // Who has asked may go away: what was begun comes to its end, and its answer is there when they ask again.
    let work = async move {
        let answer = acting_once(deed, Some(once), next.run(request)).await;
        keep(&app, &scope, (once, scopes), answer).await
    };
    match tokio::spawn(work.in_current_span()).await {
        Ok(answer) => answer,
        Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
        Err(broken) => Err(Problem::internal(&broken)),
    }
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// What its caller might do then.
    scopes: Vec<String>,
}

impl Kept {
    fn of(response: &Response, body: &[u8], scopes: Vec<String>) -> Option<Kept> {
        let headers = HEADERS.iter().filter_map(|name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let body = String::from_utf8(body.to_vec()).ok()?;
        Some(Kept { status: response.status().as_u16(), headers: headers.collect(), body, scopes })
    }

    fn into_response(self) -> Option<Response> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in self.headers {
            response.headers_mut().insert(name.parse::<HeaderName>().ok()?, value.parse().ok()?);
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Some(response)
    }
}

/// Keeps the answer. What went wrong in the hub is not kept: the same request may be answered otherwise the next time.
async fn keep(
    app: &Arc<App>,
    scope: &Scope,
    (once, scopes): (Once, Vec<String>),
    answer: Response,
) -> Result<Response, Problem> {
    let is_known = !answer.status().is_server_error();
    let is_short = answer.body().size_hint().upper().is_some_and(|bytes| bytes <= LONGEST);
    let (answer, kept) = match is_known && is_short {
        true => {
            let (parts, body) = answer.into_parts();
            let bytes = body.collect().await.map_err(|error| Problem::internal(&error))?.to_bytes();
            let answer = Response::from_parts(parts, Body::from(bytes.clone()));
            let kept = Kept::of(&answer, &bytes, scopes);
            (answer, kept)
        }
        false => (answer, None),
    };
    let sealed = kept.and_then(|kept| serde_json::to_vec(&kept).ok()).map(|kept| {
        let name = once.id.to_string();
        app.sealer.seal(owner(scope.tenant(), &name), &kept)
    });
    if let Err(error) = app.store.end_once(scope, once, answer.status().is_success(), sealed).await {
        tracing::warn!(tenant.id = scope.tenant().0, %error, "An answer could not be kept for who repeats the call.");
    }
    Ok(answer)
}

/// The answer of before, if its caller may do now what it might do then: it may show what is closed to the caller now.
fn again(
    app: &App,
    tenant: TenantId,
    (once, scopes): (Once, &[String]),
    sealed: Option<&str>,
) -> Result<Response, Problem> {
    let name = once.id.to_string();
    let opened = sealed.and_then(|sealed| app.sealer.open(owner(tenant, &name), sealed).ok());
    let kept = opened.and_then(|kept| serde_json::from_slice::<Kept>(&kept).ok());
    let kept = kept.filter(|kept| kept.scopes.iter().all(|scope| covers(scopes, scope)));
    kept.and_then(Kept::into_response).ok_or_else(|| {
        let detail = "This request was done before, and is not done again; its answer is not kept. Read what is there.";
        Problem::new(ANSWER_NOT_KEPT, detail)
    })
}

/// No plugin has an empty name.
fn owner(tenant: TenantId, name: &str) -> Owner<'_> {
    Owner { tenant, plugin: "", name }
}
