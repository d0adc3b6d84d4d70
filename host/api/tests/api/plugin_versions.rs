//! The life of a plugin's versions: uploaded, compared, agreed to, in force, and the way back.

use crate::hub::{Answer, Hub, PATIENCE, component, request};
use openhub_model::{Id, Timestamp};
use openhub_runtime::signature::SigningKey;
use openhub_store::{PluginLog, Scope};
use serde_json::{Value, json};

const PLUGIN: &str = "/api/v1/plugins/quiet";

fn manifest(version: &str) -> Value {
    json!({"format": 1, "name": "quiet", "version": version, "publisher": "OpenHub", "imports": []})
}

/// One that reaches a host.
fn wider(version: &str) -> Value {
    let mut manifest = manifest(version);
    manifest["hosts"] = json!(["api.example.com"]);
    manifest
}

async fn upload(hub: &Hub, key: &str, manifest: Value) -> Answer {
    hub.upload(key, component(Some(manifest))).await
}

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 40 && detail.ends_with('.'), "it says what to do: {detail}");
}

/// Agrees to what was uploaded.
async fn activate(hub: &Hub, key: &str, uploaded: &Answer) -> Answer {
    let difference = &uploaded.body["difference"];
    hub.post(&format!("{PLUGIN}/activate"), key, json!({"digest": difference["to"], "accept": difference["accept"]}))
        .await
}

async fn active(hub: &Hub, key: &str) -> Value {
    hub.get(PLUGIN, key).await.body["version"].clone()
}

#[tokio::test]
async fn a_version_comes_into_force_by_an_agreement_to_its_difference_and_goes_again() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let first = upload(&hub, key, manifest("1.0.0")).await;
    assert_eq!(first.body["difference"]["from"], Value::Null, "there is none to compare it with: {first:?}");
    let running = activate(&hub, key, &first).await;
    assert_eq!((running.status, &running.body["status"]), (200, &json!("enabled")), "{running:?}");
    assert_eq!(running.body["difference"], Value::Null);

    let second = upload(&hub, key, wider("1.1.0")).await;
    assert_eq!((second.status, active(&hub, key).await), (201, json!("1.0.0")), "nothing that runs changes");
    let difference = &second.body["difference"];
    let host = json!([{"of": "host", "en": "reaches the host api.example.com", "zh": "访问主机 api.example.com"}]);
    assert_eq!((&difference["more"], &difference["less"]), (&host, &json!([])), "{difference}");
    assert_eq!((&difference["from"], &difference["from_version"]), (&first.body["digest"], &json!("1.0.0")));

    let path = format!("{PLUGIN}/activate");
    let to = &difference["to"];
    let unsaid = hub.post(&path, key, json!({"digest": to})).await;
    is(&unsaid, 409, "not-agreed");
    assert_eq!(unsaid.body["faults"][0]["message"], "reaches the host api.example.com");
    is(&hub.post(&path, key, json!({"digest": to, "accept": to})).await, 409, "other-difference");
    is(
        &hub.post(&path, key, json!({"digest": to, "accept": first.body["difference"]["accept"]})).await,
        409,
        "other-difference",
    );
    assert_eq!(hub.post(&path, key, json!({"digest": "0".repeat(64), "accept": to})).await.status, 404);
    assert_eq!(active(&hub, key).await, "1.0.0");
    let upgraded = activate(&hub, key, &second).await;
    assert_eq!(
        (&upgraded.body["version"], &upgraded.body["grant"]["hosts"]),
        (&json!("1.1.0"), &json!(["api.example.com"]))
    );
    assert_eq!((&upgraded.body["previous"]["version"], &upgraded.body["candidate"]), (&json!("1.0.0"), &Value::Null));
    is(&activate(&hub, key, &second).await, 409, "conflict");

    let versions = hub.get(&format!("{PLUGIN}/versions"), key).await.body;
    let mut places: Vec<(&Value, &Value)> = versions["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| (&version["version"], &version["place"]))
        .collect();
    places.sort_by_key(|(version, _)| version.as_str());
    assert_eq!(places, [(&json!("1.0.0"), &json!("previous")), (&json!("1.1.0"), &json!("active"))]);

    // The way back, and forth again: each by an agreement of its own.
    let back = format!("{PLUGIN}/rollback");
    let asked = hub.call("POST", &back, key, None).await;
    is(&asked, 409, "not-agreed");
    assert_eq!(asked.body["faults"][0]["code"], "asks-no-more");
    is(&hub.post(&back, key, json!({"accept": difference["accept"]})).await, 409, "other-difference");
    let accept = accept_of(&hub, key, &first.body["digest"]).await;
    let rolled = hub.post(&back, key, json!({"accept": accept})).await;
    assert_eq!(
        (&rolled.body["version"], &rolled.body["previous"]["version"]),
        (&json!("1.0.0"), &json!("1.1.0")),
        "{rolled:?}"
    );
    assert_eq!(rolled.body["grant"]["hosts"], json!([]), "as it was granted then");
    let accept = accept_of(&hub, key, to).await;
    let forth = hub.post(&path, key, json!({"digest": to, "accept": accept})).await;
    assert_eq!(forth.body["version"], "1.1.0", "{forth:?}");

    // Left once more, it is tried beside the other one under its own number, and comes into force again.
    let accept = accept_of(&hub, key, &first.body["digest"]).await;
    assert_eq!(hub.post(&back, key, json!({"accept": accept})).await.body["version"], "1.0.0");
    let waits = upload(&hub, key, wider("1.1.0")).await;
    assert_eq!((waits.status, &waits.body["candidate"]["digest"]), (201, to), "{waits:?}");
    let accept = accept_of(&hub, key, to).await;
    let canary = json!({"digest": to, "accept": accept, "percent": 10});
    let canary = hub.call("PUT", &format!("{PLUGIN}/canary"), key, Some(canary)).await;
    assert_eq!((canary.status, &canary.body["canary"]["percent"]), (200, &json!(10)), "{canary:?}");
    assert_eq!(hub.call("DELETE", &format!("{PLUGIN}/canary"), key, None).await.status, 200);
    let accept = accept_of(&hub, key, to).await;
    let again = hub.post(&path, key, json!({"digest": to, "accept": accept})).await;
    assert_eq!((&again.body["version"], &again.body["candidate"]), (&json!("1.1.0"), &Value::Null), "{again:?}");

    let log = hub.get("/api/v1/events?limit=1000", key).await.body;
    let names: Vec<&str> =
        log["events"].as_array().unwrap().iter().filter_map(|event| event["name"].as_str()).collect();
    let of = |name: &str| names.iter().filter(|other| **other == name).count();
    assert_eq!((of("plugin.activated"), of("plugin.rolled-back")), (4, 2), "each is one event in the log: {names:?}");
}

