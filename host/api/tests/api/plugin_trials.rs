//! A version that is tried beside the active one: agreed to, widened, ended, and refused where it cannot be.

use crate::hub::{Answer, Hub, component};
use openhub_model::Timestamp;
use openhub_model::manifest::{Manifest, RuleShape};
use openhub_store::{Changes, Op, PluginVersion, Scope, ShadowCount, ShadowRow};
use serde_json::{Value, json};

const PLUGIN: &str = "/api/v1/plugins/quiet";
const CANARY: &str = "/api/v1/plugins/quiet/canary";

fn manifest(version: &str) -> Value {
    json!({"format": 1, "name": "quiet", "version": version, "publisher": "OpenHub", "imports": [], "hosts": [format!("{version}.example.com")]})
}

/// The first version is active, and the second waits: its digest, and that of the difference.
async fn waiting(hub: &Hub, key: &str) -> (Value, Value) {
    let first = hub.upload(key, component(Some(manifest("1.0.0")))).await;
    let difference = &first.body["difference"];
    let agreed = json!({"digest": difference["to"], "accept": difference["accept"]});
    assert_eq!(hub.post(&format!("{PLUGIN}/activate"), key, agreed).await.status, 200);
    let second = hub.upload(key, component(Some(manifest("1.1.0")))).await;
    let difference = &second.body["difference"];
    (difference["to"].clone(), difference["accept"].clone())
}

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 30 && detail.ends_with('.'), "it says what to do: {detail}");
}

#[tokio::test]
async fn a_canary_is_agreed_to_widened_and_ended() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let (digest, accept) = waiting(&hub, key).await;
    is(&hub.call("DELETE", CANARY, key, None).await, 404, "not-found");
    let set = async |body: Value| hub.call("PUT", CANARY, key, Some(body)).await;
    is(&set(json!({"digest": digest, "percent": 100, "accept": accept})).await, 400, "invalid-body");
    is(&set(json!({"digest": digest, "percent": 10})).await, 409, "not-agreed");
    is(&set(json!({"digest": digest, "percent": 10, "accept": digest})).await, 409, "other-difference");
    is(&set(json!({"digest": "0".repeat(64), "percent": 10, "accept": accept})).await, 409, "conflict");
    let begun = set(json!({"digest": digest, "percent": 10, "accept": accept})).await;
    let told = |answer: &Answer| (answer.body["version"].clone(), answer.body["canary"]["percent"].clone());
    assert_eq!((begun.status, told(&begun)), (200, (json!("1.0.0"), json!(10))), "{begun:?}");
    let catalog = hub.engine.catalog(tenant.id).expect("a catalog");
    let canary = catalog.plugins["quiet"].canary.as_ref().expect("it serves");
    assert_eq!((canary.percent, json!(canary.version.installation.digest)), (10, digest.clone()));

    // Nothing else is done with it meanwhile; to serve more needs no other agreement.
    is(&hub.upload(key, component(Some(manifest("1.2.0")))).await, 409, "being-tried");
    let path = format!("{PLUGIN}/versions/{}", digest.as_str().expect("a digest"));
    is(&hub.call("DELETE", &path, key, None).await, 409, "being-tried");
    assert_eq!(told(&set(json!({"digest": digest, "percent": 50})).await).1, json!(50));

    let ended = hub.call("DELETE", CANARY, key, None).await;
    assert_eq!((ended.status, &ended.body["canary"]), (200, &Value::Null), "{ended:?}");
    assert_eq!(ended.body["candidate"]["digest"], digest, "it waits again");
    assert_eq!(set(json!({"digest": digest, "percent": 1, "accept": accept})).await.status, 200);
    let agreed = json!({"digest": digest, "accept": accept});
    let active = hub.post(&format!("{PLUGIN}/activate"), key, agreed).await;
    assert_eq!(told(&active), (json!("1.1.0"), Value::Null), "in full, it is no canary any more");

    let log = hub.get("/api/v1/events?limit=1000", key).await.body;
    let names = log["events"].as_array().expect("events").iter().filter_map(|event| event["name"].as_str());
    let of: Vec<&str> = names.filter(|name| name.starts_with("plugin.canary")).collect();
    assert_eq!(of.len(), 4, "each is one event in the log: {of:?}");
}

#[tokio::test]
async fn a_version_that_declares_something_else_is_not_tried() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    waiting(&hub, key).await;
    let rule = RuleShape {
        name: "spend".into(),
        on: vec!["Bought".into()],
        reads: vec![],
        lists: vec![],
        writes: vec![],
        events: vec![],
        to: vec![],
        objects: vec![],
        params: vec![],
    };
    let other: Manifest = serde_json::from_value(manifest("1.2.0")).expect("a manifest");
    let other = Manifest { rules: vec![rule], ..other };
    let candidate = PluginVersion::uploaded("0".repeat(64), other, Timestamp::default());
    let put = Op::PutCandidate { plugin: "quiet".to_owned(), candidate };
    hub.store.transact(&Scope::of(tenant.id), vec![put]).await.expect("it waits");
    let refused = hub.call("PUT", CANARY, key, Some(json!({"digest": "0".repeat(64), "percent": 5}))).await;
    is(&refused, 409, "cannot-be-tried");
    assert_eq!(refused.body["faults"][0]["pointer"], "/rules/0", "{refused:?}");
}

