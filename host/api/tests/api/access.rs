//! Keys that are made and ended through the API, and the log of who did it.

use crate::hub::{Answer, Hub, Tenant, request, until};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header;
use openhub_model::Principal;
use openhub_store::{Deeded, Scope, acting};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

async fn made(hub: &Hub, maker: &str, body: Value) -> (String, String) {
    let answer = hub.post("/api/v1/keys", maker, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let text = |name: &str| answer.body[name].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

async fn status(hub: &Hub, key: &str) -> u16 {
    hub.get("/api/v1/status", key).await.status
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_revoked() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let body = json!({"name": "till", "scopes": ["status:read", "keys:read"], "addresses": [], "expires_at": "2026-03-01T00:00:00Z"});
    let (id, key) = made(&hub, &tenant.api_key, body).await;
    assert!(key.starts_with(&format!("oh_test_{id}_")), "{key}");
    assert_eq!(status(&hub, &key).await, 200);
    let listed = hub.get("/api/v1/keys?limit=1", &tenant.api_key).await.body;
    let secret = key.rsplit('_').next().unwrap();
    assert!(!listed.to_string().contains(secret));
    let shown = hub.get(&format!("/api/v1/keys/{id}"), &key).await.body;
    assert_eq!(shown["made_by"]["kind"], "key");
    assert_eq!((&shown["status"], &shown["name"]), (&json!("valid"), &json!("till")));
    // What it is used for is noted after a moment.
    until("the use is noted", async || {
        let shown = hub.get(&format!("/api/v1/keys/{id}"), &tenant.api_key).await.body;
        shown["last_used_at"].is_string().then_some(())
    })
    .await;
    let revoked = hub.call("DELETE", &format!("/api/v1/keys/{id}"), &tenant.api_key, None).await;
    assert_eq!((revoked.status, &revoked.body["status"]), (200, &json!("revoked")));
    assert_eq!(status(&hub, &key).await, 401, "at once where it was revoked");
    let again = hub.call("DELETE", &format!("/api/v1/keys/{id}"), &tenant.api_key, None).await;
    assert_eq!(again.body, revoked.body, "for good");
    assert_eq!(hub.post(&format!("/api/v1/keys/{id}/rotate"), &tenant.api_key, json!({})).await.status, 409);
    // A foreign key is not found.
    let other = hub.tenant("other").await;
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/rotate")] {
        let foreign = hub.call(method, &format!("/api/v1/keys/{id}{path}"), &other.api_key, None).await;
        assert_eq!(foreign.status, 404, "{method}");
    }
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let end = hub.now().micros() + 60_000_000;
    let end = openhub_model::Timestamp::from_micros(end);
    let (id, key) = made(&hub, &tenant.api_key, json!({"name": "a", "scopes": ["*"], "expires_at": end})).await;
    assert_eq!(status(&hub, &key).await, 200);
    hub.advance(Duration::from_secs(60));
    assert_eq!(status(&hub, &key).await, 401);
    assert_eq!(hub.get(&format!("/api/v1/keys/{id}"), &tenant.api_key).await.body["status"], "expired");
    let past = json!({"name": "a", "scopes": ["*"], "expires_at": hub.now()});
    let refused = hub.post("/api/v1/keys", &tenant.api_key, past).await;
    assert_eq!((refused.status, &refused.body["faults"][0]["pointer"]), (400, &json!("/expires_at")));
}

#[tokio::test]
async fn two_secrets_of_a_key_are_alive_at_most() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let (id, first) = made(&hub, &tenant.api_key, json!({"name": "a", "scopes": ["status:read"]})).await;
    let path = format!("/api/v1/keys/{id}/rotate");
    let rotate = async |body: Value| hub.post(&path, &tenant.api_key, body).await;
    let text = |answer: &Answer| answer.body["key"].as_str().expect("a key").to_owned();
    let second = text(&rotate(json!({"keep_s": 3600})).await);
    assert_ne!(first, second);
    assert_eq!((status(&hub, &first).await, status(&hub, &second).await), (200, 200));
    assert_eq!(rotate(json!({})).await.status, 409, "a third");
    hub.advance(Duration::from_secs(3600));
    assert_eq!((status(&hub, &first).await, status(&hub, &second).await), (401, 200));
    let third = text(&rotate(json!({})).await);
    assert_eq!((status(&hub, &second).await, status(&hub, &third).await), (200, 200));
    let fourth = text(&rotate(json!({"keep_s": 0})).await);
    assert_eq!((status(&hub, &second).await, status(&hub, &third).await), (401, 401));
    assert_eq!(status(&hub, &fourth).await, 200);
    assert_eq!(rotate(json!({"keep_s": 604_801})).await.status, 400);
}

