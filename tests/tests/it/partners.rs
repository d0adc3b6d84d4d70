//! `kill -9` of a hub that makes what partners subscribed to, and that takes them to another version: the one that is started next goes on,
//! all of it is there in the end, and nothing was made twice. And two hubs on one PostgreSQL that both do so.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use openhub_tests::report::say;
use openhub_tests::seed::seed;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Of each kind in the offering.
const ITEMS: usize = 5;
const KILLS: usize = 2;
const PARTNERS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provisioning_survives_on_sqlite() {
    survives("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provisioning_survives_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    survives("PostgreSQL", Some(server.database().await.expect("a database"))).await;
}

async fn survives(name: &str, database: Option<String>) {
    let mut random = StdRng::seed_from_u64(seed(name));
    let place = Place::new(database);
    let brand = place.tenant("live").await.api_key;
    let mut server = place.serve().await;
    let address = server.address().to_owned();
    let client = Client::new(&server.url);
    publish(&client, &brand, "gold").await;
    let mut partners = Vec::new();
    for number in 0..PARTNERS {
        partners.push(partner(&client, &brand, number).await);
    }
    let mut in_between = 0;
    for partner in &partners[..KILLS] {
        let first = subscribe(&client, partner).await;
        let point = random.random_range(0..3 * ITEMS as i64);
        let state = until("provisioning comes to the next point", || async {
            let newest = newest(&client, partner, &first).await?;
            (done(&newest) >= point || newest["state"] != "running").then_some(newest["state"].clone())
        })
        .await;
        in_between += usize::from(state == "running");
        server.kill().await.expect("the hub is killed");
        server = place.start_again(&address, &[]).await;
        is_made_once(&client, partner, &first, "gold").await;
        say(format!("{name}: killed behind {point} of {} items", 3 * ITEMS));
    }
    assert!(in_between > 0, "no kill hit a provisioning: the test proves nothing");
    for partner in &partners[KILLS..] {
        let id = subscribe(&client, partner).await;
        is_made_once(&client, partner, &id, "gold").await;
    }

    publish(&client, &brand, "platinum").await;
    let push = json!({"from": 1, "to": 2, "waves": [{"percent": 34}, {"percent": 100}]});
    let begun = client.json(Method::POST, "/api/v1/offerings/bundle/pushes", &brand, &push).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
    let path = format!("/api/v1/offerings/bundle/pushes/{}", begun.body["id"].as_str().expect("an id"));
    until("the push is half done", || async {
        let push = client.get(&path, &brand).await.body;
        (upgraded(&push) >= 2 || push["state"] != "running").then_some(())
    })
    .await;
    server.kill().await.expect("the hub is killed");
    server = place.start_again(&address, &[]).await;
    let push = until("the push is over", || async {
        let push = client.get(&path, &brand).await.body;
        (push["state"] != "running").then_some(push)
    })
    .await;
    assert_eq!((&push["state"], upgraded(&push)), (&json!("done"), PARTNERS as i64), "{push}");
    for partner in &partners {
        let subscriptions = client.get("/api/v1/subscriptions", partner).await.body;
        let id = subscriptions["subscriptions"][0]["id"].as_str().expect("an id").to_owned();
        let operations = client.get(&format!("/api/v1/subscriptions/{id}/operations"), partner).await.body;
        let purposes: Vec<&Value> =
            operations["operations"].as_array().expect("operations").iter().map(|each| &each["purpose"]).collect();
        assert_eq!(purposes, ["upgrade", "provision"], "each was begun once");
        is_made_once(&client, partner, &id, "platinum").await;
    }
    assert!(server.stop().await.expect("the hub ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hubs_make_what_was_agreed_on_once() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    let (place, beside) = (Place::new(Some(database.clone())), Place::new(Some(database)));
    let brand = place.tenant("live").await.api_key;
    let first = place.serve().await;
    let key = "secret.key";
    std::fs::copy(place.folder.join(key), beside.folder.join(key)).expect("the key is copied");
    let second = beside.serve().await;
    let (one, other) = (Client::new(&first.url), Client::new(&second.url));
    publish(&one, &brand, "gold").await;
    let mut made = Vec::new();
    for number in 0..PARTNERS {
        let client = if number % 2 == 0 { &one } else { &other };
        let key = partner(client, &brand, number).await;
        made.push((subscribe(client, &key).await, key));
    }
    for (id, key) in &made {
        is_made_once(&other, key, id, "gold").await;
    }
    // The one that may be at work is gone, and the other goes on.
    publish(&one, &brand, "platinum").await;
    let push = json!({"from": 1, "to": 2, "waves": [{"percent": 50}, {"percent": 100}]});
    let begun = one.json(Method::POST, "/api/v1/offerings/bundle/pushes", &brand, &push).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
    first.kill().await.expect("the hub is killed");
    for (id, key) in &made {
        until("the push has come to a partner", || async {
            let read = other.get(&format!("/api/v1/subscriptions/{id}"), key).await.body;
            (read["version"] == 2).then_some(())
        })
        .await;
        is_made_once(&other, key, id, "platinum").await;
    }
    assert!(second.stop().await.expect("the hub ends").success());
}

async fn publish(client: &Client, brand: &str, tier: &str) {
    let condition = json!({"attribute": {"name": "tier", "is": "eq", "value": tier}});
    let nodes = json!({"rest": {"type": "wait", "duration": "2d", "next": "end"}, "end": {"type": "exit"}});
    let mut items = Vec::new();
    for number in 0..ITEMS {
        let segment = format!("lapsed-{number}");
        let declaration = json!({"fields": [{"name": "code", "type": "text"}]});
        items.push(json!({"object-type": {"name": format!("visit-{number}"), "declaration": declaration}}));
        items.push(json!({"segment": {"name": segment, "condition": condition}}));
        let definition = json!({"trigger": {"segment": segment, "on": "entered"}, "start": "rest", "nodes": nodes});
        items.push(json!({"journey": {"name": format!("win-back-{number}"), "definition": definition}}));
    }
    let path = "/api/v1/offerings/bundle";
    let named = client.json(Method::PUT, path, brand, &json!({"title": {"en": "Bundle"}})).await;
    assert!(named.status.is_success(), "{named:?}");
    let document = json!({"approval": "automatic", "items": items});
    let made = client.json(Method::POST, &format!("{path}/versions"), brand, &document).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let publish = format!("{path}/versions/{}/publish", made.body["version"]);
    let published = client.json(Method::POST, &publish, brand, &json!({})).await;
    assert_eq!(published.status, StatusCode::OK, "{published:?}");
}

/// The key of a new tenant below the brand.
async fn partner(client: &Client, brand: &str, number: usize) -> String {
    let made = client.json(Method::POST, "/api/v1/tenants", brand, &json!({"name": format!("dealer-{number}")})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let setup = made.body["setup_key"].as_str().expect("a setup key");
    let claimed = client.json(Method::POST, "/api/v1/claim", setup, &json!({})).await;
    claimed.body["key"].as_str().unwrap_or_else(|| panic!("{claimed:?}")).to_owned()
}

async fn subscribe(client: &Client, key: &str) -> String {
    let wanted = json!({"key": "k", "offering": "bundle"});
    let asked = client.json(Method::POST, "/api/v1/subscriptions", key, &wanted).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    asked.body["id"].as_str().expect("an id").to_owned()
}

async fn newest(client: &Client, key: &str, id: &str) -> Option<Value> {
    let operations = client.get(&format!("/api/v1/subscriptions/{id}/operations"), key).await.body;
    operations["operations"].get(0).cloned()
}

fn done(operation: &Value) -> i64 {
    let items = operation["progress"].as_array().into_iter().flatten();
    items.filter(|item| item["state"] == "done").count() as i64
}

fn upgraded(push: &Value) -> i64 {
    push["waves"].as_array().into_iter().flatten().filter_map(|wave| wave["upgraded"].as_i64()).sum()
}

/// Waits until the newest operation is over; then all is there as the version says, and the log says of each once that it was made.
async fn is_made_once(client: &Client, key: &str, id: &str, tier: &str) {
    let over = until("the operation is over", || async {
        newest(client, key, id).await.filter(|newest| newest["state"] != "running")
    })
    .await;
    assert_eq!(over["state"], "succeeded", "{over}");
    let items = client.rows(&format!("/api/v1/subscriptions/{id}/items?"), "items", key).await;
    assert_eq!(items.len(), 3 * ITEMS, "{items:?}");
    let events = client.rows("/api/v1/events?", "events", key).await;
    let said = |name: &str, member: &str, of: &str| {
        let its = events.iter().filter(|event| event["name"] == name && event["body"][member] == of);
        its.count()
    };
    let versions = if tier == "gold" { 1 } else { 2 };
    for number in 0..ITEMS {
        let segment = format!("lapsed-{number}");
        let read = client.get(&format!("/api/v1/segments/{segment}"), key).await.body;
        assert_eq!(read["condition"]["attribute"]["value"], tier, "{read}");
        assert_eq!(said("segment.published", "segment", &segment), versions, "{segment}");
        let journey = format!("win-back-{number}");
        let read = client.get(&format!("/api/v1/journeys/{journey}"), key).await.body;
        assert_eq!((&read["status"], &read["version"]), (&json!("published"), &json!(1)), "{read}");
        assert_eq!(said("journey.published", "journey", &journey), 1, "{journey}");
        assert_eq!(said("object-type.declared", "type", &format!("visit-{number}")), 1);
    }
}