#[tokio::test]
async fn a_shadow_is_started_reported_and_stopped() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let (digest, accept) = waiting(&hub, key).await;
    let path = format!("{PLUGIN}/shadow");
    is(&hub.call("DELETE", &path, key, None).await, 404, "not-found");
    let begun = hub.call("PUT", &path, key, Some(json!({"digest": digest}))).await;
    assert_eq!((begun.status, &begun.body["shadow"]["digest"]), (200, &digest), "{begun:?}");
    let canary = json!({"digest": digest, "percent": 10, "accept": accept});
    is(&hub.call("PUT", CANARY, key, Some(canary.clone())).await, 409, "being-tried");
    is(&hub.upload(key, component(Some(manifest("1.2.0")))).await, 409, "being-tried");

    let row = ShadowRow {
        plugin: "quiet".to_owned(),
        rule: "gold".to_owned(),
        message_id: "order-1".to_owned(),
        position: 7,
        part: None,
        differs: json!({"paths": ["events"], "neighbours": true, "active": {}, "shadow": {"events": {}}}).to_string(),
    };
    let count =
        ShadowCount { plugin: "quiet".to_owned(), rule: "gold".to_owned(), compared: 9, ..ShadowCount::default() };
    let found = Changes { shadow_counts: vec![count], shadow_rows: vec![row], ..Changes::default() };
    hub.commit(&tenant, found).await;
    let report = hub.get(&path, key).await.body;
    assert_eq!((&report["shadow"]["digest"], &report["rules"][0]["compared"]), (&digest, &json!(9)), "{report}");
    assert_eq!(report["rows"][0]["shadow"], json!({"events": {}}));
    // What is about a customer is for those who may read customers.
    let blind = hub.key(tenant.id, &["plugins:read"]).await;
    let report = hub.get(&path, &blind).await.body;
    let masked = json!([{"rule": "gold", "position": 7, "paths": ["events"], "neighbours": true}]);
    assert_eq!(report["rows"], masked, "{report}");

    let over = format!("{PLUGIN}/versions/{}/over", digest.as_str().expect("a digest"));
    let report = hub.get(&format!("{over}?last=7d"), key).await;
    assert_eq!((report.status, &report.body["report"]["rules"]), (200, &json!([])), "it has no rules: {report:?}");
    assert_eq!(hub.get(&over, &blind).await.status, 403, "it makes plugins work");
    assert_eq!(hub.get(&format!("{PLUGIN}/versions/{}/over", "0".repeat(64)), key).await.status, 404);
    let stopped = hub.call("DELETE", &path, key, None).await;
    assert_eq!((stopped.status, &stopped.body["shadow"]), (200, &Value::Null), "{stopped:?}");
    let report = hub.get(&path, key).await.body;
    assert_eq!((&report["shadow"], &report["rules"][0]["compared"]), (&Value::Null, &json!(9)), "it stays: {report}");
    assert_eq!(hub.call("PUT", CANARY, key, Some(canary)).await.status, 200);
    is(&hub.call("PUT", &path, key, Some(json!({"digest": digest}))).await, 409, "being-tried");
}

/// What acts cannot be tried: a message that a shadow sends is sent.
#[tokio::test]
async fn a_version_that_only_acts_is_not_tried() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    waiting(&hub, key).await;
    let mut other = manifest("1.2.0");
    other["channels"] = json!([{"name": "sms", "address": "phone", "purpose": "news"}]);
    let other: Manifest = serde_json::from_value(other).expect("a manifest");
    let candidate = PluginVersion::uploaded("0".repeat(64), other, Timestamp::default());
    let put = Op::PutCandidate { plugin: "quiet".to_owned(), candidate };
    hub.store.transact(&Scope::of(tenant.id), vec![put]).await.expect("it waits");
    for (path, body) in [
        (CANARY.to_owned(), json!({"digest": "0".repeat(64), "percent": 5})),
        (format!("{PLUGIN}/shadow"), json!({"digest": "0".repeat(64)})),
    ] {
        let refused = hub.call("PUT", &path, key, Some(body)).await;
        is(&refused, 409, "cannot-be-tried");
        let detail = refused.body["detail"].as_str().expect("a sentence");
        assert!(detail.contains("what is sent cannot be taken back"), "{detail}");
    }
}