#[tokio::test]
async fn nobody_gives_what_he_does_not_have() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let end = "2026-02-28T00:00:00Z";
    let body = json!({"name": "maker", "scopes": ["keys:write", "keys:read", "status:read", "plugins:call"], "expires_at": end});
    let (_, maker) = made(&hub, &tenant.api_key, body).await;
    let (strong, _) = made(&hub, &tenant.api_key, json!({"name": "strong", "scopes": ["*"]})).await;
    let wanted = |body: Value| {
        let mut wanted = json!({"name": "x", "scopes": ["status:read"]});
        body.as_object().expect("an object").iter().for_each(|(name, value)| wanted[name] = value.clone());
        wanted
    };
    for (body, code) in [
        (json!({}), None),
        (json!({"scopes": ["plugins:call:coupon"]}), None),
        (json!({"scopes": ["*"]}), Some("wider-than-own")),
        (json!({"scopes": ["status:read", "audit:read"]}), Some("wider-than-own")),
        (json!({"expires_at": "2026-03-01T00:00:00Z"}), Some("wider-than-own")),
        (json!({"scopes": [], "page": true}), Some("wider-than-own")),
        (json!({"scopes": []}), Some("invalid-body")),
        (json!({"scopes": ["everything"]}), Some("invalid-body")),
        (json!({"page": true}), Some("invalid-body")),
        (json!({"name": ""}), Some("invalid-body")),
        (json!({"name": "n".repeat(65)}), Some("invalid-body")),
        (json!({"addresses": ["10.0.0.1/8"]}), Some("invalid-body")),
        (json!({"rights": ["*"]}), Some("invalid-body")),
    ] {
        let answer = hub.post("/api/v1/keys", &maker, wanted(body.clone())).await;
        let expected = if code.is_some() { answer.body["code"].as_str() } else { None };
        assert_eq!((answer.status == 201, expected), (code.is_none(), code), "{body} {answer:?}");
        if answer.status == 201 {
            assert_eq!(answer.body["expires_at"], "2026-02-28T00:00:00Z", "no longer than its maker");
        }
    }
    // To rotate a key is to have it.
    for (method, path) in [("POST", "/rotate"), ("DELETE", "")] {
        let refused = hub.call(method, &format!("/api/v1/keys/{strong}{path}"), &maker, None).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("wider-than-own")), "{method}");
    }
}

#[tokio::test]
async fn a_pages_key_does_what_a_page_may() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let (id, page) = made(&hub, &tenant.api_key, json!({"name": "site", "page": true})).await;
    let event = json!({"userId": "1", "event": "Cart Viewed"});
    assert_eq!(hub.post("/v1/track", &page, event).await.status, 200);
    assert_eq!(status(&hub, &page).await, 403);
    let shown = hub.get(&format!("/api/v1/keys/{id}"), &tenant.api_key).await.body;
    assert_eq!((&shown["page"], &shown["scopes"]), (&json!(true), &json!(["events:write"])));
    // Whatever its row says.
    let mut key = hub.store.key(&Scope::of(tenant.id), &id).await.unwrap().unwrap();
    key.scopes = vec!["*".to_owned()];
    key.id = format!("{:016x}", 0xabcd);
    hub.store.create_key(&key).await.unwrap();
    let wide = page.replacen(&id, &key.id, 1);
    assert_eq!((status(&hub, &wide).await, hub.get("/api/v1/keys", &wide).await.status), (403, 403));
    assert_eq!(hub.post("/v1/track", &wide, json!({"userId": "1", "event": "Cart Viewed"})).await.status, 200);
}

