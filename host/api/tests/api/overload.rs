//! Overload is refused before anything is accepted.

use crate::hub::Hub;
use axum::http::header;
use insta::assert_json_snapshot;
use openhub_api::Limits;
use serde_json::json;

#[tokio::test]
async fn too_many_requests_are_shed() {
    let hub = Hub::with_limits(Limits { ingest_in_flight: 0, api_in_flight: 0, ..Limits::default() }).await;
    let tenant = hub.tenant("shop").await;
    let event = hub.post("/v1/track", &tenant.write_key, json!({"userId": "1", "event": "e"})).await;
    assert_eq!(event.headers[header::RETRY_AFTER], "1");
    let read = hub.get("/api/v1/status", &tenant.api_key).await;
    assert_eq!(read.headers[header::RETRY_AFTER], "1");
    assert_json_snapshot!("shed", [event, read]);
    assert_eq!(hub.get("/healthz", "").await.status, 200);
}
