//! Whatever comes in, the answer is a problem with a stable type, and never a 5xx.

use crate::hub::{Hub, Tenant, encode, request, until};
use axum::body::Body;
use axum::http::header;
use insta::assert_json_snapshot;
use serde_json::json;

/// Every route that takes a body, with its method.
const WRITES: [(&str, &str); 27] = [
    ("POST", "/v1/identify"),
    ("POST", "/v1/track"),
    ("POST", "/v1/page"),
    ("POST", "/v1/screen"),
    ("POST", "/v1/group"),
    ("POST", "/v1/alias"),
    ("POST", "/v1/batch"),
    ("POST", "/v1/import"),
    ("POST", "/api/v1/customers"),
    ("PATCH", "/api/v1/customers/00000000-0000-0000-0000-000000000000"),
    ("POST", "/api/v1/plugins"),
    ("PUT", "/api/v1/plugins/none/secrets/none"),
    ("POST", "/api/v1/plugins/none/enable"),
    ("PUT", "/api/v1/journeys/Bad_Name"),
    ("POST", "/api/v1/journeys/none/publish"),
    ("POST", "/api/v1/journeys/none/pause"),
    ("POST", "/api/v1/objects/none"),
    ("PATCH", "/api/v1/objects/none/none"),
    ("DELETE", "/api/v1/objects/none/none"),
    ("DELETE", "/api/v1/plugins/none"),
    ("POST", "/api/v1/clock"),
    ("PUT", "/api/v1/segments/some"),
    ("PUT", "/api/v1/segments/Bad_Name"),
    ("POST", "/api/v1/segments/preview"),
    ("POST", "/api/v1/segments/why"),
    ("POST", "/api/v1/segments/none/members"),
    ("DELETE", "/api/v1/segments/none"),
];

async fn send(hub: &Hub, tenant: &Tenant, method: &str, path: &str, media: &str, body: &[u8]) -> u16 {
    let request = request(method, path)
        .header(header::AUTHORIZATION, format!("Bearer {}", tenant.api_key))
        .header(header::CONTENT_TYPE, media);
    let answer = hub.send(request.body(Body::from(body.to_vec())).unwrap()).await;
    if answer.status >= 400 {
        let what =
            format!("{method} {path} {media} {:?}: {answer:?}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        assert!(answer.status < 500, "{what}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
        let problem_type = answer.body["type"].as_str().unwrap_or_default();
        assert!(problem_type.starts_with("https://openhub.dev/problems/"), "{what}");
        assert_eq!(answer.body["status"], answer.status, "{what}");
        assert!(answer.body["title"].is_string() && answer.body["detail"].is_string(), "{what}");
    }
    answer.status
}

#[tokio::test]
async fn issue_14_a_query_that_is_not_utf8_asks_for_nothing_else() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let refused = hub.get("/api/v1/customers?limit=5&identity=user_id:%ff", &tenant.api_key).await;
    assert_eq!((refused.status, &refused.body["faults"][0]["pointer"]), (400, &json!("/identity")), "{refused:?}");
    assert_eq!(hub.get("/api/v1/customers?identity=user_id:%C3%A4", &tenant.api_key).await.status, 200);
}

#[tokio::test]
async fn issue_14_a_batch_is_not_there_twice() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let event = |name: &str| format!(r#"[{{"type":"track","event":"{name}","userId":"1"}}]"#);
    let body = format!(r#"{{"batch":{},"batch":{}}}"#, event("A"), event("B"));
    let request = request("POST", "/v1/batch")
        .header(header::AUTHORIZATION, format!("Bearer {}", tenant.write_key))
        .header(header::CONTENT_TYPE, "application/json");
    let refused = hub.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!((refused.status, &refused.body["faults"][0]["pointer"]), (400, &json!("/batch")), "{refused:?}");
    assert_eq!(refused.body["faults"][0]["code"], "repeated-field");
}

#[tokio::test]
async fn issue_14_a_path_that_is_not_utf8_is_a_problem_on_every_route() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for path in [
        "/hooks/shop/plugin/%FF",
        "/hooks/%FF/plugin/source",
        "/unsubscribe/%FF",
        "/api/v1/objects/%C3%28",
        "/api/v1/customers/%80",
        "/v1/projects/%FF/settings",
        "/api/public/apps/%FF",
        "/nowhere/%FF",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            assert_eq!(send(&hub, &tenant, method, path, "application/json", b"{}").await, 400, "{method} {path}");
        }
    }
}

