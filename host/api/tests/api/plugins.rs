//! Plugins, with components that have a manifest and no code: enough to be installed, set up and enabled.

use crate::hub::{Hub, PATIENCE, component};
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
    assert_eq!(none.body, json!({"plugins": [], "next": null}));
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
    let digest = &installed.body["digest"];
    assert_eq!(hub.upload(key, component(Some(manifest("1.0.0")))).await.status, 200, "the same again");

    let path = |rest: &str| format!("/api/v1/plugins/quiet{rest}");
    let early = hub
        .post(&path("/enable"), key, json!({"accept": digest, "settings": {"uri": "x"}, "grant": {"hosts": ["a"]}}))
        .await;
    assert_json_snapshot!("plugin_not_enabled", early);
    let secret = |value: &str| json!({"value": value});
    assert_eq!(hub.call("PUT", &path("/secrets/signing"), key, Some(secret("nope"))).await.status, 422);
    assert_eq!(hub.call("PUT", &path("/secrets/other"), key, Some(secret("whsec_AAAA"))).await.status, 404);
    assert_eq!(hub.call("PUT", &path("/secrets/signing"), key, Some(secret("whsec_c2VjcmV0"))).await.status, 204);

    let enabled =
        hub.post(&path("/enable"), key, json!({"accept": digest, "settings": {"url": "https://example.com"}})).await;
    assert_json_snapshot!("plugin_enabled", enabled);
    assert!(!enabled.body.to_string().contains("c2VjcmV0"));
    let disabled = hub.call("POST", &path("/disable"), key, None).await;
    assert_eq!((disabled.status, &disabled.body["status"]), (200, &json!("disabled")), "{disabled:?}");
    let receipt = hub.call("DELETE", &path(""), key, None).await;
    assert_eq!((receipt.status, &receipt.body["data"]), (200, &json!("keep")), "{receipt:?}");
    assert_eq!(hub.get(&path(""), key).await.status, 404);
}

/// Uploads a version, sets what it needs and enables it.
async fn running(hub: &Hub, key: &str, version: &str) -> Value {
    let installed = hub.upload(key, component(Some(manifest(version)))).await;
    let secret = json!({"value": "whsec_c2VjcmV0"});
    assert_eq!(hub.call("PUT", "/api/v1/plugins/quiet/secrets/signing", key, Some(secret)).await.status, 204);
    let body = json!({"accept": installed.body["digest"], "settings": {"url": "https://example.com"}});
    let enabled = hub.post("/api/v1/plugins/quiet/enable", key, body).await;
    assert_eq!(enabled.body["status"], "enabled", "{enabled:?}");
    enabled.body
}

#[tokio::test]
async fn e3_a_new_version_waits_beside_the_one_that_runs() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let old = running(&hub, key, "1.0.0").await;

    let mut wider = manifest("1.1.0");
    wider["hosts"] = json!(["api.example.com"]);
    let uploaded = hub.upload(key, component(Some(wider.clone()))).await;
    assert_eq!((uploaded.status, &uploaded.body["status"]), (201, &json!("enabled")), "{uploaded:?}");
    assert_eq!((&uploaded.body["version"], &uploaded.body["digest"]), (&json!("1.0.0"), &old["digest"]));
    let candidate = &uploaded.body["candidate"];
    assert_eq!(
        (&candidate["version"], &candidate["more"]),
        (&json!("1.1.0"), &json!(["reaches the host api.example.com"]))
    );
    assert_eq!(hub.upload(key, component(Some(wider))).await.status, 200, "the same again");

    // Without an agreement to that very version the one before goes on.
    let enable = "/api/v1/plugins/quiet/enable";
    let refused = hub.call("POST", enable, key, None).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("reaches the host api.example.com"), "{refused:?}");
    assert_eq!(hub.post(enable, key, json!({"accept": "0".repeat(64)})).await.status, 409);
    assert_eq!(hub.get("/api/v1/plugins/quiet", key).await.body["version"], "1.0.0");
    let enabled = hub.post(enable, key, json!({"accept": candidate["digest"]})).await;
    assert_eq!((enabled.status, &enabled.body["version"]), (200, &json!("1.1.0")), "{enabled:?}");
    assert_eq!(enabled.body["settings"]["url"], "https://example.com", "settings stay");
    assert_eq!(enabled.body["candidate"], Value::Null);
    assert_eq!(enabled.body["grant"]["hosts"], json!(["api.example.com"]));

    // The way back.
    let path = format!("/api/v1/plugins/quiet/versions/{}", old["digest"].as_str().unwrap());
    let accept = hub.get(&path, key).await.body["difference"]["accept"].clone();
    let back = hub.post("/api/v1/plugins/quiet/rollback", key, json!({"accept": accept})).await;
    assert_eq!((&back.body["version"], &back.body["status"]), (&json!("1.0.0"), &json!("enabled")), "{back:?}");

    // What runs, uploaded again, takes a candidate away.
    hub.upload(key, component(Some(manifest("2.0.0")))).await;
    assert_eq!(hub.get("/api/v1/plugins/quiet", key).await.body["candidate"]["version"], "2.0.0");
    assert_eq!(hub.upload(key, component(Some(manifest("1.0.0")))).await.body["candidate"], Value::Null);
}

