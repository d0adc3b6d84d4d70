//! The Segment calls.

use crate::hub::{Hub, request};
use axum::body::Body;
use axum::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use std::io::Write;

fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:")))
}

#[tokio::test]
async fn a_tracked_event_is_stored_as_it_came() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let body = r#"{"event":"Order Completed","userId":42,"messageId":"m-1","properties":{"total":29.330},
        "timestamp":"2026-01-31T10:00:00Z","sentAt":"2026-01-31T11:00:00Z"}"#;
    let request = request("POST", "/v1/track")
        .header(header::AUTHORIZATION, basic(&tenant.write_key))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    let answer = hub.send(request.body(Body::from(body)).unwrap()).await;
    assert_json_snapshot!("track", answer);
    let events = hub.get("/api/v1/events", &tenant.api_key).await;
    assert_json_snapshot!("track_stored", events);
}

#[tokio::test]
async fn each_call_has_its_kind() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for call in ["identify", "track", "page", "screen", "group", "alias"] {
        let body =
            json!({"userId": "ada", "event": "E", "name": "N", "messageId": call, "previousId": "a", "groupId": "g"});
        let answer = hub.post(&format!("/v1/{call}"), &tenant.write_key, body).await;
        assert_eq!((answer.status, answer.body), (200, json!({"success": true})), "{call}");
    }
    let events = hub.get("/api/v1/events", &tenant.api_key).await;
    let kinds: Vec<(&str, &str)> = events.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["type"].as_str().unwrap(), event["name"].as_str().unwrap()))
        .collect();
    let expected = [("identify", ""), ("track", "E"), ("page", "N"), ("screen", "N"), ("group", ""), ("alias", "")];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn one_bad_event_does_not_sink_the_others() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let batch = json!({"batch": [
        {"type": "track", "event": "A", "userId": "1", "messageId": "a"},
        {"type": "track", "userId": "1"},
        7,
        {"type": "track", "event": "B", "userId": "1", "messageId": "b", "properties": {"deep": ["x", "\0"]}},
        {"type": "purchase", "userId": "1"},
        {"type": "track", "event": "C", "userId": "1", "timestamp": "yesterday"},
        {"type": "page", "anonymousId": "x", "messageId": "d", "properties": {"big": "x".repeat(33_000)}},
        {"type": "page", "anonymousId": "x", "messageId": "c"},
    ]});
    let answer = hub.post("/v1/batch", &tenant.write_key, batch).await;
    assert_json_snapshot!("batch_refused", answer);
    let events = hub.get("/api/v1/events", &tenant.api_key).await;
    let ids: Vec<&Value> = events.body["events"].as_array().unwrap().iter().map(|event| &event["message_id"]).collect();
    assert_eq!(ids, ["a", "c"]);
}

#[tokio::test]
async fn a_repeated_message_changes_nothing() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for name in ["First", "Second"] {
        let event = json!({"event": name, "userId": "1", "messageId": "same"});
        assert_eq!(hub.post("/v1/track", &tenant.write_key, event).await.status, 200);
    }
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body["events"].clone();
    assert_eq!(events.as_array().unwrap().len(), 1);
    assert_eq!(events[0]["name"], "First");
}

#[tokio::test]
async fn the_write_key_may_come_in_the_body_and_is_not_kept() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let body = json!({"writeKey": tenant.write_key, "event": "Seen", "anonymousId": "x", "messageId": "beacon"});
    let beacon = request("POST", "/v1/track").header(header::CONTENT_TYPE, "text/plain;charset=UTF-8");
    let answer = hub.send(beacon.body(Body::from(body.to_string())).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let batch = json!({"writeKey": tenant.write_key, "batch": [{"type": "page", "anonymousId": "x"}]});
    let plain = request("POST", "/v1/batch").header(header::CONTENT_TYPE, "application/json");
    assert_eq!(hub.send(plain.body(Body::from(batch.to_string())).unwrap()).await.status, 200);
    let events = hub.get("/api/v1/events", &tenant.api_key).await;
    assert_eq!(events.body["events"].as_array().unwrap().len(), 2);
    assert!(!events.body.to_string().contains(&tenant.write_key));
}

#[tokio::test]
async fn gzip_is_undone_within_bounds() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let send = async |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        let request = request("POST", "/v1/batch")
            .header(header::AUTHORIZATION, basic(&tenant.write_key))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "gzip");
        hub.send(request.body(Body::from(encoder.finish().unwrap())).unwrap()).await
    };
    let answer = send(json!({"batch": [{"type": "page", "userId": "1"}]}).to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.body), (200, json!({"success": true})));
    assert_json_snapshot!("gzip_bomb", send(&vec![b' '; 50_000_000]).await);
}

#[tokio::test]
async fn report_03_an_import_is_history_only_where_it_says_so() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let batch = |id: &str| json!({"batch": [{"type": "page", "userId": "1", "messageId": id}]});
    for (path, id) in
        [("/v1/import?historical=true", "past"), ("/v1/import?historical=false", "now"), ("/v1/import", "live")]
    {
        assert_eq!(hub.post(path, &tenant.server_key, batch(id)).await.status, 200, "{path}");
    }
    let events = hub.get("/api/v1/events", &tenant.api_key).await;
    let historical: Vec<bool> =
        events.body["events"].as_array().unwrap().iter().map(|event| event["historical"] == true).collect();
    assert_eq!(historical, [true, false, false]);
}

#[tokio::test]
async fn a_single_bad_event_is_a_problem() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let answer = hub.post("/v1/track", &tenant.write_key, json!({"userId": "1"})).await;
    assert_json_snapshot!("track_without_event", answer);
}