/// Programs that write files put it there.
#[tokio::test]
async fn issue_14_a_byte_order_mark_is_passed_over_at_every_door() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let marked = |json: &str| format!("\u{feff}{json}").into_bytes();
    for (method, path, body, status) in [
        ("POST", "/v1/track", r#"{"event":"a","userId":"u"}"#, 200),
        ("POST", "/v1/batch", r#"{"batch":[{"type":"track","event":"a","userId":"u"}]}"#, 200),
        ("POST", "/api/v1/customers", r#"{"identities":[{"kind":"user_id","value":"v"}]}"#, 201),
        ("PATCH", "/api/v1/settings", r#"{"fault_days":7}"#, 200),
        ("PUT", "/api/v1/object-types/store", r#"{"fields":[{"name":"code","type":"text"}]}"#, 200),
        ("POST", "/api/v1/objects/store", r#"{"fields":{"code":"a"}}"#, 201),
        ("POST", "/api/v1/segments/preview", r#"{"condition":{"tag":"vip"}}"#, 200),
    ] {
        let got = send(&hub, &tenant, method, path, "application/json", &marked(body)).await;
        assert_eq!(got, status, "{method} {path}");
    }
    assert_eq!(send(&hub, &tenant, "PATCH", "/api/v1/settings", "application/json", &marked("\u{feff}{}")).await, 400);
}

/// A few bytes of text can become hundreds of values.
#[tokio::test]
async fn a_body_of_too_many_values_is_refused_before_it_is_read() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let values = format!("[{}0]", r#"{"a":0},"#.repeat(120_000));
    for (method, path) in
        [("POST", "/api/v1/journeys/x/check"), ("PUT", "/api/v1/journeys/x"), ("POST", "/api/v1/customers")]
    {
        assert_eq!(send(&hub, &tenant, method, path, "application/json", values.as_bytes()).await, 413, "{path}");
    }
    let text = format!("{:?}", "[{,:".repeat(250_000));
    assert_ne!(send(&hub, &tenant, "POST", "/api/v1/customers", "application/json", text.as_bytes()).await, 413);
}

#[tokio::test]
async fn large_bodies_wait_for_each_other_and_all_are_answered() {
    let limits =
        openhub_api::Limits { all_json_weight: 3 << 20, json_weight: 3 << 20, ..openhub_api::Limits::default() };
    let hub = Hub::with_limits(limits).await;
    let tenant = hub.tenant("shop").await;
    let values = format!("[{}0]", r#"{"a":0},"#.repeat(3_000));
    let call = || send(&hub, &tenant, "POST", "/api/v1/customers", "application/json", values.as_bytes());
    for status in futures::future::join_all((0..4).map(|_| call())).await {
        assert_eq!(status, 400);
    }
    assert_eq!(call().await, 400, "what they took is given back");
}

#[tokio::test]
async fn no_body_makes_a_5xx() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_event = format!(r#"{{"userId":"1","event":"e","type":"track","p":{deep}}}"#);
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"7".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe".to_vec(),
        b"\0".to_vec(),
        br#"{"batch":7}"#.to_vec(),
        br#"{"batch":[],"sentAt":7}"#.to_vec(),
        br#"{"batch":[{}],"sentAt":"x"}"#.to_vec(),
        br#"{"userId":"1","event":"e","type":"track","p":"\u0000"}"#.to_vec(),
        br#"{"userId":"1","event":"e","type":"track","p":"\ud800"}"#.to_vec(),
        br#"{"userId":"1","event":"e","type":"track","p":1e999}"#.to_vec(),
        br#"{"identities":[{"kind":"user_id","value":"\u0000"}]}"#.to_vec(),
        br#"{"identities":[{"kind":"shoe_size","value":"42"}]}"#.to_vec(),
        br#"{"attributes":[],"tags":7}"#.to_vec(),
        br#"{"tags":{"vip":"yes"}}"#.to_vec(),
        br#"{"to":"tomorrow"}"#.to_vec(),
        br#"{"condition":7,"static":7}"#.to_vec(),
        br#"{"condition":{"tag":"\u0000"}}"#.to_vec(),
        br#"{"condition":{"segment":"none"},"customer":"none"}"#.to_vec(),
        br#"{"add":[{"kind":"","value":"\u0000"}],"remove":{}}"#.to_vec(),
        br#"{"value":7}"#.to_vec(),
        br#"{"fields":7}"#.to_vec(),
        br#"{"settings":7,"grant":7}"#.to_vec(),
        deep.clone().into_bytes(),
        deep_event.into_bytes(),
        vec![b'x'; 2_000_000],
    ];
    let mut refused = 0;
    for (method, path) in WRITES {
        for body in &bodies {
            for media in ["application/json", "application/wasm", "text/html"] {
                refused += usize::from(send(&hub, &tenant, method, path, media, body).await >= 400);
            }
        }
    }
    assert!(refused > 1_000, "only {refused} were refused");
    let left = hub.store.standing(&openhub_store::Scope::of(tenant.id)).await.unwrap();
    assert_eq!(left.set_aside, 0);
}

#[tokio::test]
async fn no_target_makes_a_5xx() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let condition = encode(r#"{"attribute":{"name":"a","is":"above","value":1}}"#);
    for (path, status) in [
        ("/nowhere".to_owned(), 404),
        ("/api/v1/customers/not-an-id".to_owned(), 404),
        ("/api/v1/customers/%00".to_owned(), 400),
        ("/api/v1/customers/%FF".to_owned(), 400),
        ("/api/v1/customers?limit=0".to_owned(), 400),
        ("/api/v1/customers?limit=x".to_owned(), 400),
        ("/api/v1/customers?limit=1001".to_owned(), 400),
        ("/api/v1/customers?after=xyz".to_owned(), 400),
        ("/api/v1/customers?identity=ada".to_owned(), 400),
        ("/api/v1/customers?identity=user_id:%00".to_owned(), 400),
        ("/api/v1/customers?condition=7".to_owned(), 400),
        (format!("/api/v1/customers?condition={condition}"), 400),
        ("/api/v1/customers?colour=red".to_owned(), 400),
        ("/api/v1/customers/00000000-0000-0000-0000-000000000000/timeline".to_owned(), 404),
        ("/api/v1/events?customer=ada".to_owned(), 400),
        ("/api/v1/messages?status=lost".to_owned(), 400),
        ("/api/v1/messages/7".to_owned(), 404),
        ("/api/v1/plugins/none".to_owned(), 404),
        ("/api/v1/plugins/Bad_Name".to_owned(), 400),
        ("/api/v1/journeys/none".to_owned(), 404),
        ("/api/v1/journeys/none/counts".to_owned(), 404),
        ("/api/v1/objects/none/none".to_owned(), 404),
        ("/api/v1/customers/00000000-0000-0000-0000-000000000000/segments".to_owned(), 404),
        ("/api/v1/customers/00000000-0000-0000-0000-000000000000/objects".to_owned(), 404),
        ("/api/v1/customers/00000000-0000-0000-0000-000000000000/timeline?kind=event,dream".to_owned(), 400),
        ("/api/v1/customers/00000000-0000-0000-0000-000000000000/timeline?from=yesterday".to_owned(), 400),
        ("/api/v1/segments?after=xyz".to_owned(), 400),
        ("/api/v1/segments/none".to_owned(), 404),
        ("/api/v1/segments/Bad_Name".to_owned(), 400),
        ("/api/v1/segments/none/members?limit=0".to_owned(), 400),
        ("/api/v1/segments/none/versions".to_owned(), 404),
        ("/api/v1/segments/none/export?format=xlsx".to_owned(), 400),
        ("/api/v1/segments/none/why?customer=none".to_owned(), 404),
        ("/api/v1/segments/none/why".to_owned(), 400),
    ] {
        assert_eq!(send(&hub, &tenant, "GET", &path, "application/json", b"").await, status, "{path}");
    }
    assert_eq!(send(&hub, &tenant, "DELETE", "/v1/track", "application/json", b"").await, 405);
    assert_eq!(send(&hub, &tenant, "PUT", "/api/v1/customers", "application/json", b"{}").await, 405);
}

#[tokio::test]
async fn problems_have_a_stable_form() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let mut answers = Vec::new();
    for (method, path, body) in [
        ("GET", "/nowhere", None),
        ("DELETE", "/api/v1/customers", None),
        ("GET", "/api/v1/customers?condition=%7B%22all%22:%5B%7B%22tags%22:1%7D%5D%7D", None),
        ("POST", "/api/v1/customers", Some(json!({"identities": [], "color": "red"}))),
        ("POST", "/api/v1/customers", Some(json!({"identities": []}))),
        ("POST", "/api/v1/customers", Some(json!({"identities": [{"kind": "user_id", "value": "a\0"}]}))),
        ("POST", "/api/v1/clock", Some(json!({"to": "2026-02-01T00:00:00Z"}))),
        ("POST", "/api/v1/objects/none", Some(json!({"fields": {}}))),
    ] {
        answers.push(hub.call(method, path, &tenant.api_key, body).await);
    }
    assert_json_snapshot!("problems", answers);
}

/// What serde derives reads `["a"]` as `{"name": "a"}`.
#[tokio::test]
async fn an_array_is_no_object() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let track = json!(["track", "u"]);
    for (method, path, body, pointer) in [
        ("POST", "/v1/track", track.clone(), ""),
        ("POST", "/v1/batch", json!([[{"type": "track", "event": "e", "userId": "u"}]]), ""),
        ("POST", "/v1/import", json!([]), ""),
        ("POST", "/api/v1/customers", json!([[{"kind": "user_id", "value": "u"}]]), ""),
        ("POST", "/api/v1/customers", json!({"identities": [["user_id", "u"]]}), "/identities/0"),
        ("POST", "/api/v1/clock", json!(["2026-02-01T00:00:00Z"]), ""),
        ("PATCH", "/api/v1/settings", json!([]), ""),
        ("PUT", "/api/v1/attributes/tier", json!(["string"]), ""),
        ("PUT", "/api/v1/identity-kinds", json!([[]]), ""),
        ("PUT", "/api/v1/segments/some", json!([{"tag": "vip"}]), ""),
        ("PUT", "/api/v1/segments/some", json!({"condition": {"attribute": ["a", "eq", 1]}}), "/condition/attribute"),
        ("POST", "/api/v1/segments/none/members", json!([[], []]), ""),
        ("POST", "/api/v1/plugins/none/enable", json!([{}]), ""),
        ("POST", "/api/v1/suppressions/check", json!(["user_id", "u"]), ""),
    ] {
        let answer = hub.call(method, path, &tenant.api_key, Some(body)).await;
        let fault = &answer.body["faults"][0];
        let status = if pointer.starts_with("/condition") { 422 } else { 400 };
        assert_eq!((answer.status, fault["pointer"].as_str()), (status, Some(pointer)), "{path}: {answer:?}");
        assert!(fault["message"].as_str().unwrap().contains("object"), "{path}: {answer:?}");
    }
    let in_an_array = request("POST", "/v1/track").header(header::CONTENT_TYPE, "application/json");
    let body = Body::from(json!([tenant.server_key]).to_string());
    assert_eq!(hub.send(in_an_array.body(body).unwrap()).await.status, 401, "a key is where the documents say");
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_have_is_refused_and_nothing_is_done() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    hub.settle(&tenant).await;
    let before = hub.get("/api/v1/status", &tenant.api_key).await.body["head"].clone();
    let event = json!({"userId": "ada", "event": "E", "previousId": "a", "groupId": "g", "batch": []});
    for path in
        ["/v1/track", "/v1/t", "/v1/t/", "/v1/batch", "/v1/batch/", "/v1/alias", "/beacon/v1/batch", "/api/s/track"]
    {
        for parameter in ["dry_run=true", "historical=true", "writeKey=x&dry_run", "dryRun=1", "async=false"] {
            let path = format!("{path}?{parameter}");
            let answer = hub.post(&path, &tenant.write_key, event.clone()).await;
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!("invalid-query")), "{path}: {answer:?}");
        }
    }
    for (method, path, body) in [
        ("GET", "/api/v1/status?verbose=true", None),
        ("GET", "/api/v1/settings?limit=1", None),
        ("POST", "/api/v1/customers?dry_run=true", Some(json!({"identities": [{"kind": "user_id", "value": "1"}]}))),
        ("GET", "/api/v1/events?nmae=E", None),
    ] {
        let answer = hub.call(method, path, &tenant.api_key, body).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("invalid-query")), "{path}: {answer:?}");
    }
    assert_eq!(hub.get("/api/v1/status", &tenant.api_key).await.body["head"], before);
    for path in ["/v1/import?dry_run=true", "/v1/import/?historical=true"] {
        let answer = hub.post(path, &tenant.server_key, json!({"batch": []})).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let told = hub.post("/v1/import?dryrun=true", &tenant.server_key, json!({"batch": []})).await;
    let detail = told.body["detail"].as_str().unwrap();
    assert!(detail.contains("`dryrun`") && detail.contains("Did you mean `dry_run`?"), "{detail}");
    assert!(detail.contains("There are: writeKey, historical, dry_run;"), "{detail}");
    let told = hub.post("/v1/track?historical=true", &tenant.server_key, json!({"userId": "ada", "event": "E"})).await;
    assert!(told.body["detail"].as_str().unwrap().contains("Only `/v1/import` has it."), "{told:?}");
    // What libraries send changes nothing.
    let event = json!({"userId": "ada", "event": "E"});
    let seen = hub.post("/v1/track?v=1&_=17&cb=x", &tenant.write_key, event.clone()).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    for path in ["/v1/track", "/beacon/v1/batch", "/v1/import"] {
        let body = if path == "/v1/track" {
            event.clone()
        } else {
            json!({"batch": [{"type": "track", "userId": "ada", "event": "E"}]})
        };
        let request = request("POST", &format!("{path}?writeKey={}", tenant.write_key));
        let seen = hub.send(request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(seen.status, 200, "{path}: {seen:?}");
    }
    for path in ["/sourceConfig?p=npm&v=3.34&build=modern&writeKey=", "/v1/m?anything="] {
        let method = if path.starts_with("/v1/m") { "POST" } else { "GET" };
        let seen =
            hub.send(request(method, &format!("{path}{}", tenant.write_key)).body(Body::from("{}")).unwrap()).await;
        assert_eq!(seen.status, 200, "{path}: {seen:?}");
    }
    let listed = until("what was refused is listed", async || {
        let faults = hub.get("/api/v1/faults?kind=refused", &tenant.api_key).await.body["faults"].clone();
        faults.as_array()?.iter().find(|fault| fault["code"] == "invalid-query").cloned()
    });
    assert!(listed.await["text"].as_str().unwrap().starts_with("Take the parameters out"));
    assert_eq!(hub.get("/api/v1/events?limit=1", &tenant.api_key).await.status, 200);
}
