//! What a plugin keeps at its provider, in the real binary: an erasure is not complete before the provider has erased it, whatever becomes of
//! the hub meanwhile, and an admin can have it asked again or give it up.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use openhub_tests::provider::Provider;
use openhub_tests::traces::texts;
use reqwest::Method;
use serde_json::{Value, json};
use xtask::demo::setup::Tenant;

async fn install(client: &Client, tenant: &Tenant, provider: &Provider) {
    let key = &tenant.api_key;
    let uploaded = client.upload(key, guests::build("plugins/email").bytes).await;
    let secret = json!({"value": "re_123456789"});
    let set = client.json(Method::PUT, "/api/v1/plugins/email/secrets/api-key", key, &secret).await;
    assert!(set.status.is_success(), "{set:?}");
    let settings = json!({"url": format!("http://{}/emails", provider.address), "from": "Shop <shop@example.com>"});
    let accept = json!({"accept": uploaded.body["digest"], "settings": settings});
    let enabled = client.json(Method::POST, "/api/v1/plugins/email/enable", key, &accept).await;
    assert_eq!(enabled.body["status"], "enabled", "{enabled:?}");
}

/// Somebody with an address, by their id.
async fn known(client: &Client, tenant: &Tenant, name: &str) -> String {
    let identities =
        json!([{"kind": "user_id", "value": name}, {"kind": "email", "value": format!("{name}@example.com")}]);
    let made =
        client.json(Method::POST, "/api/v1/customers", &tenant.api_key, &json!({"identities": identities})).await;
    made.body["id"].as_str().unwrap_or_else(|| panic!("a customer: {made:?}")).to_owned()
}

/// The receipt, once it is so.
async fn receipt(client: &Client, tenant: &Tenant, id: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/v1/erasures/{}", id.as_str().expect("an id"));
    until("the receipt says so", || async {
        let receipt = client.get(&path, &tenant.api_key).await.body;
        is_so(&receipt).then_some(receipt)
    })
    .await
}

async fn faults(client: &Client, tenant: &Tenant, status: &str) -> Vec<Value> {
    client.rows(&format!("/api/v1/faults?kind=erasure&status={status}"), "faults", &tenant.api_key).await
}

async fn kept_elsewhere(database: Option<String>) {
    let provider = Provider::start(401).await;
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let flags = ["--allow-private".to_owned(), provider.address.clone()];
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let address = hub.address().to_owned();
    let client = Client::new(&hub.url);
    install(&client, &tenant, &provider).await;
    let (ada, ben) = (known(&client, &tenant, "canary-ada").await, known(&client, &tenant, "canary-ben").await);
    let erase = |id: &str| {
        let path = format!("/api/v1/customers/{id}");
        client.send(client.request(Method::DELETE, &path).bearer_auth(&tenant.api_key))
    };

    // Whoever is given their data is told that the provider's part is missing.
    let data = client.get(&format!("/api/v1/customers/{ada}/data"), &tenant.api_key).await.body;
    let lines: Vec<Value> =
        data.as_str().expect("lines").lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "not-told").collect();
    assert_eq!(told, [&json!({"kind": "not-told", "data": {"plugin": "email", "code": "status"}})]);

    let erased = erase(&ada).await;
    assert_eq!(erased.status, 202, "{erased:?}");
    let open = receipt(&client, &tenant, &erased.body["id"], |receipt| receipt["plugins"][0]["failures"] == 1).await;
    assert!(open["erased_at"].is_string() && open["done_at"].is_null(), "{open}");
    assert_eq!((&open["plugins"][0]["status"], &open["plugins"][0]["code"]), (&json!("open"), &json!("status")));
    let left = texts(&place.database).await;
    let names: Vec<&String> =
        left.iter().filter(|(_, text)| text.contains("canary-ada")).map(|(table, _)| table).collect();
    assert!(names.is_empty(), "who was erased is readable in {names:?}");

    // The hub that asks next has it from the database.
    assert!(hub.stop().await.expect("the hub ends").success());
    provider.answers(200);
    let hub = place.start_again(&address, &flags).await;
    let [fault] = <[Value; 1]>::try_from(faults(&client, &tenant, "open").await).expect("one fault");
    assert_eq!((&fault["subject"], &fault["code"]), (&json!("email"), &json!("status")));
    let retry = format!("/api/v1/faults/{}/retry", fault["id"].as_str().expect("an id"));
    assert_eq!(client.json(Method::POST, &retry, &tenant.api_key, &json!({})).await.status, 200);
    let done = receipt(&client, &tenant, &erased.body["id"], |receipt| receipt["done_at"].is_string()).await;
    assert_eq!(
        (&done["plugins"][0]["status"], &done["plugins"][0]["receipt"]),
        (&json!("done"), &json!("1 contacts deleted"))
    );
    assert!(faults(&client, &tenant, "open").await.is_empty());

    // A plugin that does not run is given up by an admin.
    let disabled = client.json(Method::POST, "/api/v1/plugins/email/disable", &tenant.api_key, &json!({})).await;
    assert!(disabled.status.is_success(), "{disabled:?}");
    let erased = erase(&ben).await;
    assert_eq!(erased.status, 202, "{erased:?}");
    let open = until("it is told", || async { faults(&client, &tenant, "open").await.pop() }).await;
    assert_eq!(open["code"], "not-enabled", "{open}");
    let discard = format!("/api/v1/faults/{}/discard", open["id"].as_str().expect("an id"));
    assert_eq!(client.json(Method::POST, &discard, &tenant.api_key, &json!({})).await.status, 200);
    let waived = receipt(&client, &tenant, &erased.body["id"], |receipt| receipt["done_at"].is_string()).await;
    assert_eq!(waived["plugins"][0]["status"], "waived", "{waived}");
    assert!(hub.stop().await.expect("the hub ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_waits_for_what_a_plugin_keeps_elsewhere_on_sqlite() {
    kept_elsewhere(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_waits_for_what_a_plugin_keeps_elsewhere_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    kept_elsewhere(Some(server.database().await.expect("a database"))).await;
}
