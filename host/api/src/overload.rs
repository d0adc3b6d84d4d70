//! Refuses work before it is accepted: at most so many requests at once. The permit is taken before the body is
//! read, so that memory stays bounded too.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::Shared;
use crate::problem::{OVERLOADED, Problem, TOO_MANY_REQUESTS};

const RETRY_AFTER_S: u32 = 1;

/// For the event calls: 429, which the Segment libraries retry.
pub(crate) async fn shed_ingest(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Ok(_permit) = shared.ingest.try_acquire() else {
        metrics::counter!("openhub_requests_shed_total", "door" => "ingest").increment(1);
        return Problem::new(TOO_MANY_REQUESTS, "Nothing was accepted. Send it again later.")
            .retry_after(RETRY_AFTER_S)
            .into_response();
    };
    next.run(request).await
}

/// For the hub's own API: 503.
pub(crate) async fn shed_api(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Ok(_permit) = shared.api.try_acquire() else {
        metrics::counter!("openhub_requests_shed_total", "door" => "api").increment(1);
        return Problem::new(OVERLOADED, "Nothing was done. Send it again later.")
            .retry_after(RETRY_AFTER_S)
            .into_response();
    };
    next.run(request).await
}