async fn accept_of(hub: &Hub, key: &str, digest: &Value) -> Value {
    let path = format!("{PLUGIN}/versions/{}", digest.as_str().expect("a digest"));
    hub.get(&path, key).await.body["difference"]["accept"].clone()
}

#[tokio::test]
async fn a_version_number_means_one_component_and_there_is_no_way_back_but_one() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    is(&hub.call("POST", &format!("{PLUGIN}/rollback"), key, None).await, 404, "not-found");
    let first = upload(&hub, key, manifest("1.0.0")).await;
    activate(&hub, key, &first).await;
    is(&hub.call("POST", &format!("{PLUGIN}/rollback"), key, None).await, 409, "no-previous-version");
    is(&upload(&hub, key, wider("1.0.0")).await, 409, "version-reused");
    is(&upload(&hub, key, manifest("0.9.0")).await, 409, "downgrade");
    let mut foreign = wider("1.2.0");
    foreign["publisher"] = json!("Somebody Else");
    is(&upload(&hub, key, foreign).await, 409, "name-taken");
    assert_eq!(hub.get(PLUGIN, key).await.body["candidate"], Value::Null);

    let second = upload(&hub, key, manifest("1.1.0")).await;
    activate(&hub, key, &second).await;
    // Uploaded again, the version before is what it was, and waits for nothing.
    let again = upload(&hub, key, manifest("1.0.0")).await;
    assert_eq!((again.status, &again.body["candidate"]), (200, &Value::Null), "{again:?}");
    let digest = &first.body["digest"];
    let accept = accept_of(&hub, key, digest).await;
    let down = hub.post(&format!("{PLUGIN}/activate"), key, json!({"digest": digest, "accept": accept})).await;
    is(&down, 409, "downgrade");
    assert!(down.body["detail"].as_str().unwrap().contains("openhub plugin rollback quiet"), "{down:?}");

    // One that nobody agreed to is forgotten on demand; its number is free again.
    let third = upload(&hub, key, manifest("1.2.0")).await;
    let path = |digest: &Value| format!("{PLUGIN}/versions/{}", digest.as_str().unwrap());
    is(&upload(&hub, key, wider("1.2.0")).await, 409, "version-reused");
    assert_eq!(hub.call("DELETE", &path(&third.body["difference"]["to"]), key, None).await.status, 204);
    assert_eq!(hub.get(PLUGIN, key).await.body["candidate"], Value::Null);
    assert_eq!(upload(&hub, key, wider("1.2.0")).await.status, 201);
    is(&hub.call("DELETE", &path(digest), key, None).await, 409, "in-use");
}

