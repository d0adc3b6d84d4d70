//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110) for each document of the API: what can be read at a path, and changed or deleted
//! there. A new document is within it by standing in the route table.
//!
//! The tag is made from what the document says. Before a change under a condition, the document is read by its own `GET`; the
//! change is written only if no act on the same document came in between: see `openhub_store::act::note_seen` and decision 104.

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use openhub_model::Fault;
use openhub_store::{Scope, act};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

use crate::app::Shared;
use crate::audit::tells_which;
use crate::auth::{Asked, caller, peer};
use crate::problem::{INVALID_HEADER, Problem, VERSION_MISMATCH};

/// Documents that count versions themselves: their tag is the version, and their own writes compare it.
const COUNTED: [&str; 3] = ["/api/v1/objects/{kind}/{key}", "/api/v1/object-types/{name}", "/api/v1/webhooks/{name}"];
/// What a document tells besides what people write: it changes by itself, and is no other version.
const LIVE: [(&str, &[&str]); 3] = [
    ("/api/v1/keys/{id}", &["last_used_at"]),
    ("/api/v1/plugins/{name}", &["recording", "shadow"]),
    ("/api/v1/segments/{name}", &["fill", "members", "version"]),
];

/// Whether what stands there is a document.
pub(crate) fn is_document(path: &str, item: &PathItem) -> bool {
    let changes = item.put.is_some() || item.patch.is_some() || item.delete.is_some();
    path.starts_with("/api/v1/") && item.get.is_some() && changes
}

/// Whether its own handlers look at `If-Match`.
pub(crate) fn counts_versions(path: &str) -> bool {
    COUNTED.contains(&path)
}

/// The documents, and how they are read.
pub(crate) struct Documents {
    paths: HashSet<String>,
    reads: Router,
}

impl Documents {
    /// `routes` are those that the document describes.
    pub fn of(document: &OpenApi, routes: Router) -> Documents {
        let all = document.paths.paths.iter().filter(|(path, item)| is_document(path, item));
        Documents { paths: all.map(|(path, _)| path.clone()).collect(), reads: routes }
    }

    /// The document as whoever makes this request may read it.
    async fn read(&self, request: &Parts) -> Result<Response, Problem> {
        let uri = Uri::try_from(request.uri.path()).map_err(|error| Problem::internal(&error))?;
        let mut read = Request::new(Body::empty());
        *read.uri_mut() = uri;
        for who in [header::AUTHORIZATION, header::COOKIE] {
            for value in request.headers.get_all(&who) {
                read.headers_mut().append(&who, value.clone());
            }
        }
        if let Some(from) = request.extensions.get::<ConnectInfo<SocketAddr>>() {
            read.extensions_mut().insert(*from);
        }
        Ok(self.reads.clone().oneshot(read).await.unwrap_or_else(|never| match never {}))
    }
}

/// For an act that is no `PUT`: whether the document at `route` still is what the caller has read, if `If-Match` says what that is.
pub(crate) fn holds(headers: &HeaderMap, route: &str, document: &impl Serialize) -> Result<(), Problem> {
    let Some(wanted) = Tags::of(headers, header::IF_MATCH)? else { return Ok(()) };
    let document = serde_json::to_value(document).map_err(|error| Problem::internal(&error))?;
    let tag = tag(route, document);
    if tag.to_str().is_ok_and(|tag| wanted.are_of(tag)) { Ok(()) } else { Err(changed()) }
}

fn changed() -> Problem {
    Problem::new(
        VERSION_MISMATCH,
        "It is not as you have read it, or not there any more. Read it again and repeat the change.",
    )
}

