//! Who is let in.

use crate::hub::{Hub, request};
use axum::body::Body;
use axum::http::header;
use insta::assert_json_snapshot;
use openhub_store::Scope;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn unknown_and_wrong_keys_are_unauthenticated() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let mut wrong = tenant.api_key.clone();
    let last = if wrong.ends_with('0') { '1' } else { '0' };
    wrong.pop();
    wrong.push(last);
    for key in ["", "x", "oh_test_1_2", &wrong] {
        let answer = hub.get("/api/v1/customers", key).await;
        assert_eq!(answer.status, 401, "{key}");
        let answer = hub.post("/v1/track", key, json!({"userId": "1", "event": "e"})).await;
        assert_eq!(answer.status, 401, "{key}");
    }
    let without = hub.send(request("GET", "/api/v1/status").body(Body::empty()).unwrap()).await;
    assert!(without.headers.contains_key(header::WWW_AUTHENTICATE));
    assert_json_snapshot!("without_key", without);
    let event = request("POST", "/v1/track").body(Body::from(r#"{"userId":"1","event":"e"}"#)).unwrap();
    assert_json_snapshot!("without_write_key", hub.send(event).await);
}

#[tokio::test]
async fn a_write_key_reads_nothing() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    assert_json_snapshot!("missing_scope", hub.get("/api/v1/customers", &tenant.write_key).await);
    for path in ["/api/v1/events", "/api/v1/plugins", "/api/v1/journeys", "/api/v1/messages", "/api/v1/objects/coupon"]
    {
        assert_eq!(hub.get(path, &tenant.write_key).await.status, 403, "{path}");
    }
    let reader = hub.key(tenant.id, &["customers:read"]).await;
    assert_eq!(hub.get("/api/v1/customers", &reader).await.status, 200);
    let event = json!({"userId": "1", "event": "e"});
    assert_eq!(hub.post("/v1/track", &reader, event).await.status, 403);
}

#[tokio::test]
async fn a_revocation_takes_effect_within_five_seconds() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    assert_eq!(hub.get("/api/v1/status", &tenant.api_key).await.status, 200);
    let id = tenant.api_key.split('_').nth(2).unwrap();
    hub.store.revoke_key(&Scope::of(tenant.id), id, hub.now()).await.unwrap();
    hub.advance(Duration::from_secs(5));
    assert_eq!(hub.get("/api/v1/status", &tenant.api_key).await.status, 401);
}
