//! A plugin is upgraded while orders come in: each is scored once, by the version of its place in the log.

use openhub_model::manifest::{Field, Type};
use openhub_model::{Object, Timestamp};
use openhub_sdk_build::Assembled;
use openhub_store::{CustomerFilter, Indexed, ObjectChange, ObjectFilter, Op, PluginStatus, PluginVersion};
use openhub_test_postgres::Server;
use openhub_tests::component::{with_manifest, without_manifest};
use openhub_tests::guests;
use openhub_tests::house::{HOST_NOW, House, Order, control};
use serde_json::{Value, json};

const EACH: u64 = 100;

fn orders(from: u64) -> Vec<Order> {
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let order = |row: u64| Order {
        row,
        customer: (row % 7).to_string(),
        at: Timestamp::from_micros(start.micros() + row as i64 * 1_000_000),
        total: "1.00".to_owned(),
    };
    (from..from + EACH).map(order).collect()
}

async fn no_order_is_unscored(url: Option<String>) {
    let house = House::open(url).await;
    let [rfm, ..] = guests::ours() else { panic!("rfm is ours") };
    house.install(rfm, json!({})).await;
    house.append(&orders(0)).await;

    let mut manifest = rfm.manifest.clone();
    manifest.version = "99.0.0".into();
    let text = serde_json::to_vec(&manifest).expect("JSON");
    let bytes = with_manifest(without_manifest(&rfm.bytes), &text);
    let digest = openhub_runtime::Runtime::inspect(&bytes).expect("a component").digest;
    let candidate = PluginVersion::uploaded(digest.clone(), manifest, HOST_NOW);
    let name = rfm.manifest.name.clone();
    let uploaded =
        vec![Op::PutComponent { digest: digest.clone(), bytes }, Op::PutCandidate { plugin: name.clone(), candidate }];
    house.store.transact(&house.scope, uploaded).await.expect("it is uploaded");
    // It waits, and the version before scores what comes.
    let position = house.append(&orders(EACH)).await;
    house.run(7, 1, position).await;
    let waiting = house.store.plugin(&house.scope, &name).await.expect("a plugin").expect("it is installed");
    assert_eq!((waiting.status, waiting.version.as_str()), (PluginStatus::Enabled, rfm.manifest.version.as_str()));
    assert_eq!(spent(&house).await, 2 * EACH as i64 * 100);

    house.append(&orders(2 * EACH)).await;
    let agreed = json!({"plugin": name, "digest": digest, "set": {}, "grant": {}});
    let enabled = control("plugin.enabled", "second", agreed);
    house.store.append(&house.scope, vec![enabled]).await.expect("it is agreed to");
    let position = house.append(&orders(3 * EACH)).await;
    house.run(7, 1, position).await;
    let now = house.store.plugin(&house.scope, &name).await.expect("a plugin").expect("it is installed");
    assert_eq!((now.version.as_str(), now.digest.as_str(), now.candidate), ("99.0.0", digest.as_str(), None));
    assert_eq!(spent(&house).await, 4 * EACH as i64 * 100);

    // The way back, in the midst of orders; the same agreement a second time is one to another difference.
    let before = now.previous.expect("the version before").digest;
    house.append(&orders(4 * EACH)).await;
    let back = json!({"plugin": name, "digest": before, "from": digest, "set": {}, "grant": {}});
    let rolled = ["third", "fourth"].map(|key| control("plugin.rolled-back", key, back.clone()));
    house.store.append(&house.scope, rolled.to_vec()).await.expect("it is agreed to");
    let position = house.append(&orders(5 * EACH)).await;
    house.run(7, 1, position).await;
    let now = house.store.plugin(&house.scope, &name).await.expect("a plugin").expect("it is installed");
    assert_eq!((now.digest, now.previous.map(|version| version.digest)), (before, Some(digest)));
    assert_eq!(spent(&house).await, 6 * EACH as i64 * 100);
}

const STAMPS: usize = 1_203;

fn stamp(number: usize, motif: &str, version: i64) -> Object {
    Object {
        kind: "stamp".to_owned(),
        key: format!("{number:05}"),
        part: None,
        version,
        fields: json!({"motif": motif, "album": format!("page {number}")}),
        created_at: HOST_NOW,
        updated_at: HOST_NOW,
        cause: "test".to_owned(),
    }
}

