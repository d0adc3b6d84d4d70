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

    // What is no field is told, whichever way it comes.
    let unknown = (StatusCode::UNPROCESSABLE_ENTITY, json!("/fields/staus"), json!("unknown-field"));
    let misspelt = json!({"fields": {"percent": 10, "owner": ada, "staus": "x"}});
    assert_eq!(fault(&client.json(Method::POST, "/api/v1/objects/coupon", key, &misspelt).await), unknown);
    assert_eq!(fault(&client.json(Method::PATCH, &path, key, &json!({"fields": {"staus": "x"}})).await), unknown);
    let rows = json!({"rows": [{"id": "r3", "fields": {"percent": 10, "owner": ada, "staus": "x"}}]});
    let told = client.json(Method::POST, "/api/v1/import/objects/coupon", key, &rows).await.body;
    let told = &told["refused"][0];
    assert_eq!((&told["pointer"], &told["code"]), (&json!("/rows/0/fields/staus"), &json!("unknown-field")));

    // Who comes later is found by the form of their identity.
    let who = json!({"identities": [{"kind": "email", "value": "who@comes.later"}]});
    let who = client.json(Method::POST, "/api/v1/customers", key, &who).await.body["id"].clone();
    let objects = client.get(&format!("/api/v1/objects/coupon?customer={}", who.as_str().expect("an id")), key).await;
    assert_eq!(objects.body["objects"].as_array().map(Vec::len), Some(1), "{objects:?}");

    // A page may say something under the id of a row: it is still the row's. A server's own event is another matter.
    let noise = |id: &str| json!({"event": "noise", "userId": "eve", "messageId": id});
    assert_eq!(client.ingest("/v1/track", &tenant.write_key, &noise("r3")).await.status, StatusCode::OK);
    assert_eq!(client.ingest("/v1/track", key, &noise("r5")).await.status, StatusCode::OK);
    let row = |id: &str| json!({"id": id, "fields": {"percent": 10, "owner": ada}});
    let rows = json!({"rows": [row("r3"), row("r4"), row("r5")]});
    for (accepted, duplicates) in [(2, 0), (0, 2)] {
        let imported = client.json(Method::POST, "/api/v1/import/objects/coupon", key, &rows).await.body;
        assert_eq!((&imported["accepted"], &imported["duplicates"]), (&json!(accepted), &json!(duplicates)));
        let refused = &imported["refused"][0];
        assert_eq!((&refused["pointer"], &refused["code"]), (&json!("/rows/2/id"), &json!("id-taken")));
    }
    assert!(hub.stop().await.expect("the hub ends").success());
}