#[tokio::test]
async fn what_an_admin_refused_stays_refused_in_the_next_version() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let first = upload(&hub, key, wider("1.0.0")).await;
    let difference = &first.body["difference"];
    let body = json!({"digest": difference["to"], "accept": difference["accept"], "grant": {"hosts": []}});
    assert_eq!(hub.post(&format!("{PLUGIN}/activate"), key, body).await.body["grant"]["hosts"], json!([]));
    let mut more = wider("1.1.0");
    more["hosts"] = json!(["api.example.com", "other.example.com"]);
    let second = upload(&hub, key, more).await;
    let granted = activate(&hub, key, &second).await;
    assert_eq!(granted.body["grant"]["hosts"], json!(["other.example.com"]), "{granted:?}");
}

/// Whoever changes a setting agrees to nothing: what waits goes on waiting, and what was refused is not given back.
#[tokio::test]
async fn developer15_a1_a2_other_settings_put_nothing_in_force_and_give_nothing_back() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let of = |version: &str, hosts: Value| {
        let mut manifest = wider(version);
        manifest["hosts"] = hosts;
        manifest["settings"] = json!([{"name": "depth", "type": "integer"}]);
        manifest
    };
    let first = upload(&hub, key, of("1.0.0", json!(["api.example.com", "b.example.com"]))).await;
    let enable = format!("{PLUGIN}/enable");
    let narrow = json!({"accept": first.body["digest"], "grant": {"hosts": ["b.example.com"]}});
    assert_eq!(hub.post(&enable, key, narrow).await.body["grant"]["hosts"], json!(["b.example.com"]));
    let second = upload(&hub, key, of("1.1.0", json!(["api.example.com", "b.example.com", "c.example.com"]))).await;
    assert_eq!(second.status, 201, "{second:?}");

    let set = hub.post(&enable, key, json!({"settings": {"depth": 2}})).await;
    let seen = |answer: &Answer| {
        let plugin = &answer.body;
        (plugin["version"].clone(), plugin["settings"]["depth"].clone(), plugin["grant"]["hosts"].clone())
    };
    assert_eq!(seen(&set), (json!("1.0.0"), json!(2), json!(["b.example.com"])), "{set:?}");
    assert_eq!(set.body["candidate"]["version"], "1.1.0");
    is(&hub.call("POST", &enable, key, None).await, 409, "not-agreed");
    // Named by its digest, or enabled once more, it is granted what it was.
    let named = json!({"accept": first.body["digest"], "settings": {"depth": 3}});
    assert_eq!(seen(&hub.post(&enable, key, named).await), (json!("1.0.0"), json!(3), json!(["b.example.com"])));
    assert_eq!(hub.call("POST", &format!("{PLUGIN}/disable"), key, None).await.status, 200);
    let again = hub.post(&enable, key, json!({"accept": first.body["digest"]})).await;
    assert_eq!(seen(&again), (json!("1.0.0"), json!(3), json!(["b.example.com"])), "{again:?}");
    let grant = json!({"accept": first.body["digest"], "grant": {}});
    assert_eq!(seen(&hub.post(&enable, key, grant).await).2, json!(["api.example.com", "b.example.com"]));
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_the_version_before_in_force() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let first = upload(&hub, key, manifest("1.0.0")).await;
    activate(&hub, key, &first).await;
    let second = upload(&hub, key, manifest("1.1.0")).await;
    // Its bytes are damaged before the engine comes to them.
    let to = second.body["difference"]["to"].as_str().unwrap().to_owned();
    let damaged = openhub_store::Op::PutComponent { digest: to, bytes: b"damaged".to_vec() };
    hub.store.transact(&openhub_store::Scope::of(tenant.id), vec![damaged]).await.expect("it is written");
    let failed = activate(&hub, key, &second).await;
    assert_eq!((failed.status, &failed.body["code"]), (409, &json!("conflict")), "{failed:?}");
    assert!(failed.body["detail"].as_str().unwrap().contains("so 1.0.0 stays"), "{failed:?}");
    let now = hub.get(PLUGIN, key).await.body;
    assert_eq!((&now["version"], &now["status"]), (&json!("1.0.0"), &json!("enabled")), "{now}");
    assert!(hub.engine.catalog(tenant.id).expect("a catalog").plugins.contains_key("quiet"), "it serves");
    // Uploaded again it is whole, and the agreement still holds.
    assert_eq!(upload(&hub, key, manifest("1.1.0")).await.status, 200);
    assert_eq!(activate(&hub, key, &second).await.body["version"], "1.1.0");
}

