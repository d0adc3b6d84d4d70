//! Answers that are a plugin's: no page may read them, nothing in them runs, and none of their headers speaks for the hub.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use openhub_runtime::HttpResponse;

/// How long a caller waits who is told to come again, in seconds, and at most.
pub(crate) const LATER_S: u32 = 5;
const LATEST_S: u32 = 3_600;

/// As long as the plugin asks for.
pub(crate) fn pause(after_ms: u32) -> u32 {
    match after_ms.div_ceil(1_000) {
        0 => LATER_S,
        seconds => seconds.min(LATEST_S),
    }
}

/// The answer of a plugin, with those of its headers that it may set.
pub(crate) fn foreign<const N: usize>(answer: HttpResponse, allowed: [HeaderName; N]) -> Response {
    let HttpResponse { status, headers, body } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    for (name, value) in headers {
        let known = allowed.iter().find(|known| name.eq_ignore_ascii_case(known.as_str()));
        if let (Some(name), Ok(value)) = (known, HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    harmless(response.headers_mut());
    response
}

/// Even if a browser shows it.
fn harmless(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
