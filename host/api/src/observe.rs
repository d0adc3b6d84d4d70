//! Counts requests by route template, so that the metrics never carry an id of anyone.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

pub(crate) async fn count_request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("openhub_http_request_seconds", "route" => route.clone()).record(started.elapsed());
    metrics::counter!("openhub_http_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
    response
}