#[tokio::test]
async fn c4_nothing_is_enabled_without_an_agreement_that_names_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let mut asking = manifest("1.0.0");
    asking["hosts"] = json!(["setting:url"]);
    let installed = hub.upload(key, component(Some(asking))).await;
    hub.call("PUT", "/api/v1/plugins/quiet/secrets/signing", key, Some(json!({"value": "whsec_c2VjcmV0"}))).await;
    let settings = json!({"url": "https://example.com"});
    for body in [json!({"settings": settings}), json!({"settings": settings, "grant": {"hosts": []}})] {
        let refused = hub.post("/api/v1/plugins/quiet/enable", key, body).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        let asks: Vec<&str> =
            refused.body["faults"].as_array().unwrap().iter().map(|ask| ask["message"].as_str().unwrap()).collect();
        let expected =
            ["reaches the host of the URL in its setting `url`", "lets the hub use the secret `signing`: hmac"];
        assert_eq!(asks, expected, "{refused:?}");
    }
    let digest = &installed.body["digest"];
    let body = json!({"settings": settings, "grant": {"digest": digest, "hosts": []}});
    let enabled = hub.post("/api/v1/plugins/quiet/enable", key, body).await;
    assert_eq!((enabled.status, &enabled.body["grant"]["hosts"]), (200, &json!([])), "{enabled:?}");
    // Once disabled it is agreed to anew.
    assert_eq!(hub.call("POST", "/api/v1/plugins/quiet/disable", key, None).await.status, 200);
    assert_eq!(hub.call("POST", "/api/v1/plugins/quiet/enable", key, None).await.status, 409);
}

#[tokio::test]
async fn e4_one_setting_changes_one() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let mut two = manifest("1.0.0");
    two["settings"] = json!([{"name": "url", "type": "text", "required": true}, {"name": "rate", "type": "integer"}]);
    let installed = hub.upload(key, component(Some(two))).await;
    hub.call("PUT", "/api/v1/plugins/quiet/secrets/signing", key, Some(json!({"value": "whsec_c2VjcmV0"}))).await;
    let enable = async |body: Value| hub.post("/api/v1/plugins/quiet/enable", key, body).await;
    let body = json!({"accept": installed.body["digest"], "settings": {"url": "https://example.com", "rate": 5}});
    assert_eq!(enable(body).await.status, 200);
    let one = enable(json!({"settings": {"rate": 7}})).await;
    assert_eq!(one.body["settings"], json!({"url": "https://example.com", "rate": 7}), "{one:?}");
    assert_eq!(enable(json!({"settings": {}})).await.body["settings"], one.body["settings"]);
    assert_eq!(
        enable(json!({"settings": {"rate": null}})).await.body["settings"],
        json!({"url": "https://example.com"})
    );
    assert_eq!(enable(json!({"settings": {"url": null}})).await.status, 422, "it is required");
    let unknown = enable(json!({"settings": {"uri": "x"}})).await;
    assert!(
        unknown.body["faults"][0]["message"].as_str().unwrap().contains("There are: url"),
        "it says which there are: {unknown:?}"
    );
}

