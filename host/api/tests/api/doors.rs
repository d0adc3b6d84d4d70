//! The doors under the names, and with the manners, of the field's libraries.

use crate::hub::{Answer, Hub, Tenant, request, until};
use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_api::KeyScopes;
use serde_json::{Value, json};
use std::io::Write;

/// The names and types of the events that a tenant has.
async fn told(hub: &Hub, tenant: &Tenant) -> Vec<(String, String)> {
    let events = hub.get("/api/v1/events", &tenant.api_key).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    events.body["events"].as_array().unwrap().iter().map(|event| (text(&event["type"]), text(&event["name"]))).collect()
}

/// The first fault that a tenant has; they are written down every few seconds.
async fn first_fault(hub: &Hub, tenant: &Tenant) -> Value {
    until("a fault is told", async || {
        let faults = hub.get("/api/v1/faults", &tenant.api_key).await;
        faults.body["faults"].as_array().and_then(|faults| faults.first()).map(|fault| fault["code"].clone())
    })
    .await
}

fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = headers.iter().fold(request("POST", path), |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn report_01_each_call_has_the_names_that_libraries_have_for_it() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let event = json!({"userId": "ada", "event": "E", "name": "N", "previousId": "a", "groupId": "g", "type": "x"});
    let mut expected = Vec::new();
    for (call, letter) in
        [("identify", 'i'), ("track", 't'), ("page", 'p'), ("screen", 's'), ("group", 'g'), ("alias", 'a')]
    {
        let paths = [
            format!("/v1/{letter}"),
            format!("/v1/{letter}/"),
            format!("/v1/{call}/"),
            format!("/api/public/apps/{call}"),
            format!("/api/s/{call}"),
            format!("/api/s/s2s/{call}"),
        ];
        for path in paths {
            assert_eq!(hub.post(&path, &shop.write_key, event.clone()).await.status, 200, "{path}");
            let name = match call {
                "track" => "E",
                "page" | "screen" => "N",
                _ => "",
            };
            expected.push((call.to_owned(), name.to_owned()));
        }
    }
    let batch = json!({"batch": [{"type": "track", "event": "B", "userId": "ada"}]});
    for path in ["/v1/b", "/v1/b/", "/v1/batch/", "/v1/import/", "/beacon/v1/batch", "/api/public/apps/batch"] {
        assert_eq!(hub.post(path, &shop.write_key, batch.clone()).await.status, 200, "{path}");
        expected.push(("track".into(), "B".into()));
    }
    assert_eq!(told(&hub, &shop).await, expected);
    assert_eq!(hub.post("/v1/m", &shop.write_key, json!({"series": []})).await.status, 200);
    let unknown = hub.post("/api/s/purchase", &shop.write_key, event).await;
    assert_eq!((unknown.status, unknown.body["code"].as_str()), (404, Some("unknown-route")));
}

#[tokio::test]
async fn a_key_comes_wherever_libraries_put_it() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let key = shop.write_key.as_str();
    let event = r#"{"event":"E","userId":"1"}"#;
    let with_secret = format!("{key}:secret");
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let (user, pair, bearer) = (basic(key), basic(&format!("{key}:")), format!("Bearer {key}"));
    let in_item = json!({"batch": [{"type": "track", "event": "E", "userId": "1"}, {"type": "track", "event": "E", "userId": "1", "writeKey": key}]});
    let requests = [
        post("/v1/t", &[("authorization", &user)], event),
        post("/v1/t", &[("authorization", &pair)], event),
        post("/v1/t", &[("authorization", &bearer)], event),
        post("/api/s/track", &[("x-write-key", key)], event),
        post("/api/s/track", &[("x-write-key", &with_secret)], event),
        post(
            &format!("/beacon/v1/batch?_=1&writeKey={key}"),
            &[],
            r#"{"batch":[{"type":"track","event":"E","userId":"1"}]}"#,
        ),
        post("/v1/t", &[], json!({"event": "E", "userId": "1", "writeKey": key}).to_string()),
        post("/v1/b", &[], in_item.to_string()),
    ];
    for request in requests {
        let what = format!("{request:?}");
        assert_eq!(hub.send(request).await.status, 200, "{what}");
    }
    assert_eq!(told(&hub, &shop).await.len(), 9);
    let events = hub.get("/api/v1/events", &shop.api_key).await.body.to_string();
    assert!(!events.contains("writeKey"), "no credential is stored");
    for refused in [
        post("/v1/t", &[("x-write-key", "nobody")], event),
        post("/v1/t?writeKey=nobody", &[], event),
        post("/v1/t", &[], event),
    ] {
        let answer = hub.send(refused).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (401, Some("unauthenticated")));
        assert_eq!(answer.body["message"], answer.body["detail"]);
    }
}

