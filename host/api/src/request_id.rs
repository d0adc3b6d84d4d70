//! Each request has an id: its answer says it, and so does the audit log.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use openhub_model::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request that is being answered.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub String);

/// Gives ids: when this process began, and a number. Nothing follows from knowing one.
pub(crate) struct RequestIds {
    began: Timestamp,
    next: AtomicU64,
}

impl RequestIds {
    pub fn since(began: Timestamp) -> RequestIds {
        RequestIds { began, next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:x}-{:x}", self.began.micros(), self.next.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) async fn with_request_id(State(ids): State<Arc<RequestIds>>, mut request: Request, next: Next) -> Response {
    let id = ids.next();
    let value = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).await;
    if let Ok(value) = value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