#[tokio::test]
async fn c8_every_change_says_who_made_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    running(&hub, key, "1.0.0").await;
    hub.call("PUT", "/api/v1/attributes/tier", key, Some(json!({"type": "text"}))).await;
    hub.call("PUT", "/api/v1/identity-kinds", key, Some(json!({"kinds": {}}))).await;
    hub.call("PUT", "/api/v1/segments/vips", key, Some(json!({"condition": {"tag": "vip"}}))).await;
    hub.call("DELETE", "/api/v1/segments/vips", key, None).await;
    hub.call("PUT", "/api/v1/segments/few", key, Some(json!({"static": true}))).await;
    let new = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let ada = hub.post("/api/v1/customers", key, new).await.body["id"].as_str().unwrap().to_owned();
    let members = json!({"add": [{"kind": "user_id", "value": "ada"}]});
    hub.post("/api/v1/segments/few/members", key, members).await;
    let journey = json!({"trigger": {"event": "E"}, "start": "done", "nodes": {"done": {"type": "exit"}}});
    hub.call("PUT", "/api/v1/journeys/j", key, Some(journey)).await;
    for verb in ["publish", "pause", "resume"] {
        let answer = hub.call("POST", &format!("/api/v1/journeys/j/{verb}"), key, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    hub.call("DELETE", &format!("/api/v1/customers/{ada}?suppress=true"), key, None).await;
    let removed = hub.post("/api/v1/suppressions/remove", key, json!({"kind": "user_id", "value": "ada"})).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    hub.call("POST", "/api/v1/plugins/quiet/disable", key, None).await;
    hub.call("DELETE", "/api/v1/plugins/quiet", key, None).await;
    hub.settle(&tenant).await;

    let log = hub.get("/api/v1/events?limit=1000", key).await.body;
    let own = |event: &&Value| ["control", "update"].contains(&event["type"].as_str().unwrap());
    let events: Vec<&Value> = log["events"].as_array().unwrap().iter().filter(own).collect();
    let names: Vec<&str> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    for name in [
        "plugin.secret-set",
        "plugin.enabled",
        "attribute.declared",
        "identity.kinds",
        "segment.published",
        "segment.removed",
        "segment.members",
        "journey.published",
        "journey.paused",
        "journey.resumed",
        "customer.erased",
        "suppression.removed",
        "plugin.disabled",
        "plugin.removed",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    for event in events {
        let principal = &event["principal"];
        assert_eq!(principal["kind"], "key", "{event}");
        assert!(principal["id"].as_str().is_some_and(|id| key.contains(id)), "{event}");
    }
}

#[tokio::test]
async fn c3_an_agreement_is_to_one_component() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let first = hub.upload(key, component(Some(manifest("1.0.0")))).await;
    hub.call("PUT", "/api/v1/plugins/quiet/secrets/signing", key, Some(json!({"value": "whsec_c2VjcmV0"}))).await;
    hub.engine.stop().await;
    hub.stopping.cancel();
    let body = json!({"accept": first.body["digest"], "settings": {"url": "https://example.com"}});
    let pending = hub.post("/api/v1/plugins/quiet/enable", key, body).await;
    assert_eq!(pending.status, 202, "{pending:?}");
    let mut wider = manifest("1.1.0");
    wider["hosts"] = json!(["api.example.com"]);
    let second = hub.upload(key, component(Some(wider))).await;
    assert_eq!((second.status, &second.body["status"]), (201, &json!("installed")), "{second:?}");
    let engine = hub.another_engine();
    let position = pending.body["position"].as_i64().unwrap();
    assert!(engine.reached(tenant.id, position, PATIENCE).await);
    let now = hub.get("/api/v1/plugins/quiet", key).await.body;
    assert_eq!((&now["version"], &now["status"], &now["grant"]), (&json!("1.1.0"), &json!("installed"), &json!({})));
    let catalog = engine.catalog(tenant.id).expect("a catalog");
    assert!(catalog.plugins.is_empty());
    assert!(
        catalog.refusal_at(position).is_some_and(|reason| reason.contains("agree to that one")),
        "{:?}",
        catalog.faults
    );
    engine.stop().await;
}