#[tokio::test]
async fn report_02_pages_of_other_origins_may_send_events_and_nothing_else() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let origin = ("origin", "https://shop.example");
    let asks = |path: &str| {
        let request = request("OPTIONS", path).header("origin", "https://shop.example");
        let request = request.header("access-control-request-method", "POST");
        request
            .header("access-control-request-headers", "authorization,content-type,anonymousid")
            .body(Body::empty())
            .unwrap()
    };
    for path in ["/v1/track", "/v1/t", "/v1/batch", "/api/s/track", "/beacon/v1/batch"] {
        let answer = hub.send(asks(path)).await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert_eq!(answer.headers["access-control-allow-headers"], "authorization,content-type,anonymousid");
    }
    let body = format!(r#"{{"event":"E","userId":"1","writeKey":"{}"}}"#, shop.write_key);
    let sent = hub.send(post("/v1/track", &[origin, ("content-type", "text/plain;charset=UTF-8")], body)).await;
    assert_eq!(
        (sent.status, &sent.headers["access-control-allow-origin"]),
        (200, &header::HeaderValue::from_static("*"))
    );
    let refused = hub.send(post("/v1/track", &[origin], "{}")).await;
    assert_eq!(refused.status, 401, "a page may read why it is refused");
    assert_eq!(refused.headers["access-control-expose-headers"], "Retry-After");
    for path in ["/api/v1/customers", "/api/v1/status"] {
        assert_eq!(hub.send(asks(path)).await.status, 405, "{path}");
        let read = request("GET", path).header("origin", "https://shop.example");
        let read = read.header(header::AUTHORIZATION, format!("Bearer {}", shop.api_key));
        let answer = hub.send(read.body(Body::empty()).unwrap()).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
}

fn packed(encoding: &str, body: &str) -> Vec<u8> {
    let level = flate2::Compression::default();
    let write = |mut to: Box<dyn Write>| to.write_all(body.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    match encoding {
        "gzip" => write(Box::new(flate2::write::GzEncoder::new(&mut bytes, level))),
        "zlib" => write(Box::new(flate2::write::ZlibEncoder::new(&mut bytes, level))),
        _ => write(Box::new(flate2::write::DeflateEncoder::new(&mut bytes, level))),
    }
    bytes
}

#[tokio::test]
async fn a_body_is_read_whatever_it_calls_itself() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let bearer = format!("Bearer {}", shop.write_key);
    let key = ("authorization", bearer.as_str());
    let event = r#"{"event":"Grüße","userId":"1"}"#;
    for media in
        ["application/json", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"]
    {
        assert_eq!(hub.send(post("/v1/t", &[key, ("content-type", media)], event)).await.status, 200, "{media}");
    }
    for (name, encoding) in [("gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw")] {
        let answer = hub.send(post("/v1/t", &[key, ("content-encoding", name)], packed(encoding, event))).await;
        assert_eq!(answer.status, 200, "{encoding}");
    }
    assert_eq!(hub.send(post("/v1/t", &[key], format!("\u{feff}{event}"))).await.status, 200, "with a BOM");
    assert!(told(&hub, &shop).await.iter().all(|(_, name)| name == "Grüße"));
    let utf16: Vec<u8> = event.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1: Vec<u8> = event.chars().map(|letter| letter as u8).collect();
    for (body, encoding) in [(utf16, ""), (latin1, ""), (event.into(), "gzip"), (event.into(), "br")] {
        let answer = hub.send(post("/v1/t", &[key, ("content-encoding", encoding)], body)).await;
        assert!([400, 415].contains(&answer.status), "{answer:?}");
    }
}

#[tokio::test]
async fn one_nan_refuses_one_event() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let bearer = format!("Bearer {}", shop.write_key);
    let batch = r#"{"batch":[
        {"type":"track","event":"A","userId":"1","properties":{"x":1}},
        {"type":"track","event":"B","userId":"1","messageId":"0190a5b1-c4d2-4000-a5b1-c4d270000001","properties":{"x":NaN}},
        {"type":"track","event":"C","userId":"1","properties":{"x":"},{"}}
    ],"sentAt":"2026-01-31T12:00:00Z"}"#;
    let answer = hub.send(post("/v1/batch", &[("authorization", &bearer)], batch)).await;
    let refused: Vec<(&Value, &Value)> = answer.body["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refused| (&refused["index"], &refused["code"]))
        .collect();
    assert_eq!((answer.status, refused), (200, vec![(&json!(1), &json!("invalid-json"))]));
    let names: Vec<String> = told(&hub, &shop).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["A", "C"]);
    let said = answer.body["refused"][0]["message"].as_str().unwrap();
    assert!(said.contains("JSON has no `NaN`"), "{said}");
    assert_eq!(first_fault(&hub, &shop).await, "invalid-json", "what a library drops in silence is told");
    let fault = hub.get("/api/v1/faults", &shop.api_key).await.body["faults"][0].clone();
    assert_eq!(fault["message_id"], "0190a5b1-c4d2-4000-a5b1-c4d270000001", "user14 11: {fault}");
    assert!(fault["text"].as_str().is_some_and(|text| text.contains("NaN")), "{fault}");
}

#[tokio::test]
async fn a_servers_key_sends_larger_bodies_and_what_is_too_large_is_told() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let server = hub.key(shop.id, KeyScopes::SERVER).await;
    let event = json!({"type": "track", "event": "E", "userId": "1", "properties": {"text": "x".repeat(5_000)}});
    let large = json!({"batch": vec![event; 200]});
    let send = async |key: &str, body: &Value| -> Answer { hub.post("/v1/batch", key, body.clone()).await };
    assert_eq!(send(&server, &large).await.status, 200, "as RudderStack's libraries send it");
    let refused = send(&shop.write_key, &large).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (413, Some("too-large")));
    assert_eq!(first_fault(&hub, &shop).await, "too-large");
}