/// Tells the tag of a document that is read, and holds a change to what its caller has read.
pub(crate) async fn conditional(
    State((shared, documents)): State<(Shared, Arc<Documents>)>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let Some(route) = route.filter(|route| documents.paths.contains(route)) else { return next.run(request).await };
    let headers = request.headers();
    let is_held = headers.contains_key(header::IF_MATCH) && !counts_versions(&route);
    let is_conditional = is_held || headers.contains_key(header::IF_NONE_MATCH);
    match request.method().clone() {
        Method::GET => read(&route, request, next).await,
        Method::PUT | Method::PATCH | Method::DELETE if is_conditional => {
            change(&shared, &documents, &route, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn read(route: &str, request: Request, next: Next) -> Response {
    let known = Tags::of(request.headers(), header::IF_NONE_MATCH);
    let answer = match tagged(route, next.run(request).await).await {
        Ok(answer) => answer,
        Err(problem) => return problem.into_response(),
    };
    let tag = answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let is_known = match (known, tag) {
        (Ok(Some(known)), Some(tag)) => answer.status() == StatusCode::OK && known.have(tag),
        (Err(problem), _) => return problem.into_response(),
        _ => false,
    };
    if is_known {
        let (mut parts, _) = answer.into_parts();
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    answer
}

async fn change(
    shared: &Shared,
    documents: &Documents,
    route: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let wanted = match counts_versions(route) {
        true => None,
        false => Tags::of(request.headers(), header::IF_MATCH)?,
    };
    let unwanted = Tags::of(request.headers(), header::IF_NONE_MATCH)?;
    let (parts, body) = request.into_parts();
    // Who is nobody is told so by the handler.
    let asked = Asked { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
    let Ok(Some(caller)) = caller(&shared.app, &shared.keys, asked, peer(&parts.extensions)).await else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let last = shared.app.store.audit_head(&Scope::of(caller.tenant())).await?.map_or(0, |head| head.number);
    let found = tagged(route, documents.read(&parts).await?).await?;
    let tag = match found.status() {
        StatusCode::OK => found.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned),
        StatusCode::NOT_FOUND => None,
        _ => return Ok(found),
    };
    drop(found);
    let tag = tag.as_deref();
    if wanted.is_some_and(|wanted| !tag.is_some_and(|tag| wanted.are_of(tag))) {
        return Err(changed());
    }
    if unwanted.is_some_and(|unwanted| tag.is_some_and(|tag| unwanted.are_of(tag))) {
        let detail = "It is there already, and nothing was changed. Read it, and send `If-Match` with its `ETag`.";
        return Err(Problem::new(VERSION_MISMATCH, detail));
    }
    if tells_which(route) {
        act::note_seen(last, route);
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// The answer with the tag of its document, if it is one.
async fn tagged(route: &str, answer: Response) -> Result<Response, Problem> {
    let is_whole = answer.body().size_hint().exact().is_some();
    if answer.status() != StatusCode::OK || answer.headers().contains_key(header::ETAG) || !is_whole {
        return Ok(answer);
    }
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(|error| Problem::internal(&error))?.to_bytes();
    if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
        parts.headers.insert(header::ETAG, tag(route, value));
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Made from what the document says. What it tells besides stands behind a point: of that, a change asks nothing.
fn tag(route: &str, mut document: Value) -> HeaderValue {
    let digest = |value: &Value| hex::encode(&Sha256::digest(value.to_string())[..8]);
    let live = LIVE.iter().find(|(path, _)| *path == route).map(|(_, names)| *names);
    let text = match live {
        None => format!("\"{}\"", digest(&document)),
        Some(names) => {
            let whole = digest(&document);
            if let Some(members) = document.as_object_mut() {
                members.retain(|name, _| !names.contains(&name.as_str()));
            }
            format!("\"{}.{whole}\"", digest(&document))
        }
    };
    HeaderValue::try_from(text).expect("hexadecimal digits, a point and quotes are visible ASCII")
}

/// The tags of a condition.
enum Tags {
    /// `*`: whatever is there.
    Any,
    These(Vec<String>),
}

impl Tags {
    fn of(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, Problem> {
        let mut given = headers.get_all(&name).iter();
        let Some(first) = given.next() else { return Ok(None) };
        let parsed = first.to_str().ok().filter(|_| given.next().is_none()).and_then(|text| match text.trim() {
            "*" => Some(Tags::Any),
            list => list.split(',').map(|tag| entity_tag(tag.trim())).collect::<Option<_>>().map(Tags::These),
        });
        parsed.map(Some).ok_or_else(|| {
            let name = if name == header::IF_MATCH { "If-Match" } else { "If-None-Match" };
            let message = format!("`{name}` must be `*`, or tags from `ETag`, like `\"3\"`.");
            Problem::fault(INVALID_HEADER, Fault::new("", "invalid-condition-header", message))
        })
    }

    /// Whether one of them is the tag, with all that it tells.
    fn have(&self, tag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => tags.iter().any(|known| known == tag),
        }
    }

    /// Whether one of them is of the same version.
    fn are_of(&self, tag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => tags.iter().any(|known| version(known) == version(tag)),
        }
    }
}

/// With its quotes; a proxy may have made it a weak one.
fn entity_tag(text: &str) -> Option<String> {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.is_empty() && !inner.contains('"')).then(|| quoted.to_owned())
}

fn version(tag: &str) -> &str {
    tag.trim_matches('"').split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changes_by_itself_is_another_tag_and_no_other_version() {
        let of = |condition: &str, members: i64| {
            tag("/api/v1/segments/{name}", json!({"condition": condition, "members": members}))
                .to_str()
                .unwrap()
                .to_owned()
        };
        let (read, grown, changed) = (of("a", 1), of("a", 2), of("b", 2));
        let known = Tags::These(vec![read.clone()]);
        assert!(known.have(&read) && !known.have(&grown), "{read} {grown}");
        assert!(known.are_of(&grown) && !known.are_of(&changed));
    }

    #[test]
    fn a_condition_that_is_none_is_a_wrong_header() {
        let of = |text: &'static str| {
            let headers = [(header::IF_MATCH, HeaderValue::from_static(text))].into_iter().collect();
            Tags::of(&headers, header::IF_MATCH)
        };
        assert!(matches!(of("*"), Ok(Some(Tags::Any))));
        assert!(matches!(of("\"a\", W/\"b\""), Ok(Some(Tags::These(tags))) if tags == ["\"a\"", "\"b\""]));
        for text in ["", "3", "\"", "\"\"", "\"a", "\"a\" \"b\"", "*, \"a\""] {
            assert!(of(text).is_err_and(|problem| problem.is(INVALID_HEADER)), "{text}");
        }
    }
}
