//! The end of plugins: what is kept, read, and erased.

use crate::hub::{Answer, Hub, Tenant, component};
use openhub_model::{Object, Timestamp};
use openhub_runtime::signature::SigningKey;
use openhub_store::{Indexed, KvWrite, ObjectChange, Op, Scope};
use serde_json::{Value, json};

const PLUGIN: &str = "/api/v1/plugins/stamps";

/// Without its type nobody needs a component with code.
fn manifest(version: &str) -> Value {
    json!({"format": 1, "name": "stamps", "version": version, "publisher": "OpenHub", "imports": []})
}

async fn running(hub: &Hub, tenant: &Tenant, component: Vec<u8>) -> Answer {
    let uploaded = hub.upload(&tenant.api_key, component).await;
    let difference = &uploaded.body["difference"];
    let body = json!({"digest": difference["to"], "accept": difference["accept"]});
    let active = hub.post(&format!("{PLUGIN}/activate"), &tenant.api_key, body).await;
    assert_eq!(active.status, 200, "{active:?}");
    active
}

/// Behind the API's back: an entry of the plugin's own state, and a version of it that declared a type, with objects of it.
async fn keeps(hub: &Hub, tenant: &Tenant, objects: usize) {
    let scope = Scope::of(tenant.id);
    let (key, value) = ("seen".to_owned(), b"42".to_vec());
    let write = KvWrite { key, value, part: None, expires_at: None, expected: None };
    hub.store.put_kv(&scope, "stamps", write, hub.now(), None).await.expect("it is written");
    let changes = (0..objects).map(|number| {
        let object = Object {
            kind: "stamp".to_owned(),
            key: format!("{number:05}"),
            part: None,
            version: 1,
            fields: json!({"motif": "a bird"}),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            cause: "test".to_owned(),
        };
        ObjectChange::Create(object, Indexed::default())
    });
    hub.store.transact(&scope, vec![Op::Objects(changes.collect())]).await.expect("they are written");
    let mut old = manifest("0.9.0");
    old["objects"] = json!([{"name": "stamp", "version": 1, "fields": [{"name": "motif", "type": "text"}]}]);
    let manifest = serde_json::from_value(old).expect("a manifest");
    let mut version = openhub_store::PluginVersion::uploaded("1".repeat(64), manifest, hub.now());
    version.grant = Some(json!({}));
    let candidate = Op::PutCandidate { plugin: "stamps".to_owned(), candidate: version };
    hub.store
        .transact(&scope, vec![candidate, Op::DropCandidate { plugin: "stamps".to_owned() }])
        .await
        .expect("it is there");
}

#[tokio::test]
async fn what_a_plugin_kept_waits_for_it_or_is_read_and_erased() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    running(&hub, &tenant, component(Some(manifest("1.0.0")))).await;
    keeps(&hub, &tenant, 2_500).await;
    let kept = hub.call("DELETE", PLUGIN, key, None).await;
    assert_eq!((kept.status, &kept.body["objects"], &kept.body["entries"]), (200, &json!(0), &json!(0)), "{kept:?}");
    assert_eq!(hub.get(PLUGIN, key).await.status, 404);
    assert_eq!(hub.get("/api/v1/plugins", key).await.body, json!({"plugins": [], "next": null}));

    // It comes back to what it kept, without its former settings; nobody else does.
    let mut foreign = manifest("1.0.1");
    foreign["publisher"] = json!("Somebody Else");
    assert_eq!(hub.upload(key, component(Some(foreign.clone()))).await.body["code"], "name-taken");
    let back = hub.upload(key, component(Some(manifest("1.0.0")))).await;
    assert_eq!((back.status, &back.body["status"]), (201, &json!("installed")), "{back:?}");
    let entries = async || {
        let data = hub.get(&format!("{PLUGIN}/data"), key).await;
        assert_eq!(data.status, 200, "{data:?}");
        let text = data.body.as_str().unwrap_or_default().to_owned();
        (
            text.lines().filter(|line| line.contains(r#""kind":"object""#)).count(),
            text.matches(r#""key":"seen""#).count(),
        )
    };
    assert_eq!(entries().await, (2_500, 1));

    let exported = hub.call("DELETE", &format!("{PLUGIN}?data=export"), key, None).await;
    assert_eq!(exported.body["export"], format!("{PLUGIN}/data"), "{exported:?}");
    assert_eq!(entries().await, (2_500, 1), "it is read once the plugin is gone");
    let erased = hub.call("DELETE", &format!("{PLUGIN}?data=erase"), key, None).await;
    assert_eq!(
        (erased.status, &erased.body["objects"], &erased.body["entries"]),
        (200, &json!(2_500), &json!(1)),
        "{erased:?}"
    );
    assert_eq!(hub.get(&format!("{PLUGIN}/data"), key).await.status, 404);
    assert!(!hub.store.has_objects(&Scope::of(tenant.id), "stamp").await.expect("a read"));
    assert_eq!(hub.call("DELETE", &format!("{PLUGIN}?data=erase"), key, None).await.status, 404);
    // The name is free, and whoever takes it inherits nothing.
    let other = hub.upload(key, component(Some(foreign))).await;
    assert_eq!(other.status, 201, "{other:?}");
    assert_eq!(entries().await, (0, 0));

    let id = erased.body["id"].as_str().expect("an id");
    assert_eq!(hub.get(&format!("/api/v1/plugin-removals/{id}"), key).await.body, erased.body);
    let all = hub.get("/api/v1/plugin-removals", key).await.body;
    assert_eq!(all["removals"].as_array().map(Vec::len), Some(3), "{all}");
}

#[tokio::test]
async fn a_running_plugin_is_erased_at_once_and_its_key_with_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let signed = |seed: u8, version: &str| {
        let signing = SigningKey::of_seed(&[seed; 32]).expect("a key");
        signing.sign(&component(Some(manifest(version)))).expect("it is signed")
    };
    running(&hub, &tenant, signed(1, "1.0.0")).await;
    keeps(&hub, &tenant, 3).await;
    hub.call("DELETE", PLUGIN, key, None).await;
    assert_eq!(hub.upload(key, signed(2, "1.1.0")).await.body["code"], "other-publisher-key");
    running(&hub, &tenant, signed(1, "1.1.0")).await;
    let erased = hub.call("DELETE", &format!("{PLUGIN}?data=erase"), key, None).await;
    assert_eq!((&erased.body["objects"], &erased.body["entries"]), (&json!(3), &json!(1)), "{erased:?}");
    assert!(!hub.engine.catalog(tenant.id).expect("a catalog").plugins.contains_key("stamps"));
    assert_eq!(hub.upload(key, signed(2, "0.1.0")).await.status, 201, "another publisher may take the name");
}