/// Objects of a plugin's type become objects of the version that comes into force: all of them, or none and it does not.
async fn objects_become_of_the_next_version(url: Option<String>) {
    let house = House::open(url).await;
    let newer = guests::build("tests/hostile/stamps");
    let mut older = newer.manifest.clone();
    (older.version, older.objects[0].version) = ("1.0.0".into(), 1);
    older.objects[0].fields[0].name = "motif".into();
    older.objects[0].fields.push(Field::new("album", Type::Text));
    let text = serde_json::to_vec(&older).expect("JSON");
    let older = Assembled { bytes: with_manifest(without_manifest(&newer.bytes), &text), manifest: older, map: None };
    house.install(&older, json!({})).await;
    let position = house.append(&orders(0)).await;
    house.run(7, 1, position).await;
    let active =
        || async { house.store.plugin(&house.scope, "hostile-stamps").await.expect("a read").expect("it is there") };
    let before = active().await.digest;

    let stamps = (0..STAMPS).map(|number| {
        let motif = if number == 700 { String::new() } else { format!("bird {number}") };
        ObjectChange::Create(stamp(number, &motif, 1), Indexed::default())
    });
    let digest = openhub_runtime::Runtime::inspect(&newer.bytes).expect("a component").digest;
    let candidate = PluginVersion::uploaded(digest.clone(), newer.manifest.clone(), HOST_NOW);
    let uploaded = vec![
        Op::Objects(stamps.collect()),
        Op::PutComponent { digest: digest.clone(), bytes: newer.bytes.clone() },
        Op::PutCandidate { plugin: "hostile-stamps".into(), candidate },
    ];
    house.store.transact(&house.scope, uploaded).await.expect("it is uploaded");
    let agreed = json!({"plugin": "hostile-stamps", "digest": digest, "from": before, "set": {}, "grant": {}});
    let activate = async |key: &str| {
        let event = control("plugin.activated", key, agreed.clone());
        house.store.append(&house.scope, vec![event]).await.expect("it is agreed to");
        let position = house.append(&orders(EACH * key.len() as u64)).await;
        house.run(7, 1, position).await;
    };
    let all = async || {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let filter = ObjectFilter { kind: "stamp".into(), part: None, after, limit: 500 };
            let page = house.store.objects(&house.scope, &filter).await.expect("objects");
            let Some(last) = page.last() else { return all };
            after = Some(last.key.clone());
            all.extend(page);
        }
    };
    // One has no motif: nothing happens to any of them.
    activate("a").await;
    assert_eq!(active().await.digest, before);
    assert!(all().await.iter().all(|stamp| stamp.version == 1 && stamp.fields["motif"].is_string()));
    assert_eq!(house.store.plugin_migrating(&house.scope, "hostile-stamps").await.expect("a read"), None);

    let mended = ObjectChange::Replace { stored: 1, object: stamp(700, "bird 700", 2), indexed: Indexed::default() };
    house.store.transact(&house.scope, vec![Op::Objects(vec![mended])]).await.expect("it is mended");
    activate("ab").await;
    assert_eq!(active().await.digest, digest);
    let made = all().await;
    assert_eq!(made.len(), STAMPS);
    for (number, made) in made.iter().enumerate() {
        let version = if number == 700 { 3 } else { 2 };
        assert_eq!((&made.fields, made.version), (&json!({"title": format!("BIRD {number}")}), version), "each once");
    }
    let taken = [("title".to_owned(), "BIRD 7".to_owned())];
    let taken = house.store.taken_values(&house.scope, "stamp", &taken).await.expect("a read");
    assert_eq!(taken, ["title"], "they are found by their unique values");

    // The way back is told by the version that leaves, which knows both.
    let back = json!({"plugin": "hostile-stamps", "digest": before, "from": digest, "set": {}, "grant": {}});
    let rolled = control("plugin.rolled-back", "back", back);
    house.store.append(&house.scope, vec![rolled]).await.expect("it is agreed to");
    let position = house.append(&orders(EACH * 7)).await;
    house.run(7, 1, position).await;
    assert_eq!(active().await.digest, before);
    for (number, made) in all().await.iter().enumerate() {
        let was = json!({"motif": format!("bird {number}"), "album": format!("page {number}")});
        assert_eq!(made.fields, was, "as it was, with what the newer version has no field for");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_objects_become_of_its_next_version() {
    objects_become_of_the_next_version(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_objects_become_of_its_next_version_on_postgres() {
    let server = Server::start().await.expect("a server");
    objects_become_of_the_next_version(Some(server.database().await.expect("a database"))).await;
}

/// What all customers together have spent, as the plugin counts it.
async fn spent(house: &House) -> i64 {
    let filter = CustomerFilter { limit: 1_000, ..CustomerFilter::default() };
    let customers = house.store.customers(&house.scope, &filter).await.expect("customers");
    customers.iter().filter_map(|customer| customer.attribute("spent_cents").and_then(Value::as_i64)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e3_an_upgrade_under_load_leaves_no_order_unscored() {
    no_order_is_unscored(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e3_an_upgrade_under_load_leaves_no_order_unscored_on_postgres() {
    let server = Server::start().await.expect("a server");
    no_order_is_unscored(Some(server.database().await.expect("a database"))).await;
}
