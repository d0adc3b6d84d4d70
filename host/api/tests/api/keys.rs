//! Who is let in.

use crate::hub::{Hub, Tenant, request};
use axum::body::Body;
use axum::http::header;
use insta::assert_json_snapshot;
use openhub_model::identity::Authority;
use openhub_model::message::NewMessage;
use openhub_model::{EventKind, Id, Identity, NewEvent, Object};
use openhub_store::{Changes, Indexed, ObjectChange, Scope};
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

/// A tenant with a customer of whom there is an object and a message, and a plugin that was enabled with a secret setting.
async fn furnished(hub: &Hub) -> (Tenant, String) {
    let tenant = hub.tenant("shop").await;
    let ada = json!([{"type": "identify", "userId": "ada", "consents": {"news": {"state": "granted"}}}]);
    hub.send_events(&tenant, ada).await;
    let part = Identity::new("user_id", "ada").part(tenant.id);
    let id = |name: &str| Id::named(&[name.as_bytes()]);
    let message = NewMessage {
        id: id("message"),
        part,
        channel: "mail".to_owned(),
        purpose: String::new(),
        address: "ada@example.com".to_owned(),
        content: json!({"text": "the-content"}).to_string(),
        journey: "win-back".to_owned(),
        run: id("run"),
        node: "send".to_owned(),
        created_at: hub.now(),
        expires_at: None,
    };
    let object = Object {
        kind: "coupon".to_owned(),
        key: "k".to_owned(),
        part: Some(part),
        version: 1,
        fields: json!({"code": "the-code"}),
        created_at: hub.now(),
        updated_at: hub.now(),
        cause: "m".to_owned(),
    };
    let objects = vec![ObjectChange::Create(object, Indexed::default())];
    hub.commit(&tenant, Changes { messages: vec![message], objects, ..Changes::default() }).await;
    let event = |kind, name: &str, part, body: serde_json::Value| NewEvent {
        message_id: format!("m-{name}"),
        kind,
        name: name.to_owned(),
        part,
        occurred_at: hub.now(),
        received_at: hub.now(),
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    };
    let enabled = json!({"plugin": "mail", "settings": {"token": "the-token"}, "grant": {}});
    let fields = json!({"type": "object", "kind": "coupon", "key": "k", "fields": {"code": "the-code"}});
    let events = vec![
        event(EventKind::Control, "plugin.enabled", None, enabled),
        event(EventKind::Object, "coupon.created", Some(part), fields),
    ];
    hub.store.append(&Scope::of(tenant.id), events).await.expect("both are stored");
    hub.settle(&tenant).await;
    (tenant, format!("/api/v1/customers/{part}"))
}

#[tokio::test]
async fn c6_a_scope_means_one_thing() {
    let hub = Hub::start().await;
    let (tenant, ada) = furnished(&hub).await;
    let kinds = json!({"kinds": {}});
    let declared = json!({"type": "text"});
    for (scopes, status) in [
        (&["events:write", "identities:write"][..], 403),
        (&["customers:write", "customers:read"], 403),
        (&["settings:write"], 200),
    ] {
        let key = hub.key(tenant.id, scopes).await;
        assert_eq!(
            hub.call("PUT", "/api/v1/identity-kinds", &key, Some(kinds.clone())).await.status,
            status,
            "{scopes:?}"
        );
        assert_eq!(
            hub.call("PUT", "/api/v1/attributes/a", &key, Some(declared.clone())).await.status,
            status,
            "{scopes:?}"
        );
        assert_eq!(
            hub.call("DELETE", "/api/v1/attributes/a", &key, None).await.status < 300,
            status == 200,
            "{scopes:?}"
        );
    }
    let timeline = async |scopes: &[&str], query: &str| {
        let key = hub.key(tenant.id, scopes).await;
        let answer = hub.get(&format!("{ada}/timeline{query}"), &key).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.to_string()
    };
    for query in ["", "?kind=message,object,event", "?kind=message", "?limit=1"] {
        let seen = timeline(&["customers:read"], query).await;
        assert!(!seen.contains("the-content") && !seen.contains("the-code"), "{query}: {seen}");
    }
    let seen = timeline(&["customers:read", "messages:read"], "").await;
    assert!(seen.contains("the-content") && !seen.contains("the-code"), "{seen}");
    let seen = timeline(&["customers:read", "objects:read"], "").await;
    assert!(!seen.contains("the-content") && seen.matches("the-code").count() == 2, "{seen}");
    let key = hub.key(tenant.id, &["customers:read"]).await;
    assert_eq!(hub.get(&format!("{ada}/objects"), &key).await.status, 403);

    let events = async |scopes: &[&str]| {
        let key = hub.key(tenant.id, scopes).await;
        hub.get("/api/v1/events", &key).await.body.to_string()
    };
    let seen = events(&["events:read"]).await;
    assert!(seen.contains("plugin.enabled") && !seen.contains("the-token") && !seen.contains("the-code"), "{seen}");
    assert!(events(&["events:read", "plugins:read"]).await.contains("the-token"));
    assert!(events(&["events:read", "objects:read"]).await.contains("the-code"));
    assert!(events(&["*"]).await.contains("the-token"));
}