async fn from(hub: &Hub, key: &str, address: Option<&str>, method: &str, path: &str, body: Option<Value>) -> Answer {
    let mut request = request(method, path).header(header::AUTHORIZATION, format!("Bearer {key}"));
    if let Some(address) = address {
        let address: SocketAddr = address.parse().expect("an address");
        request = request.extension(ConnectInfo(address));
    }
    let request = match body {
        Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    hub.send(request.expect("a request")).await
}

#[tokio::test]
async fn a_key_works_from_its_addresses_alone() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let body = json!({"name": "office", "scopes": ["*"], "addresses": ["10.0.0.0/8", "2001:db8::7"]});
    let (_, key) = made(&hub, &tenant.api_key, body).await;
    for (address, expected) in [
        (Some("10.9.8.7:1"), 200),
        (Some("[::ffff:10.9.8.7]:1"), 200),
        (Some("[2001:db8::7]:1"), 200),
        (Some("[2001:db8::8]:1"), 403),
        (Some("11.0.0.1:1"), 403),
        (None, 403),
    ] {
        let answer = from(&hub, &key, address, "GET", "/api/v1/status", None).await;
        assert_eq!(answer.status, expected, "{address:?}");
        assert!(expected == 200 || answer.body["code"] == "address-not-allowed");
        let event = json!({"batch": [{"type": "track", "userId": "1", "event": "e"}]});
        assert_eq!(from(&hub, &key, address, "POST", "/v1/batch", Some(event)).await.status, expected, "{address:?}");
        // As a browser sends it, in the body.
        let event = json!({"writeKey": key, "batch": [{"type": "track", "userId": "1", "event": "e"}]});
        let mut bare = request("POST", "/v1/batch").header(header::CONTENT_TYPE, "application/json");
        if let Some(address) = address {
            bare = bare.extension(ConnectInfo(address.parse::<SocketAddr>().unwrap()));
        }
        let answer = hub.send(bare.body(Body::from(event.to_string())).unwrap()).await;
        assert_eq!(answer.status, expected, "{address:?}");
    }
    // What it makes works from there, too, or from a part of it.
    let here = Some("10.1.1.1:1");
    let make = async |addresses: Value| {
        let body = json!({"name": "a", "scopes": ["status:read"], "addresses": addresses});
        from(&hub, &key, here, "POST", "/api/v1/keys", Some(body)).await
    };
    assert_eq!(make(json!([])).await.body["addresses"], json!(["10.0.0.0/8", "2001:db8::7"]));
    assert_eq!(make(json!(["10.1.0.0/16"])).await.status, 201);
    for wider in [json!(["0.0.0.0/0"]), json!(["10.1.0.0/16", "192.168.0.1"])] {
        assert_eq!(make(wider).await.body["code"], "wider-than-own");
    }
}

