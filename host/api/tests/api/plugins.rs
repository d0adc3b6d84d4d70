//! Plugins, with components that have a manifest and no code: enough to be installed, set up and enabled.

use crate::hub::{Hub, component};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

fn manifest(version: &str) -> Value {
    json!({
        "format": 1, "name": "quiet", "version": version, "publisher": "OpenHub",
        "settings": [{"name": "url", "type": "text", "required": true}],
        "secrets": [{"name": "signing", "encoding": "whsec", "places": ["hmac"], "required": true}],
        "imports": [],
    })
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_with_the_reason() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let mut wrong_path = manifest("1.0.0");
    wrong_path["name"] = json!("Quiet_Plugin");
    let cases = [
        ("bytes", b"hello".to_vec()),
        ("nothing", Vec::new()),
        ("core module", b"\0asm\x01\0\0\0".to_vec()),
        ("without a manifest", component(None)),
        ("of an unknown format", component(Some(json!({"format": 99})))),
        ("with a bad name", component(Some(wrong_path))),
    ];
    for (what, bytes) in cases {
        let answer = hub.upload(&tenant.api_key, bytes).await;
        assert_eq!(answer.status, 422, "{what}: {answer:?}");
        assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
    }
    let none = hub.get("/api/v1/plugins", &tenant.api_key).await;
    assert_eq!(none.body, json!({"plugins": []}));
    let html = hub.post("/api/v1/plugins", &tenant.api_key, json!({})).await;
    assert_eq!(html.status, 415);
}

#[tokio::test]
async fn a_plugin_is_installed_set_up_enabled_and_removed() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let installed = hub.upload(key, component(Some(manifest("1.0.0")))).await;
    assert_json_snapshot!("plugin_installed", installed);
    assert_eq!(hub.upload(key, component(Some(manifest("1.0.0")))).await.status, 200, "the same again");

    let path = |rest: &str| format!("/api/v1/plugins/quiet{rest}");
    let early = hub.post(&path("/enable"), key, json!({"settings": {"uri": "x"}, "grant": {"hosts": ["a"]}})).await;
    assert_json_snapshot!("plugin_not_enabled", early);
    let secret = |value: &str| json!({"value": value});
    assert_eq!(hub.call("PUT", &path("/secrets/signing"), key, Some(secret("nope"))).await.status, 422);
    assert_eq!(hub.call("PUT", &path("/secrets/other"), key, Some(secret("whsec_AAAA"))).await.status, 404);
    assert_eq!(hub.call("PUT", &path("/secrets/signing"), key, Some(secret("whsec_c2VjcmV0"))).await.status, 204);

    let enabled = hub.post(&path("/enable"), key, json!({"settings": {"url": "https://example.com"}})).await;
    assert_json_snapshot!("plugin_enabled", enabled);
    assert!(!enabled.body.to_string().contains("c2VjcmV0"));
    let disabled = hub.call("POST", &path("/disable"), key, None).await;
    assert_eq!((disabled.status, &disabled.body["status"]), (200, &json!("disabled")), "{disabled:?}");
    assert_eq!(hub.call("DELETE", &path(""), key, None).await.status, 204);
    assert_eq!(hub.get(&path(""), key).await.status, 404);
}

#[tokio::test]
async fn a_new_version_is_enabled_anew() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    hub.upload(key, component(Some(manifest("1.0.0")))).await;
    let secret = json!({"value": "whsec_c2VjcmV0"});
    hub.call("PUT", "/api/v1/plugins/quiet/secrets/signing", key, Some(secret)).await;
    let settings = json!({"settings": {"url": "https://example.com"}});
    assert_eq!(hub.post("/api/v1/plugins/quiet/enable", key, settings).await.body["status"], "enabled");

    let upgraded = hub.upload(key, component(Some(manifest("1.1.0")))).await;
    assert_eq!((upgraded.status, &upgraded.body["status"]), (201, &json!("installed")), "{upgraded:?}");
    assert_eq!(upgraded.body["version"], "1.1.0");
    let enabled = hub.call("POST", "/api/v1/plugins/quiet/enable", key, None).await;
    assert_eq!((enabled.status, &enabled.body["status"]), (200, &json!("enabled")), "{enabled:?}");
    assert_eq!(enabled.body["settings"]["url"], "https://example.com", "settings stay");
}
