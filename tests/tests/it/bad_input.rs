//! Whatever comes in over HTTP, the answer is the problem that it deserves, never a 5xx, and nothing is half-written.
//!
//! Against the binary, so that what lies before the handlers counts too. All combinations of routes and bodies are the
//! API's own tests.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use openhub_tests::component;
use openhub_tests::guests::root;
use openhub_tests::hub::{Answer, Client, Place, programs};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use xtask::demo::setup::Tenant;
use xtask::process::Server;

struct Fixture {
    client: Client,
    tenant: Tenant,
    hub: Server,
    _place: Place,
}

impl Fixture {
    async fn start() -> Fixture {
        let place = Place::new(None);
        let tenant = place.tenant("live").await;
        let hub = place.serve().await;
        Fixture { client: Client::new(&hub.url), tenant, hub, _place: place }
    }

    async fn head(&self) -> i64 {
        let status = self.client.get("/api/v1/status", &self.tenant.api_key).await;
        status.body["head"].as_i64().unwrap_or_else(|| panic!("no head: {status:?}"))
    }

    /// A request with the write key and a body as it is.
    async fn raw(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let mut request = self.client.request(Method::POST, path).basic_auth(&self.tenant.write_key, Some(""));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client.send(request.body(body.into())).await
    }
}

/// The answer is a problem of this status and type, in the form that all have.
fn is_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.problem()), (status, code), "{answer:?}");
    assert_eq!(answer.content_type, "application/problem+json", "{answer:?}");
    assert_eq!(answer.body["status"], status, "{answer:?}");
    assert!(answer.body["type"].as_str().is_some_and(|kind| kind.starts_with("https://openhub.dev/problems/")));
    assert!(answer.body["title"].is_string() && answer.body["detail"].is_string(), "{answer:?}");
}

fn fault<'a>(answer: &'a Answer, pointer: &str) -> &'a Value {
    let faults = answer.body["faults"].as_array().unwrap_or_else(|| panic!("no faults: {answer:?}"));
    faults.iter().find(|fault| fault["pointer"] == pointer).unwrap_or_else(|| panic!("no {pointer}: {answer:?}"))
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

#[tokio::test]
async fn a_bad_event_is_refused_alone() {
    let hub = Fixture::start().await;
    let good = |id: u32| json!({"type": "track", "event": "Seen", "userId": "ada", "messageId": format!("good-{id}")});
    let faulty = [
        (json!({"type": "track", "userId": "ada"}), "missing-event", "/event"),
        (json!({"type": "track", "event": "Seen"}), "missing-identity", "/userId"),
        (json!({"type": "buy", "userId": "ada"}), "unknown-type", "/type"),
        (json!({"type": "track", "event": "Seen", "userId": {"a": 1}}), "wrong-type", "/userId"),
        (json!({"type": "track", "event": "Seen", "userId": "ada", "properties": [1]}), "wrong-type", "/properties"),
        (json!({"type": "page", "userId": "ada", "timestamp": "yesterday"}), "invalid-timestamp", "/timestamp"),
        (json!({"type": "page", "userId": "ada", "properties": {"a": "x\0"}}), "null-character", "/properties/a"),
        (json!({"type": "page", "userId": "ada", "properties": {"a": "x".repeat(33_000)}}), "event-too-large", ""),
        (json!("an event"), "not-an-object", ""),
    ];
    let mut batch = Vec::new();
    for ((event, ..), id) in faulty.iter().zip(0..) {
        batch.extend([good(id), event.clone()]);
    }
    let answer = hub.client.ingest("/v1/batch", &hub.tenant.write_key, &json!({"batch": batch})).await;
    assert_eq!((answer.status, &answer.body["success"]), (StatusCode::OK, &json!(true)), "{answer:?}");
    let refused = answer.body["refused"].as_array().expect("a list");
    assert_eq!(refused.len(), faulty.len(), "{answer:?}");
    for ((refused, (_, code, pointer)), number) in refused.iter().zip(&faulty).zip(0..) {
        let index = 2 * number + 1;
        let expected = json!({"index": index, "code": code, "pointer": format!("/batch/{index}{pointer}")});
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(&refused[name], value, "{refused}");
        }
        assert!(refused["message"].is_string(), "{refused}");
    }
    let ids: Vec<Value> = hub.client.rows("/api/v1/events?", "events", &hub.tenant.api_key).await;
    let ids: Vec<&str> = ids.iter().filter_map(|event| event["message_id"].as_str()).collect();
    let all_good: Vec<String> = (0..faulty.len()).map(|id| format!("good-{id}")).collect();
    assert_eq!(ids, all_good, "the good events, and only they, are in the log");
}

