//! Pages of other origins may call the doors for events, and nothing else of the hub (the Fetch standard's CORS). No cookie is ever
//! asked for: who may send is told by the key.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

/// How long a browser may remember the answer, in seconds: Chromium does for two hours at most.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// What libraries send, for who asks without naming any.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-write-key, x-retry-count");
/// Without it a library that is told to wait guesses for how long.
const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After");
/// Bytes of a list of headers that is answered.
const LONGEST: usize = 1_024;

/// The answer may be read by the page that asked.
pub(crate) async fn open_to_pages(request: Request, next: Next) -> Response {
    let is_of_a_page = request.headers().contains_key(header::ORIGIN);
    let mut response = next.run(request).await;
    if is_of_a_page {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

/// The answer to a browser that asks beforehand. What it wants to send may be sent.
pub(crate) async fn preflight(asked: HeaderMap) -> (StatusCode, HeaderMap) {
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|wanted| wanted.len() <= LONGEST);
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.cloned().unwrap_or(HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    (StatusCode::NO_CONTENT, headers)
}
