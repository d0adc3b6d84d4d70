//! A plugin that the operator revokes while hubs run: each of them stops it without a restart, says why, and has it in force again once it
//! is off the list.

use std::path::Path;

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place, programs};
use openhub_tests::patience::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use xtask::demo::setup::Tenant;
use xtask::process::Server;

/// A hub that reads the list.
async fn hub(place: &Place, list: &Path) -> (Server, Client) {
    let file = place.folder.join("hub.toml");
    std::fs::write(&file, format!("revoked_file = {list:?}\n")).expect("a file is written");
    let flags = ["--config".to_owned(), file.display().to_string()];
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    (hub, client)
}

fn component(name: &str) -> Vec<u8> {
    programs().components.iter().find(|(known, _)| known == name).expect("it is ours").1.clone()
}

async fn why_not(client: &Client, tenant: &Tenant, plugin: &str) -> Value {
    client.get(&format!("/api/v1/plugins/{plugin}/health"), &tenant.api_key).await.body["not_in_force"].clone()
}

/// Until a hub says of a plugin what it should.
async fn said(client: &Client, tenant: &Tenant, plugin: &str, is_so: impl Fn(&Value) -> bool) {
    until("the hub says whether the plugin is in force", || async {
        is_so(&why_not(client, tenant, plugin).await).then_some(())
    })
    .await;
}

async fn orders(client: &Client, tenant: &Tenant) -> Value {
    let order = json!({"userId": "ada", "event": "Order Completed", "properties": {"total": 10}});
    let sent = client.ingest("/v1/track", &tenant.write_key, &order).await;
    assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
    client.settled(&tenant.api_key).await;
    let found = client.get("/api/v1/customers?identity=user_id:ada", &tenant.api_key).await.body;
    found["customers"][0]["attributes"]["orders"].clone()
}

async fn revoked(database: Option<String>) {
    let first = Place::new(database.clone());
    let tenant = first.tenant("live").await;
    let list = first.folder.join("revoked");
    std::fs::write(&list, "# nobody yet\n").expect("a list is written");
    let (one, client) = hub(&first, &list).await;
    let key = &tenant.api_key;
    for name in ["rfm", "coupon"] {
        client.enable(key, component(name)).await;
    }
    client.enable(key, guests::build("tests/hostile/hook").bytes).await;
    // Another hub on the same database, which does not move the tenant.
    let second = Place::new(database.clone());
    let beside = match database {
        None => None,
        Some(_) => {
            std::fs::copy(first.folder.join("secret.key"), second.folder.join("secret.key")).expect("the key");
            Some(hub(&second, &list).await)
        }
    };
    let nodes: Vec<&Client> = std::iter::once(&client).chain(beside.iter().map(|(_, client)| client)).collect();
    assert_eq!(orders(&client, &tenant).await, 1);
    let customer = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let ada = client.json(Method::POST, "/api/v1/customers", key, &customer).await.body["id"].clone();
    let fields = json!({"fields": {"percent": 10, "owner": ada}});
    let hook = format!("/hooks/{}/hostile-hook/hook", tenant.name);
    let works = async |node: &Client| {
        let coupon = node.json(Method::POST, "/api/v1/objects/coupon", key, &fields).await.status;
        (coupon, node.send(node.request(Method::POST, &hook).json(&json!({}))).await.status)
    };
    for node in &nodes {
        assert_eq!(works(node).await, (StatusCode::CREATED, StatusCode::OK));
    }

    let mut digests = Vec::new();
    let names = ["rfm", "coupon", "hostile-hook"];
    for name in names {
        let plugin = client.get(&format!("/api/v1/plugins/{name}"), key).await.body;
        digests.push(plugin["digest"].as_str().expect("a digest").to_owned());
    }
    std::fs::write(&list, digests.join("  # harmful\n")).expect("a list is written");
    for node in &nodes {
        for name in names {
            said(node, &tenant, name, |why| why.as_str().is_some_and(|why| why.contains("has revoked this component")))
                .await;
        }
        assert_eq!(works(node).await, (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
        let status = node.get("/api/v1/status", key).await.body;
        assert_eq!(status["faults"].as_array().map(Vec::len), Some(3), "{status}");
    }
    assert_eq!(orders(&client, &tenant).await, 1, "the rule is not asked");
    let again = client.upload(key, component("rfm")).await;
    assert_eq!(again.body["code"], "revoked", "{again:?}");

    // What cannot be read changes nothing.
    std::fs::write(&list, "nobody\n").expect("a list is written");
    until("the hub has told it", || async {
        let log = std::fs::read_to_string(first.folder.join("hub.log")).unwrap_or_default();
        log.contains("cannot be used").then_some(())
    })
    .await;
    assert!(why_not(&client, &tenant, "rfm").await.is_string());

    std::fs::write(&list, format!("{}\n", digests[1])).expect("a list is written");
    for node in &nodes {
        said(node, &tenant, "rfm", Value::is_null).await;
        said(node, &tenant, "hostile-hook", Value::is_null).await;
        assert_eq!(works(node).await, (StatusCode::NOT_FOUND, StatusCode::OK));
    }
    assert_eq!(orders(&client, &tenant).await, 2, "it is in force again");
    if let Some((other, _)) = beside {
        assert!(other.stop().await.expect("the hub ends").success());
    }
    assert!(one.stop().await.expect("the hub ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_stops_without_a_restart() {
    revoked(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_stops_on_each_node_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    revoked(Some(server.database().await.expect("a database"))).await;
}
