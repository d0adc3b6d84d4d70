//! The query of the routes that take events. Client libraries put little into it: their key, and what keeps a cache from answering
//! in the hub's place. Anything else was meant to change what the call does, so a call that would do something else is refused.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openhub_model::fault::nearest;
use openhub_store::Refused;

use crate::app::Shared;
use crate::auth::{peer, sender_of};
use crate::ingest::advice;
use crate::parameters::names;
use crate::problem::{INVALID_QUERY, Problem};

/// The key, as RudderStack's beacon and other libraries send it.
const KEY: &str = "writeKey";
/// The usual names of a number or a version that makes each address another one.
const BUSTERS: [&str; 12] =
    ["_", "t", "ts", "v", "r", "cb", "nc", "rnd", "rand", "nocache", "cachebust", "cachebuster"];
/// What an import alone takes.
const OF_IMPORTS: [&str; 2] = ["historical", "dry_run"];
/// Where libraries send measurements of themselves, of which nothing is kept.
const MEASUREMENTS: &str = "/v1/m";

/// Refuses a parameter that no route of events knows, or not this one. Libraries drop what is refused, so it is noted, too.
pub(crate) async fn refuse_unknown(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    if request.method() != Method::POST || path == MEASUREMENTS {
        return next.run(request).await;
    }
    let own: &[&str] = if path == "/v1/import" { &OF_IMPORTS } else { &[] };
    let is_known = |name: &str| name == KEY || BUSTERS.contains(&name) || own.contains(&name);
    let Some(detail) = names(&request).find(|name| !is_known(name)).map(|name| told(name, own)) else {
        return next.run(request).await;
    };
    let Shared { app, keys, .. } = &shared;
    if let Some(sender) = sender_of(app, keys, request.headers(), request.uri(), peer(request.extensions())).await {
        let (code, at) = (INVALID_QUERY.1, app.now());
        let refused = Refused { key: &sender.id, code, text: advice(code), pointer: "", message_id: None, at };
        app.store.note_refused(&sender.scope, refused);
    }
    Problem::new(INVALID_QUERY, detail).into_response()
}

/// What there is, and which of it was most likely meant.
fn told(name: &str, own: &[&str]) -> String {
    let name: String = name.chars().take(64).collect();
    let known = || [&[KEY], own].concat();
    let meant = nearest(&name, known()).map(|meant| format!(" Did you mean `{meant}`?")).unwrap_or_default();
    let elsewhere = OF_IMPORTS.contains(&name.as_str());
    let elsewhere = if elsewhere { " Only `/v1/import` has it." } else { "" };
    format!(
        "This route has no parameter `{name}`, and nothing was accepted.{elsewhere}{meant} There are: {}; and against caches: {}.",
        known().join(", "),
        BUSTERS.join(", ")
    )
}