#[tokio::test]
async fn an_agreement_holds_beside_the_version_that_was_active_then() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    for version in ["1.0.0", "1.1.0"] {
        let uploaded = upload(&hub, key, manifest(version)).await;
        activate(&hub, key, &uploaded).await;
    }
    let third = upload(&hub, key, wider("1.2.0")).await;
    let first = hub.get(PLUGIN, key).await.body["previous"]["digest"].clone();
    let back = accept_of(&hub, key, &first).await;
    hub.engine.stop().await;
    hub.stopping.cancel();
    // Both are right when they are asked for, and the first one wins.
    assert_eq!(hub.post(&format!("{PLUGIN}/rollback"), key, json!({"accept": back})).await.status, 202);
    let late = activate(&hub, key, &third).await;
    assert_eq!(late.status, 202, "{late:?}");
    let engine = hub.another_engine();
    let position = late.body["position"].as_i64().unwrap();
    assert!(engine.reached(tenant.id, position, PATIENCE).await);
    let now = hub.get(PLUGIN, key).await.body;
    assert_eq!((&now["version"], &now["candidate"]["version"]), (&json!("1.0.0"), &json!("1.2.0")));
    let catalog = engine.catalog(tenant.id).expect("a catalog");
    assert!(
        catalog.refusal_at(position).is_some_and(|reason| reason.contains("look at the difference")),
        "{:?}",
        catalog.faults
    );
    engine.stop().await;
}

#[tokio::test]
async fn a_name_belongs_to_the_key_that_signed_first() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let publisher = SigningKey::of_seed(&[1; 32]).expect("a key");
    let other = SigningKey::of_seed(&[2; 32]).expect("a key");
    let signed = |by: &SigningKey, manifest: Value| by.sign(&component(Some(manifest))).expect("it is signed");
    let first = hub.upload(key, signed(&publisher, manifest("1.0.0"))).await;
    assert_eq!((first.status, &first.body["signer"]), (201, &json!(publisher.public())), "{first:?}");
    let line = &first.body["difference"]["more"][0];
    assert_eq!(line["of"], "publisher", "{first:?}");
    // It is theirs from the first upload on, in force or not.
    for running in [false, true] {
        is(&hub.upload(key, signed(&other, manifest("1.1.0"))).await, 409, "other-publisher-key");
        is(&upload(&hub, key, manifest("1.1.0")).await, 409, "unsigned");
        if !running {
            assert_eq!(activate(&hub, key, &first).await.status, 200);
        }
    }
    let mut broken = signed(&publisher, manifest("1.1.0"));
    let last = broken.len() - 1;
    broken[last] ^= 1;
    is_refused(&hub.upload(key, broken).await, "bad-signature");
    let mut renamed = wider("1.1.0");
    renamed["publisher"] = json!("OpenHub GmbH");
    let second = hub.upload(key, signed(&publisher, renamed)).await;
    assert_eq!(second.status, 201, "the same key is the same publisher: {second:?}");
    assert_eq!(activate(&hub, key, &second).await.body["version"], "1.1.0");
    // Another tenant has pins of its own.
    let elsewhere = hub.tenant("elsewhere").await;
    assert_eq!(hub.upload(&elsewhere.api_key, signed(&other, manifest("1.0.0"))).await.status, 201);
}

fn is_refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, &answer.body["code"]), (422, &json!(code)), "{answer:?}");
}

#[tokio::test]
async fn what_is_newer_than_the_hub_or_cut_off_says_so() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    is_refused(&upload(&hub, key, json!({"format": 2, "name": "quiet", "new": true})).await, "newer-manifest");
    is_refused(&upload(&hub, key, manifest("1")).await, "bad-manifest");
    let whole = component(Some(manifest("1.0.0")));
    is_refused(&hub.upload(key, whole[..whole.len() - 9].to_vec()).await, "incomplete-component");
    assert_eq!(hub.get("/api/v1/plugins", key).await.body, json!({"plugins": [], "next": null}));
}

