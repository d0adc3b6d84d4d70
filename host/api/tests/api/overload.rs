//! Overload is refused before anything is accepted, and to those who cause it.

use crate::hub::Hub;
use axum::http::header;
use insta::assert_json_snapshot;
use openhub_api::Limits;
use openhub_engine::Bounds;
use serde_json::{Value, json};
use std::time::Duration;

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

fn events(count: usize) -> Value {
    json!({"batch": vec![json!({"type": "track", "userId": "u", "event": "e"}); count]})
}

#[tokio::test]
async fn d3_a_tenant_that_is_too_far_behind_is_told_so_and_no_other() {
    let hub = Hub::with_bounds(Bounds { events: 10, time: Duration::from_secs(300) }).await;
    let busy = hub.tenant("busy").await;
    hub.settle(&busy).await;
    let usurped = hub.usurped().await;
    let quiet = hub.tenant("quiet").await;
    assert_eq!(hub.post("/v1/batch", &busy.write_key, events(9)).await.status, 200);
    assert_eq!(
        hub.post("/v1/batch", &busy.write_key, events(3)).await.status,
        200,
        "below the bound it is only slowed"
    );
    for (path, body) in [("/v1/batch", events(1)), ("/v1/track", json!({"userId": "u", "event": "e"}))] {
        let refused = hub.post(path, &busy.write_key, body).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.body["type"], "https://openhub.dev/problems/too-far-behind");
        assert!(refused.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    }
    assert_eq!(hub.get("/api/v1/status", &busy.api_key).await.body["behind"], 12, "nothing of it was accepted");
    assert_eq!(hub.post("/v1/batch", &quiet.write_key, events(9)).await.status, 200);
    usurped.release().await;
    hub.settle(&busy).await;
    assert_eq!(hub.post("/v1/batch", &busy.write_key, events(9)).await.status, 200);
    hub.settle(&busy).await;
    assert_eq!(hub.get("/api/v1/status", &busy.api_key).await.body["behind"], 0);
}
