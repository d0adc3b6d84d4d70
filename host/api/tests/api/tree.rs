//! Tenants below tenants, through the API; and how many requests each of them sends.

use crate::hub::{Answer, Hub, limits, request};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header;
use openhub_api::{Limits, RateLimits};
use openhub_model::TenantId;
use openhub_store::Scope;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// A tenant below another, and the first key of its owner.
pub(crate) async fn below(hub: &Hub, key: &str, body: Value) -> (i64, String) {
    let made = hub.post("/api/v1/tenants", key, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let setup = made.body["setup_key"].as_str().expect("a setup key");
    let claimed = hub.call("POST", "/api/v1/claim", setup, None).await;
    assert_eq!(claimed.status, 201, "{claimed:?}");
    (made.body["id"].as_i64().expect("an id"), claimed.body["key"].as_str().expect("a key").to_owned())
}

async fn status(hub: &Hub, key: &str) -> u16 {
    hub.get("/api/v1/status", key).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_comes_in_once_and_is_alone() {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await;
    let made = hub.post("/api/v1/tenants", &brand.api_key, json!({"name": "dealer"})).await;
    let (id, setup) = (made.body["id"].as_i64().unwrap(), made.body["setup_key"].as_str().unwrap());
    assert_eq!((made.status, &made.body["parent"]), (201, &json!(brand.id.0)));
    // The setup key does one thing, once.
    assert_eq!(status(&hub, setup).await, 403);
    let event = json!({"userId": "1", "event": "e"});
    assert_eq!(hub.post("/v1/track", setup, event).await.status, 403);
    let claimed = hub.call("POST", "/api/v1/claim", setup, None).await;
    assert_eq!((claimed.status, &claimed.body["scopes"]), (201, &json!(["*"])));
    let owner = claimed.body["key"].as_str().unwrap();
    assert_eq!(hub.call("POST", "/api/v1/claim", setup, None).await.status, 401);
    assert_eq!(hub.call("POST", "/api/v1/claim", owner, None).await.status, 409);
    assert_eq!(status(&hub, owner).await, 200);
    // Nobody gives what a setup key has.
    let body = json!({"name": "x", "scopes": ["tenants:claim"]});
    assert_eq!(hub.post("/api/v1/keys", &brand.api_key, body).await.status, 400);
    // The parent sees the tenant, and nothing of what it keeps.
    let ada = json!({"identities": [{"kind": "user_id", "value": "canary-ada"}]});
    let customer = hub.post("/api/v1/customers", owner, ada).await.body["id"].as_str().unwrap().to_owned();
    for path in [
        "/api/v1/tenants".to_owned(),
        format!("/api/v1/tenants/{id}"),
        "/api/v1/customers".to_owned(),
        "/api/v1/events".to_owned(),
        "/api/v1/export/customers".to_owned(),
        format!("/api/v1/tenants?parent={id}"),
        "/api/v1/audit".to_owned(),
    ] {
        let seen = hub.get(&path, &brand.api_key).await;
        assert_eq!(seen.status, 200, "{path}");
        assert!(!seen.body.to_string().contains("canary"), "{path}: {seen:?}");
    }
    assert_eq!(hub.get(&format!("/api/v1/customers/{customer}"), &brand.api_key).await.status, 404);
    // A name is taken once in a hub, and has a form.
    let again = hub.post("/api/v1/tenants", owner, json!({"name": "dealer"})).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("already-exists")));
    assert_eq!(hub.post("/api/v1/tenants", owner, json!({"name": "no name"})).await.status, 400);
    // Each act is in the log of who did it.
    let acts = async |key: &str| {
        let log = hub.get("/api/v1/audit", key).await.body;
        let entries = log["entries"].as_array().expect("entries").iter();
        entries.map(|entry| entry["act"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(acts(&brand.api_key).await, ["POST /api/v1/tenants"]);
    assert_eq!(acts(owner).await, ["POST /api/v1/customers", "POST /api/v1/claim"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_tenant_is_not_found() {
    let hub = Hub::start().await;
    let (ours, theirs) = (hub.tenant("ours").await, hub.tenant("theirs").await);
    let (child, child_key) = below(&hub, &theirs.api_key, json!({"name": "child"})).await;
    let (own, _) = below(&hub, &ours.api_key, json!({"name": "own"})).await;
    for id in [child, theirs.id.0, ours.id.0, 9_999] {
        for (method, path, body) in [
            ("GET", format!("/api/v1/tenants/{id}"), None),
            ("PATCH", format!("/api/v1/tenants/{id}"), Some(json!({"ceiling": {}}))),
            ("DELETE", format!("/api/v1/tenants/{id}"), None),
            ("POST", format!("/api/v1/tenants/{id}/pause"), None),
            ("POST", format!("/api/v1/tenants/{id}/resume"), None),
            ("POST", format!("/api/v1/tenants/{id}/move"), Some(json!({"parent": ours.id.0}))),
        ] {
            assert_eq!(hub.call(method, &path, &ours.api_key, body).await.status, 404, "{method} {path}");
        }
        if id == ours.id.0 {
            continue;
        }
        assert_eq!(hub.get(&format!("/api/v1/tenants?parent={id}"), &ours.api_key).await.status, 404);
        let new = json!({"name": "stranger", "parent": id});
        assert_eq!(hub.post("/api/v1/tenants", &ours.api_key, new).await.status, 404);
        let away = hub.post(&format!("/api/v1/tenants/{own}/move"), &ours.api_key, json!({"parent": id})).await;
        assert_eq!(away.status, 404);
    }
    // Nor is one's parent, or oneself.
    assert_eq!(hub.get(&format!("/api/v1/tenants/{}", theirs.id.0), &child_key).await.status, 404);
    let up = hub.call("POST", &format!("/api/v1/tenants/{child}/pause"), &child_key, None).await;
    assert_eq!(up.status, 404);
    let weak = hub.key(theirs.id, &["status:read"]).await;
    assert_eq!(hub.get("/api/v1/tenants", &weak).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_holds_for_each_key_below_it() {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await;
    let ceiling = json!({"scopes": ["events:write", "status:read", "tenants:write", "tenants:read", "keys:write"]});
    let (region, region_key) = below(&hub, &brand.api_key, json!({"name": "region", "ceiling": ceiling})).await;
    let (dealer, dealer_key) = below(&hub, &region_key, json!({"name": "dealer"})).await;
    for key in [&region_key, &dealer_key] {
        assert_eq!(status(&hub, key).await, 200);
        let refused = hub.get("/api/v1/customers", key).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("missing-scope")));
        assert!(refused.body["detail"].as_str().unwrap().contains("ceiling"), "{refused:?}");
        assert_eq!(hub.post("/v1/track", key, json!({"userId": "1", "event": "e"})).await.status, 200);
    }
    // A key says `*`, and has no more than the ceiling.
    for rate in ["requests_per_minute", "event_requests_per_minute"] {
        let none = json!({"name": "shut", "ceiling": {rate: 0}});
        let refused = hub.post("/api/v1/tenants", &brand.api_key, none).await;
        let pointer = &refused.body["faults"][0]["pointer"];
        assert_eq!((refused.status, pointer), (400, &json!(format!("/ceiling/{rate}"))), "breaker14 11: {refused:?}");
    }
    let wide = json!({"ceiling": {"scopes": ["customers:read"]}});
    let path = format!("/api/v1/tenants/{dealer}");
    let refused = hub.call("PATCH", &path, &region_key, Some(wide)).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("wider-ceiling")), "{refused:?}");
    let tight = json!({"ceiling": {"scopes": ["status:read"]}});
    assert_eq!(hub.call("PATCH", &path, &region_key, Some(tight)).await.status, 200);
    assert_eq!(hub.post("/v1/track", &dealer_key, json!({"userId": "1", "event": "e"})).await.status, 403);
    let unknown = hub.call("PATCH", &path, &region_key, Some(json!({"ceiling": {"scopes": ["status:raed"]}}))).await;
    assert_eq!((unknown.status, &unknown.body["faults"][0]["pointer"]), (400, &json!("/ceiling/scopes/0")));

    // Below the brand itself it could do more; and nobody stands below himself.
    let moved = async |id: i64, to: i64| {
        let answer = hub.post(&format!("/api/v1/tenants/{id}/move"), &brand.api_key, json!({"parent": to})).await;
        (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(moved(region, dealer).await, (409, "tenant-cycle".to_owned()));
    let (other, _) = below(&hub, &brand.api_key, json!({"name": "other"})).await;
    assert_eq!(moved(dealer, other).await, (200, String::new()), "its own is tight enough");
    assert_eq!(moved(region, other).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_tenant_is_closed_and_loses_nothing() {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await;
    let (region, region_key) = below(&hub, &brand.api_key, json!({"name": "region"})).await;
    let (_, dealer_key) = below(&hub, &region_key, json!({"name": "dealer"})).await;
    let event = json!({"userId": "1", "event": "e"});
    assert_eq!(hub.post("/v1/track", &dealer_key, event.clone()).await.status, 200);
    let pause = format!("/api/v1/tenants/{region}/pause");
    assert_eq!(hub.call("POST", &pause, &brand.api_key, None).await.body["status"], "paused");
    for key in [&region_key, &dealer_key] {
        for answer in [
            hub.get("/api/v1/status", key).await,
            hub.post("/v1/track", key, event.clone()).await,
            hub.post("/v1/batch", key, json!({"batch": [event]})).await,
            hub.get("/x/any/thing", key).await,
        ] {
            assert_eq!((answer.status, &answer.body["code"]), (503, &json!("tenant-closed")), "{answer:?}");
            assert!(answer.headers.contains_key(header::RETRY_AFTER));
        }
    }
    let hook = request("POST", "/hooks/dealer/any/thing").body(Body::empty()).unwrap();
    assert_eq!(hub.send(hook).await.body["code"], "tenant-closed");
    assert_eq!(status(&hub, &brand.api_key).await, 200, "its parent is open");
    let resume = format!("/api/v1/tenants/{region}/resume");
    assert_eq!(hub.call("POST", &resume, &brand.api_key, None).await.body["status"], "active");
    assert_eq!(hub.post("/v1/track", &dealer_key, event).await.status, 200);
    let events = hub.get("/api/v1/events", &dealer_key).await.body;
    assert_eq!(events["events"].as_array().unwrap().len(), 2, "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_deleted_after_its_grace() {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await;
    let (id, owner) = below(&hub, &brand.api_key, json!({"name": "dealer"})).await;
    let ada = json!({"identities": [{"kind": "user_id", "value": "canary-ada"}]});
    assert_eq!(hub.post("/api/v1/customers", &owner, ada).await.status, 201);
    let path = format!("/api/v1/tenants/{id}");
    assert_eq!(hub.call("DELETE", &format!("{path}?grace_days=0"), &brand.api_key, None).await.status, 400);
    let deleting = hub.call("DELETE", &format!("{path}?grace_days=2"), &brand.api_key, None).await;
    assert_eq!((deleting.status, &deleting.body["status"]), (200, &json!("deleting")));
    assert_eq!(status(&hub, &owner).await, 503);
    assert_eq!(hub.call("POST", &format!("{path}/pause"), &brand.api_key, None).await.status, 409);
    // It can be kept until then.
    assert_eq!(hub.call("POST", &format!("{path}/resume"), &brand.api_key, None).await.body["status"], "active");
    assert_eq!(status(&hub, &owner).await, 200);
    hub.call("DELETE", &format!("{path}?grace_days=2"), &brand.api_key, None).await;
    assert!(hub.store.tenants_to_delete(hub.now()).await.unwrap().is_empty());
    hub.advance(Duration::from_secs(2 * 86_400));
    let due = hub.store.tenants_to_delete(hub.now()).await.unwrap();
    assert_eq!(due, [(TenantId(id), brand.id)]);
    hub.store.delete_tenant(TenantId(id), brand.id, || hub.now()).await.unwrap().expect("its day has come");
    hub.store.scrub().await.unwrap();
    assert_eq!(status(&hub, &owner).await, 401);
    let deletions = hub.get("/api/v1/tenant-deletions", &brand.api_key).await.body;
    let receipt = &deletions["deletions"][0];
    assert_eq!((&receipt["name"], &receipt["rows"]["customers"]), (&json!("dealer"), &json!(1)), "{deletions}");
    assert!(receipt["ended_at"].is_string());
    assert_eq!(hub.get(&path, &brand.api_key).await.body["status"], "deleted");
    assert!(hub.store.load_events(&Scope::of(TenantId(id)), 0, 1).await.unwrap().is_empty(), "nothing of it is left");
    let database = hub.database();
    assert!(!database.windows(10).any(|bytes| bytes == b"canary-ada"), "nor in a free page");
}

async fn from(hub: &Hub, address: &str, key: &str) -> Answer {
    let address: SocketAddr = address.parse().expect("an address");
    let request = request("GET", "/api/v1/status").extension(ConnectInfo(address));
    hub.send(request.header(header::AUTHORIZATION, format!("Bearer {key}")).body(Body::empty()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_minute_are_counted_before_the_body() {
    let rates = RateLimits { key: Some(3), tenant: Some(5), address: Some(7) };
    let hub = Hub::with_limits(Limits { rates, ..limits() }).await;
    let tenant = hub.tenant("shop").await;
    let second = hub.key(tenant.id, &["*"]).await;
    let (here, there) = ("10.0.0.1:1", "10.0.0.2:1");
    let told = |answer: &Answer, name: &str| answer.headers[name].to_str().unwrap().to_owned();
    let first = from(&hub, here, &tenant.api_key).await;
    assert_eq!(told(&first, "ratelimit-policy"), "\"address\";q=7;w=60, \"key\";q=3;w=60, \"tenant\";q=5;w=60");
    let left = told(&first, "ratelimit");
    assert!(left.starts_with("\"address\";r=6;t=") && left.contains("\"key\";r=2;t="), "{left}");
    for _ in 0..2 {
        assert_eq!(from(&hub, here, &tenant.api_key).await.status, 200);
    }
    // The key, then the tenant, then the address.
    let limited = |answer: &Answer, of: &str| {
        assert_eq!((answer.status, &answer.body["code"]), (429, &json!("rate-limited")), "{answer:?}");
        assert!(answer.body["detail"].as_str().unwrap().starts_with(&format!("This {of} ")), "{answer:?}");
        assert!(answer.headers.contains_key(header::RETRY_AFTER) && answer.headers.contains_key("ratelimit"));
    };
    limited(&from(&hub, here, &tenant.api_key).await, "key");
    assert_eq!(from(&hub, here, &second).await.status, 200);
    assert_eq!(from(&hub, here, &second).await.status, 200);
    limited(&from(&hub, there, &second).await, "tenant");
    assert_eq!(from(&hub, here, "no-key").await.status, 401);
    limited(&from(&hub, here, &tenant.api_key).await, "address");
    // Events are counted for themselves, and nothing of their body is read: this one has no end.
    let endless = || {
        let body = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let request = request("POST", "/v1/batch").header(header::AUTHORIZATION, format!("Bearer {}", tenant.api_key));
        request.header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
    };
    limited(&hub.send(endless()).await, "key");
    let event = json!({"userId": "1", "event": "e"});
    assert_eq!(hub.post("/v1/track", &tenant.write_key, event.clone()).await.status, 200);
    // A ceiling says less.
    let (child, owner) = {
        let hub_of = hub.tenant("brand").await;
        below(&hub, &hub_of.api_key, json!({"name": "dealer", "ceiling": {"requests_per_minute": 2}})).await
    };
    assert!(child > 0);
    assert_eq!(status(&hub, &owner).await, 200);
    limited(&hub.get("/api/v1/status", &owner).await, "tenant");
}