#[tokio::test]
async fn what_a_plugin_logs_is_read_page_by_page_and_followed() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let first = upload(&hub, key, manifest("1.0.0")).await;
    assert_eq!(activate(&hub, key, &first).await.status, 200);
    let logs = format!("{PLUGIN}/logs");
    let empty = hub.get(&logs, key).await;
    assert_eq!((empty.status, &empty.body["lines"]), (200, &json!([])), "{empty:?}");

    let line = |micros: i64, level: i64, fields: &str| PluginLog {
        at: Timestamp::from_micros(micros),
        id: Id::named(&[b"node"]),
        plugin: "quiet".to_owned(),
        digest: "a".to_owned(),
        version: "1.0.0".to_owned(),
        level,
        message: format!("line {micros}"),
        fields: fields.to_owned(),
    };
    let scope = Scope::of(tenant.id);
    let now = Timestamp::from_micros(9);
    let lines = [line(1, 0, "{}"), line(2, 3, r#"{"order": 7}"#), line(3, 1, "no JSON")];
    hub.store.add_plugin_logs(&scope, now, &lines).await.expect("they are written");
    let messages = |answer: &Answer| -> Vec<Value> {
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["lines"].as_array().expect("lines").iter().map(|line| line["message"].clone()).collect()
    };
    let followed = |of: &Answer| format!("{logs}?after={}", of.body["behind"].as_str().expect("a cursor"));
    let all = hub.get(&followed(&empty), key).await;
    assert_eq!(messages(&all), ["line 1", "line 2", "line 3"], "what comes after an empty page");
    assert_eq!(
        (&all.body["lines"][1]["level"], &all.body["lines"][1]["fields"]),
        (&json!("error"), &json!({"order": 7}))
    );
    assert_eq!(all.body["lines"][2]["fields"], "no JSON");
    assert_eq!(messages(&hub.get(&format!("{logs}?limit=1"), key).await), ["line 3"], "the newest");
    assert_eq!(messages(&hub.get(&format!("{logs}?level=warn"), key).await), ["line 2"]);
    let behind = followed(&all);
    assert_eq!(messages(&hub.get(&behind, key).await), [""; 0]);
    hub.store.add_plugin_logs(&scope, now, &[line(4, 2, "{}")]).await.expect("it is written");
    assert_eq!(messages(&hub.get(&behind, key).await), ["line 4"]);
    assert_eq!(hub.get(&format!("{logs}?level=loud"), key).await.status, 400);
    assert_eq!(hub.get(&format!("{logs}?after=x"), key).await.status, 400);

    let health = hub.get(&format!("{PLUGIN}/health"), key).await;
    assert_eq!((health.status, &health.body["status"], &health.body["versions"]), (200, &json!("enabled"), &json!([])));
    assert_eq!(health.body["errors"][0]["message"], "line 2");
    let elsewhere = hub.tenant("elsewhere").await;
    for path in ["logs", "health"] {
        assert_eq!(hub.get(&format!("{PLUGIN}/{path}"), &elsewhere.api_key).await.status, 404);
    }
}

/// Two components are uploaded at the same moment, one to each of two hubs.
async fn at_once(hub: &Hub, key: &str, [a, b]: [Vec<u8>; 2]) -> [Answer; 2] {
    let (one, other) = (hub.apart().hub, hub.apart().hub);
    let request = |component: Vec<u8>| {
        let request = request("POST", "/api/v1/plugins").header("authorization", format!("Bearer {key}"));
        request.header("content-type", "application/wasm").body(component.into()).expect("a request")
    };
    let (a, b) = tokio::join!(hub.told(&one, request(a)), hub.told(&other, request(b)));
    [a, b]
}

async fn uploads_race(hub: Hub) {
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    for round in 0..4 {
        let named = |version: &str, publisher: &str, host: &str| {
            let name = format!("quiet-{round}");
            component(Some(
                json!({"format": 1, "name": name, "version": version, "publisher": publisher, "imports": [],
                "hosts": [host]}),
            ))
        };
        let one_is_first = async |pair, code| {
            let answers = at_once(&hub, key, pair).await;
            let first = usize::from(answers[0].status != 201);
            assert_eq!(answers[first].status, 201, "{answers:?}");
            is(&answers[1 - first], 409, code);
            first
        };
        let by = ["A", "B"].map(|publisher| named("1.0.0", publisher, "a.example.com"));
        let publisher = ["A", "B"][one_is_first(by, "name-taken").await];
        one_is_first(["a.example.com", "b.example.com"].map(|host| named("1.1.0", publisher, host)), "version-reused")
            .await;
        let versions = hub.get(&format!("/api/v1/plugins/quiet-{round}/versions"), key).await;
        assert_eq!(versions.body["versions"].as_array().map(Vec::len), Some(2), "{versions:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f3_of_two_uploads_at_once_one_is_first_whichever_hub_they_go_to() {
    uploads_race(Hub::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f3_of_two_uploads_at_once_one_is_first_on_postgres() {
    let server = openhub_test_postgres::Server::start().await.expect("a server");
    uploads_race(Hub::on_postgres(server.database().await.expect("a database")).await).await;
}