async fn acts(hub: &Hub, tenant: &Tenant, query: &str) -> Vec<Value> {
    let answer = hub.get(&format!("/api/v1/audit{query}"), &tenant.api_key).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["entries"].as_array().expect("entries").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_is_on_record() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let own = tenant.api_key.split('_').nth(2).unwrap();
    let key = &tenant.api_key;
    let begun = Deeded {
        tenant: Some(tenant.id),
        principal: Principal::Operator,
        act: "openhub tenant create".to_owned(),
        subject: "shop".to_owned(),
        origin: String::new(),
        request: String::new(),
        at: hub.now(),
    };
    acting(begun, hub.store.sign_audit(&Scope::of(tenant.id))).await.expect("the log begins");
    let condition = json!({"condition": {"tag": "vip"}});
    let address = Some("10.9.8.7:4242");
    let saved = from(&hub, key, address, "PUT", "/api/v1/segments/vip", Some(condition.clone())).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    let request_id = saved.headers["x-request-id"].to_str().unwrap().to_owned();
    let (id, _) = made(&hub, key, json!({"name": "a", "scopes": ["status:read"]})).await;
    hub.call("PATCH", "/api/v1/settings", key, Some(json!({"fault_days": 7}))).await;
    // What changes nothing, and what is refused, is no act.
    hub.call("PUT", "/api/v1/segments/vip", key, Some(condition)).await;
    hub.post("/api/v1/segments/preview", key, json!({"condition": {"tag": "vip"}})).await;
    hub.call("PATCH", "/api/v1/settings", key, Some(json!({"fault_days": 0}))).await;
    hub.call("PATCH", "/api/v1/settings", &tenant.write_key, Some(json!({"fault_days": 3}))).await;
    let all = acts(&hub, &tenant, "").await;
    let told: Vec<_> =
        all.iter().map(|entry| (entry["act"].as_str().unwrap(), entry["subject"].as_str().unwrap())).collect();
    let expected = [
        ("PATCH /api/v1/settings", ""),
        ("POST /api/v1/keys", id.as_str()),
        ("PUT /api/v1/segments/{name}", "vip"),
        ("openhub tenant create", "shop"),
    ];
    assert_eq!(told, expected);
    let saved = &all[2];
    assert_eq!((&saved["principal"], &saved["origin"]), (&json!({"kind": "key", "id": own}), &json!("10.9.8.7")));
    assert_eq!((&saved["request"], &saved["number"]), (&json!(request_id), &json!(2)));
    assert!(saved["after"].is_string() && all[0]["before"].is_string() && all[0]["before"] != all[0]["after"]);

    let one = |query: String| acts(&hub, &tenant, Box::leak(query.into_boxed_str()));
    assert_eq!(one(format!("?request={request_id}")).await, std::slice::from_ref(saved));
    assert_eq!(one("?subject=vip&kind=key".to_owned()).await, std::slice::from_ref(saved));
    assert_eq!(one(format!("?who={own}&act=POST%20/api/v1/keys")).await, [all[1].clone()]);
    assert_eq!(one("?kind=operator".to_owned()).await, [all[3].clone()]);
    assert_eq!(one("?kind=plugin".to_owned()).await, Vec::<Value>::new());
    assert_eq!(one("?from=2027-01-01T00:00:00Z".to_owned()).await, Vec::<Value>::new());
    let first = hub.get("/api/v1/audit?limit=2", key).await.body;
    let rest = acts(&hub, &tenant, &format!("?after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(rest, all[2..]);
    assert_eq!(hub.get("/api/v1/audit?kind=robot", key).await.status, 400);

    let exported = hub.get("/api/v1/export/audit", key).await.body;
    let lines: Vec<Value> =
        exported.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, all.iter().rev().cloned().collect::<Vec<_>>());
    let head = hub.get("/api/v1/audit/head", key).await.body;
    assert_eq!((&head["number"], &head["hash"]), (&json!(4), &all[0]["hash"]));
    // Who has the public key can check it.
    let bytes = |name: &str| head[name].as_str().unwrap().to_owned();
    let hash = bytes("hash");
    let signed = openhub_model::audit::AuditHead::signed(tenant.id, 4, &hash);
    let public = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, bytes("public_key")).unwrap();
    assert!(openhub_engine::is_signed_by(&public, &signed, &bytes("signature")));
    let sealer = openhub_engine::Sealer::from_key([7; 32]);
    let is_ours = |message: &[u8], signature: &str| sealer.signer().is_ours(message, signature);
    assert_eq!(hub.store.verify_audit(&Scope::of(tenant.id), None, is_ours).await.unwrap(), (4, vec![]));
    let other = hub.tenant("other").await;
    assert_eq!(acts(&hub, &other, "").await, Vec::<Value>::new(), "each tenant has its own");
}

/// A test that changes customers in every way that has one finds nothing of them in the log.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_knows_no_customer() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let ada = json!({"identities": [{"kind": "user_id", "value": "canary-ada"}], "attributes": {"a": "canary-a"}});
    let made = hub.post("/api/v1/customers", key, ada).await;
    let id = made.body["id"].as_str().expect("an id").to_owned();
    hub.call("PATCH", &format!("/api/v1/customers/{id}"), key, Some(json!({"tags": {"canary-tag": true}}))).await;
    let member = json!({"key": "phone", "fields": [{"name": "phone", "type": "text", "required": true}]});
    hub.call("PUT", "/api/v1/object-types/member", key, Some(member)).await;
    let object = hub.post("/api/v1/objects/member", key, json!({"fields": {"phone": "canary-phone"}})).await;
    let of = object.body["key"].as_str().unwrap_or_else(|| panic!("a key: {object:?}")).to_owned();
    hub.call("DELETE", &format!("/api/v1/objects/member/{of}"), key, None).await;
    hub.call("PUT", "/api/v1/segments/vip", key, Some(json!({"static": true}))).await;
    hub.post("/api/v1/segments/vip/members", key, json!({"add": [id]})).await;
    hub.call("DELETE", &format!("/api/v1/customers/{id}"), key, None).await;
    let exported = hub.get("/api/v1/export/audit", key).await.body;
    let text = exported.as_str().expect("lines");
    assert!(text.lines().count() >= 5, "{text} {object:?}");
    assert!(!text.contains("canary") && !text.contains(&id) && !text.contains(&of), "{text}");
}
