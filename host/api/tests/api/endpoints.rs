//! Calls of plugins' endpoints, as far as no plugin has a part in them: keys, scopes, and the address apart.

use crate::hub::{Hub, request};
use axum::body::Body;
use axum::http::header;
use openhub_api::KeyScopes;
use serde_json::json;

#[tokio::test]
async fn a_scope_names_the_plugin_that_a_key_calls() {
    assert!(KeyScopes::exists("plugins:call") && KeyScopes::exists("plugins:call:coupon-2"));
    for scope in ["plugins:call:", "plugins:call:A", "plugins:call:a:b", "plugins:read:a", "plugins:callx"] {
        assert!(!KeyScopes::exists(scope), "{scope}");
    }
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let keys = [
        (hub.key(tenant.id, &["plugins:call"]).await, "not-found"),
        (hub.key(tenant.id, &["plugins:call:till"]).await, "not-found"),
        (hub.key(tenant.id, &["plugins:call:tills", "plugins:write"]).await, "missing-scope"),
        (tenant.write_key.clone(), "missing-scope"),
        ("oh_test_0000000000000000_00".to_owned(), "unauthenticated"),
    ];
    for (key, code) in keys {
        assert_eq!(hub.post("/x/till/redeem", &key, json!({})).await.body["code"], code);
    }
    let bare = request("GET", "/x/till/redeem").body(Body::empty()).expect("a request");
    assert_eq!(hub.send(bare).await.body["code"], "unauthenticated");
}

#[tokio::test]
async fn what_listens_apart_serves_endpoints_and_nothing_else() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let asked = async |router: &axum::Router, path: &str| {
        let request = request("POST", path).header(header::AUTHORIZATION, format!("Bearer {}", tenant.api_key));
        hub.told(router, request.body(Body::empty()).expect("a request")).await.body["code"].clone()
    };
    let apart = hub.apart();
    assert_eq!(asked(&apart.endpoints, "/x/till/redeem").await, "not-found");
    assert_eq!(asked(&apart.hub, "/x/till/redeem").await, "unknown-route");
    for path in ["/api/v1/customers", "/v1/track", "/hooks/shop/till/x", "/metrics", "/"] {
        assert_eq!(asked(&apart.endpoints, path).await, "unknown-route", "{path}");
    }
    assert_ne!(asked(&apart.hub, "/api/v1/customers").await, "unknown-route");
    let status = async |router, path| {
        let request = request("GET", path).body(Body::empty()).expect("a request");
        hub.told(router, request).await.status
    };
    for (path, at_metrics, at_hub) in
        [("/metrics", 200, 404), ("/readyz", 200, 200), ("/healthz", 200, 200), ("/", 404, 200)]
    {
        assert_eq!(status(&apart.metrics, path).await, at_metrics, "{path}");
        assert_eq!(status(&apart.hub, path).await, at_hub, "{path}");
        assert_eq!(status(&apart.endpoints, path).await, 404, "{path}");
    }
}
