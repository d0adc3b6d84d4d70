//! `Idempotency-Key`: a call is made once under the key that its caller gave it.

use crate::hub::{Answer, Hub, Tenant, request};
use axum::body::Body;
use axum::http::header;
use openhub_store::{AuditFilter, Scope};
use serde_json::{Value, json};
use std::time::Duration;

async fn named(hub: &Hub, path: &str, key: &str, name: &str, body: &Value) -> Answer {
    let request = request("POST", path).header(header::AUTHORIZATION, format!("Bearer {key}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").header("Idempotency-Key", name);
    hub.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

async fn acts(hub: &Hub, tenant: &Tenant) -> usize {
    let filter = AuditFilter { limit: 100, ..AuditFilter::default() };
    hub.store.audit(&Scope::of(tenant.id), &filter).await.expect("the log").len()
}

#[tokio::test]
async fn a_key_is_made_once_and_shown_again_to_who_asks_again() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let wanted = json!({"name": "till", "scopes": ["events:write"]});
    let make = async |key: &str, name: &str| named(&hub, "/api/v1/keys", key, name, &wanted).await;
    let first = make(&tenant.api_key, "one").await;
    assert_eq!((first.status, first.headers.get("idempotency-replayed")), (201, None));
    let again = make(&tenant.api_key, "one").await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_ne!(again.headers["x-request-id"], first.headers["x-request-id"]);
    assert_eq!(acts(&hub, &tenant).await, 1);
    // Neither the name nor the secret lies there to be read.
    let secret = first.body["key"].as_str().expect("a key").to_owned();
    let database = hub.database();
    let has = |text: &str| database.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(!has(&secret) && has("idempotency_keys"));
    // Another body, another route and another caller.
    let other = named(&hub, "/api/v1/keys", &tenant.api_key, "one", &json!({"name": "x", "scopes": ["*"]})).await;
    assert_eq!((other.status, &other.body["code"]), (422, &json!("idempotency-key-reused")));
    let other = named(&hub, "/api/v1/tenants", &tenant.api_key, "one", &wanted).await;
    assert_eq!((other.status, &other.body["code"]), (422, &json!("idempotency-key-reused")));
    let colleague = hub.key(tenant.id, &["*"]).await;
    let his = make(&colleague, "one").await;
    assert_eq!(his.status, 201);
    assert_ne!(his.body["id"], first.body["id"]);
    // A day later the name is free.
    hub.advance(Duration::from_secs(86_401));
    let later = make(&tenant.api_key, "one").await;
    assert_ne!(later.body["id"], first.body["id"]);
    assert_eq!((later.status, acts(&hub, &tenant).await), (201, 3));
}

#[tokio::test]
async fn what_did_nothing_keeps_no_name() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let make = async |body: Value| named(&hub, "/api/v1/keys", &tenant.api_key, "one", &body).await;
    assert_eq!(make(json!({"name": "till", "scopes": ["nothing"]})).await.status, 400);
    let weak = hub.key(tenant.id, &["keys:read"]).await;
    let wanted = json!({"name": "till", "scopes": ["events:write"]});
    assert_eq!(named(&hub, "/api/v1/keys", &weak, "one", &wanted).await.status, 403);
    assert_eq!(make(wanted).await.status, 201);
    for name in ["", "é", &"x".repeat(256)] {
        let refused = named(&hub, "/api/v1/keys", &tenant.api_key, name, &json!({})).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid-header")), "{name}");
    }
}

#[tokio::test]
async fn a_second_try_is_told_that_the_first_is_under_way() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let make = async || named(&hub, "/api/v1/customers", &tenant.api_key, "ada", &ada).await;
    let elsewhere = hub.usurped().await;
    let first = make();
    let rest = async {
        crate::hub::until("the first is stored", async || (acts(&hub, &tenant).await == 1).then_some(())).await;
        let second = make().await;
        assert_eq!((second.status, &second.body["code"]), (409, &json!("request-in-progress")));
        let second = named(&hub, "/api/v1/customers", &tenant.api_key, "ada", &json!({"identities": []})).await;
        assert_eq!((second.status, &second.body["code"]), (422, &json!("idempotency-key-reused")));
        elsewhere.release().await;
    };
    let (first, ()) = tokio::join!(first, rest);
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(make().await.body, first.body);
    assert_eq!(acts(&hub, &tenant).await, 1);
}