#[tokio::test]
async fn what_is_not_accepted_leaves_nothing() {
    let hub = Fixture::start().await;
    let event = r#"{"type":"track","event":"Seen","userId":"ada"}"#;
    let big_event = json!({"type": "track", "event": "Seen", "userId": "ada", "properties": {"a": "x".repeat(33_000)}});
    let big_body = format!(r#"{{"batch":[{}]}}"#, vec![event; 12_000].join(","));
    let zipped = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 100_000);
    let cut = gzip(event.as_bytes());
    let nul = r#"{"event":"Seen","userId":"a\u0000"}"#;
    let html = [("content-type", "text/html")];
    let brotli = [("content-type", "application/json"), ("content-encoding", "br")];
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("/v1/track", &JSON, b"{\"event\":".to_vec(), 400, "invalid-json"),
        ("/v1/track", &JSON, b"".to_vec(), 400, "invalid-json"),
        ("/v1/track", &JSON, b"\xff\xfe".to_vec(), 400, "invalid-json"),
        ("/v1/track", &JSON, b"[]".to_vec(), 400, "invalid-event"),
        ("/v1/track", &JSON, br#"{"event":7,"userId":"ada"}"#.to_vec(), 400, "invalid-event"),
        ("/v1/track", &JSON, nul.into(), 400, "invalid-event"),
        ("/v1/track", &JSON, big_event.to_string().into(), 413, "too-large"),
        ("/v1/batch", &JSON, b"{\"batch\":[".to_vec(), 400, "invalid-json"),
        ("/v1/batch", &JSON, br#"{"batch":7}"#.to_vec(), 400, "invalid-body"),
        ("/v1/batch", &JSON, b"{}".to_vec(), 400, "invalid-body"),
        ("/v1/batch", &JSON, format!(r#"{{"batch":[{event}],"sentAt":"x"}}"#).into(), 400, "invalid-body"),
        ("/v1/batch", &JSON, big_body.into(), 413, "too-large"),
        ("/v1/batch", &zipped, b"no gzip".to_vec(), 400, "invalid-encoding"),
        ("/v1/track", &zipped, cut[..cut.len() - 6].to_vec(), 400, "invalid-encoding"),
        ("/v1/batch", &zipped, bomb, 413, "too-large"),
        ("/v1/track", &html, event.into(), 415, "unsupported-media-type"),
        ("/v1/track", &brotli, event.into(), 415, "unsupported-media-type"),
        ("/v1/buy", &JSON, event.into(), 404, "unknown-route"),
    ];
    let head = hub.head().await;
    for (path, headers, body, status, code) in cases {
        println!("{path} {headers:?} {} bytes: {status} {code}", body.len());
        is_problem(&hub.raw(path, headers, body).await, status, code);
    }
    let nul = hub.raw("/v1/track", &JSON, nul).await;
    assert_eq!(fault(&nul, "/userId")["code"], "null-character");
    assert_eq!(hub.head().await, head, "something refused was written all the same");
    // The hub is as well as before, and so is gzip.
    let answer = hub.raw("/v1/track", &zipped, gzip(event.as_bytes())).await;
    assert_eq!((answer.status, &answer.body), (StatusCode::OK, &json!({"success": true})));
    assert_eq!(hub.head().await, head + 1);
}

#[tokio::test]
async fn keys_routes_and_queries() {
    let hub = Fixture::start().await;
    let event = json!({"event": "Seen", "userId": "ada"});
    let forged = format!("{}x", &hub.tenant.write_key[..hub.tenant.write_key.len() - 1]);
    for key in ["", "secret", "oh_live_none_none", &forged] {
        is_problem(&hub.client.ingest("/v1/track", key, &event).await, 401, "unauthenticated");
        is_problem(&hub.client.get("/api/v1/customers", key).await, 401, "unauthenticated");
    }
    let nameless = hub.client.request(Method::POST, "/v1/track").json(&event);
    is_problem(&hub.client.send(nameless).await, 401, "unauthenticated");
    is_problem(&hub.client.get("/api/v1/customers", &hub.tenant.write_key).await, 403, "missing-scope");

    let key = &hub.tenant.api_key;
    let wrong_method = hub.client.json(Method::DELETE, "/v1/track", key, &json!({})).await;
    is_problem(&wrong_method, 405, "method-not-allowed");
    for (query, pointer) in [
        ("customers?after=AAAA", "/after"),
        ("events?after=%21", "/after"),
        ("customers?limit=0", "/limit"),
        (
            "customers?condition=%7B%22all%22%3A%5B%7B%22tag%22%3A%22a%22%7D%2C%7B%22tag%22%3A7%7D%5D%7D",
            "/condition/all/1/tag",
        ),
        (
            "customers?condition=%7B%22attribute%22%3A%7B%22name%22%3A%22a%22%2C%22is%22%3A%22above%22%2C%22value%22%3A1%7D%7D",
            "/condition/attribute/is",
        ),
    ] {
        let answer = hub.client.get(&format!("/api/v1/{query}"), key).await;
        is_problem(&answer, 400, "invalid-query");
        fault(&answer, pointer);
    }
    is_problem(&hub.client.get("/api/v1/customers/%00", key).await, 400, "invalid-path");
    is_problem(&hub.client.get("/api/v2/customers", key).await, 404, "unknown-route");
    let live = hub.client.json(Method::POST, "/api/v1/clock", key, &json!({"to": "2030-01-01T00:00:00Z"})).await;
    is_problem(&live, 409, "live-clock");
    assert_eq!(hub.head().await, 0);
}

#[tokio::test]
async fn components_are_refused_with_the_reason() {
    let hub = Fixture::start().await;
    let key = &hub.tenant.api_key;
    let ours = |wanted: &str| {
        let found = programs().components.iter().find(|(name, _)| name == wanted);
        found.map(|(_, bytes)| bytes.clone()).expect("a plugin of ours")
    };
    let bare = component::without_manifest(&ours("webhook"));
    let locked = std::fs::read(root().join("plugins/webhook/manifest.lock.json")).expect("the manifest");
    let manifest: Value = serde_json::from_slice(&locked).expect("JSON");
    let without = |import: &str| {
        let mut manifest = manifest.clone();
        let imports = manifest["imports"].as_array_mut().expect("a list");
        let before = imports.len();
        imports.retain(|listed| listed != import);
        assert_eq!(imports.len() + 1, before, "the plugin does not import {import}");
        component::with_manifest(bare.clone(), manifest.to_string().as_bytes())
    };
    let padded = component::with_manifest(ours("rfm"), &vec![b' '; 32 * 1024 * 1024]);
    let points: Value = {
        let text = std::fs::read(root().join("plugins/points/manifest.lock.json")).expect("the manifest");
        serde_json::from_slice(&text).expect("JSON")
    };
    let cases = [
        (b"hello".to_vec(), "not-a-component", ""),
        (b"\0asm\x01\0\0\0".to_vec(), "not-a-component", "core module"),
        (ours("rfm")[..2_000].to_vec(), "incomplete-component", "upload the whole file"),
        (component::empty(), "no-manifest", "openhub:manifest"),
        (bare.clone(), "no-manifest", "openhub:manifest"),
        (component::with_manifest(bare.clone(), b"{}"), "bad-manifest", ""),
        (component::with_manifest(ours("webhook"), manifest.to_string().as_bytes()), "bad-manifest", "two manifests"),
        (without("openhub:http/http"), "undeclared-import", "openhub:http/http"),
        (
            component::with_manifest(component::empty(), points.to_string().as_bytes()),
            "missing-export",
            "openhub:rule/rule",
        ),
        (padded, "too-large", "bytes"),
    ];
    for (bytes, code, reason) in cases {
        let answer = hub.client.upload(key, bytes).await;
        is_problem(&answer, 422, code);
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.contains(reason)), "{reason}: {answer:?}");
    }
    is_problem(&hub.client.upload(key, vec![0; 35 * 1024 * 1024]).await, 413, "too-large");
    let typed = hub.client.json(Method::POST, "/api/v1/plugins", key, &json!({})).await;
    is_problem(&typed, 415, "unsupported-media-type");
    let plugins = hub.client.get("/api/v1/plugins", key).await;
    assert_eq!(plugins.body, json!({"plugins": [], "next": null}), "something refused was installed all the same");
    // With its own manifest back the same component is welcome.
    let whole = component::with_manifest(bare, manifest.to_string().as_bytes());
    assert_eq!(hub.client.upload(key, whole).await.status, StatusCode::CREATED, "{}", hub.hub.log_tail());
}

#[tokio::test]
async fn a_faulty_journey_is_not_published() {
    let hub = Fixture::start().await;
    let key = &hub.tenant.api_key;
    let faulty = json!({
        "trigger": {"event": "Signed Up"}, "reentry": "always", "start": "rest",
        "nodes": {
            "rest": {"type": "wait", "duration": "1h", "next": "tell"},
            "tell": {"type": "send", "channel": "pigeon", "content": {"text": "hello"}, "next": "nowhere"},
        },
    });
    let saved = hub.client.json(Method::PUT, "/api/v1/journeys/welcome", key, &faulty).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    let head = hub.head().await;
    let refused = hub.client.json(Method::POST, "/api/v1/journeys/welcome/publish", key, &json!({})).await;
    is_problem(&refused, 422, "invalid-journey");
    assert_eq!(fault(&refused, "/nodes/tell/next")["code"], "dangling-edge");
    fault(&refused, "/nodes/tell/channel");
    let journey = hub.client.get("/api/v1/journeys/welcome", key).await;
    assert_eq!((&journey.body["status"], &journey.body["version"]), (&json!("draft"), &json!(null)), "{journey:?}");
    assert_eq!(hub.head().await, head);
    let shapeless = hub.client.json(Method::PUT, "/api/v1/journeys/other", key, &json!({"nodes": 7})).await;
    assert!(shapeless.status.is_success() || shapeless.status.is_client_error(), "{shapeless:?}");
    let refused = hub.client.json(Method::POST, "/api/v1/journeys/other/publish", key, &json!({})).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
}
