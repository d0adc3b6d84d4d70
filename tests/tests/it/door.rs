//! The door of objects, with a plugin that checks them: whom an object names is there, and its keys have lengths.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::hub::{Answer, Client, Place, programs};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const NOBODY: &str = "00000000-0000-8000-8000-000000000001";

#[tokio::test]
async fn e10_an_object_names_nobody_who_is_not_there_on_sqlite() {
    e10_an_object_names_nobody_who_is_not_there(None).await;
}

#[tokio::test]
async fn e10_an_object_names_nobody_who_is_not_there_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    e10_an_object_names_nobody_who_is_not_there(Some(server.database().await.expect("a database"))).await;
}

fn fault(answer: &Answer) -> (StatusCode, Value, Value) {
    let fault = &answer.body["faults"][0];
    (answer.status, fault["pointer"].clone(), fault["code"].clone())
}

async fn e10_an_object_names_nobody_who_is_not_there(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let (client, key) = (Client::new(&hub.url), &tenant.api_key);
    let coupon = programs().components.iter().find(|(name, _)| name == "coupon").expect("coupon is ours").1.clone();
    client.enable(key, coupon).await;
    let refused = (StatusCode::UNPROCESSABLE_ENTITY, json!("/fields/owner"), json!("unknown-customer"));
    let create = |owner: Value| {
        let fields = json!({"fields": {"percent": 10, "owner": owner}});
        let client = &client;
        async move { client.json(Method::POST, "/api/v1/objects/coupon", key, &fields).await }
    };
    assert_eq!(fault(&create(json!(NOBODY)).await), refused);

    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let ada = client.json(Method::POST, "/api/v1/customers", key, &ada).await.body["id"].clone();
    let made = create(ada.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = format!("/api/v1/objects/coupon/{}", made.body["key"].as_str().expect("a key"));
    let moved = client.json(Method::PATCH, &path, key, &json!({"fields": {"owner": NOBODY}})).await;
    assert_eq!(moved.status, StatusCode::UNPROCESSABLE_ENTITY, "{moved:?}");

    let rows = json!({"rows": [
        {"id": "r0", "fields": {"percent": 10, "owner": NOBODY}},
        {"id": "r1", "fields": {"percent": 10, "owner": ada}},
        {"id": "r2", "fields": {"percent": 10, "owner": {"kind": "email", "value": " Who@Comes.later"}}},
    ]});
    let imported = client.json(Method::POST, "/api/v1/import/objects/coupon", key, &rows).await.body;
    assert_eq!(
        (&imported["accepted"], &imported["refused"][0]["pointer"]),
        (&json!(2), &json!("/rows/0/fields/owner"))
    );

    // Who comes later is found by the form of their identity.
    let who = json!({"identities": [{"kind": "email", "value": "who@comes.later"}]});
    let who = client.json(Method::POST, "/api/v1/customers", key, &who).await.body["id"].clone();
    let objects = client.get(&format!("/api/v1/objects/coupon?customer={}", who.as_str().expect("an id")), key).await;
    assert_eq!(objects.body["objects"].as_array().map(Vec::len), Some(1), "{objects:?}");
    assert!(hub.stop().await.expect("the hub ends").success());
}