/// Whoever comes at the same time is told to come again, or what the first was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_are_one() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let wanted = json!({"name": "till", "scopes": ["events:write"]});
    let calls = (0..8).map(|_| named(&hub, "/api/v1/keys", &tenant.api_key, "one", &wanted));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().any(|answer| answer.status == 201));
    for answer in &answers {
        let waits = answer.status == 409 && answer.body["code"] == "request-in-progress";
        assert!(answer.status == 201 || (waits && answer.headers.contains_key("retry-after")), "{answer:?}");
    }
    assert_eq!(acts(&hub, &tenant).await, 1);
}

/// An answer may show a customer: once they are erased, nobody is shown it. What was done is not done again.
#[tokio::test]
async fn an_erasure_takes_the_answers_with_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let make = async || named(&hub, "/api/v1/customers", &tenant.api_key, "ada", &ada).await;
    let made = make().await;
    let path = format!("/api/v1/customers/{}", made.body["id"].as_str().expect("an id"));
    let erased = hub.call("DELETE", &path, &tenant.api_key, None).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let again = make().await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("answer-not-kept")));
    assert_eq!(hub.get("/api/v1/customers", &tenant.api_key).await.body["customers"], json!([]));
}

/// An answer has a secret in it that its caller may not make any more.
#[tokio::test]
async fn who_may_do_less_by_now_is_not_told_again() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let owner = crate::persons::visitor(&hub, &tenant, "owner").await;
    let wanted = json!({"name": "till", "scopes": ["events:write"]}).to_string();
    let make = async || {
        let request = request("POST", "/api/v1/keys").header(header::HOST, "hub.test");
        let request = request.header(header::COOKIE, &owner.cookie).header(header::ORIGIN, "https://hub.test");
        let request = request.header(header::CONTENT_TYPE, "application/json").header("Idempotency-Key", "one");
        hub.send(request.body(Body::from(wanted.clone())).expect("a request")).await
    };
    let made = make().await;
    assert_eq!((made.status, make().await.body), (201, made.body));
    // The tenant keeps an owner.
    let (_, invitation) = crate::persons::invited(&hub, &tenant, "second@example.com", "owner").await;
    assert_eq!(crate::persons::accept(&hub, &invitation, crate::persons::PASSWORD).await.status, 204);
    for (role, status) in [("marketer", 409), ("owner", 201)] {
        let path = format!("/api/v1/persons/{}", owner.id);
        let changed = hub.call("PATCH", &path, &tenant.api_key, Some(json!({"role": role}))).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        let again = make().await;
        assert_eq!(again.status, status, "{role}: {again:?}");
    }
}

/// A route that comes with a `POST` takes a key, or is one of those that change nothing.
#[tokio::test]
async fn every_post_takes_a_key() {
    let hub = Hub::start().await;
    let document = hub.get("/api/openapi.json", "").await.body;
    let mut without = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters = item["post"]["parameters"].as_array().into_iter().flatten();
        let takes = parameters.into_iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        // Who logs in is nobody yet, whose call it could be.
        let has_caller = item["post"]["security"].as_array().is_some_and(|ways| !ways.is_empty());
        assert!(has_caller || !takes, "{path}");
        if has_caller && path.starts_with("/api/v1/") && !takes {
            without.push(path.as_str());
        }
    }
    let reads = ["journeys/{name}/check", "segments/preview", "segments/why", "suppressions/check"];
    assert_eq!(without, reads.map(|read| format!("/api/v1/{read}")));
}
