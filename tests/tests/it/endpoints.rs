//! A plugin's own HTTP API in the real binary: a till's key redeems coupons and may do nothing else, and of many tills that redeem one
//! coupon at the same moment one does.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Answer, Client, Place};
use openhub_tests::patience::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;
use xtask::demo::setup::Tenant;

/// Tills that ask at the same moment.
const TILLS: usize = 120;

/// A key, made as an operator makes one.
async fn key(place: &Place, tenant: &Tenant, scope: &str) -> String {
    let made =
        place.command(&["key", "create", &tenant.name, "--json", "--scope", scope]).output().await.expect("it runs");
    let told: Value = serde_json::from_slice(&made.stdout).expect("the key as JSON");
    told["key"].as_str().expect("its text").to_owned()
}

/// As a till asks: again, as long as the hub has no place for it.
async fn redeem(client: &Client, key: &str, code: &str, once: &str) -> Answer {
    until("the till is answered", || async {
        let request = client.request(Method::POST, &format!("/x/coupon/coupons/{code}/redeem")).bearer_auth(key);
        let answer = client.send(request.header("Idempotency-Key", once)).await;
        let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status);
        (!later).then_some(answer)
    })
    .await
}

async fn endpoints(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let (till, stranger) =
        (key(&place, &tenant, "plugins:call:coupon").await, key(&place, &tenant, "plugins:call:other").await);
    let hub = place.serve().await;
    let client = Arc::new(Client::new(&hub.url));
    client.enable(&tenant.api_key, guests::build("plugins/coupon").bytes).await;
    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let ada = client.json(Method::POST, "/api/v1/customers", &tenant.api_key, &ada).await.body;
    let fields = json!({"fields": {"percent": 15, "owner": ada["id"]}});
    let issued = client.json(Method::POST, "/api/v1/objects/coupon", &tenant.api_key, &fields).await;
    let code = issued.body["key"].as_str().unwrap_or_else(|| panic!("a coupon: {issued:?}")).to_owned();

    // The key of a till calls this plugin, and does nothing else.
    let call = |method: Method, path: &str, key: &str| client.request(method, path).bearer_auth(key);
    let look = format!("/x/coupon/coupons/{code}");
    let looked = client.send(call(Method::GET, &look, &till)).await;
    assert_eq!((looked.status.as_u16(), &looked.body["status"]), (200, &json!("issued")), "{looked:?}");
    let headers = call(Method::GET, &look, &till).send().await.expect("the hub answers").headers().clone();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    assert_eq!(header("content-security-policy"), Some("sandbox; default-src 'none'"));
    assert_eq!(header("access-control-allow-origin"), None);
    assert_eq!(client.send(call(Method::GET, &look, &stranger)).await.problem(), "missing-scope");
    assert_eq!(client.send(call(Method::GET, &look, &tenant.write_key)).await.problem(), "missing-scope");
    assert_eq!(client.send(client.request(Method::GET, &look)).await.problem(), "unauthenticated");
    assert_eq!(client.get("/api/v1/objects/coupon", &till).await.problem(), "missing-scope");
    assert_eq!(client.send(call(Method::DELETE, &look, &till)).await.problem(), "method-not-allowed");
    assert_eq!(client.send(call(Method::GET, "/x/coupon/other", &till)).await.problem(), "not-found");
    assert_eq!(client.send(call(Method::GET, "/x/other/coupons/1", &stranger)).await.problem(), "not-found");
    let malformed = call(Method::POST, &format!("{look}/redeem"), &till).body("{");
    assert_eq!(client.send(malformed).await.problem(), "call-refused");

    let mut tills = JoinSet::new();
    for number in 0..TILLS {
        let (client, till, code) = (client.clone(), till.clone(), code.clone());
        tills.spawn(async move { (number, redeem(&client, &till, &code, &format!("sale-{number}")).await) });
    }
    let answers = tills.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, answer)| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, TILLS - 1), "{answers:?}");
    for (_, answer) in lost {
        assert_eq!((answer.status.as_u16(), &answer.body["error"]), (409, &json!("redeemed")), "{answer:?}");
    }
    let winner = won[0].0;
    assert_eq!(redeem(&client, &till, &code, &format!("sale-{winner}")).await.status, 200, "it asks again");
    client.settled(&tenant.api_key).await;
    let redeemed = client.rows("/api/v1/events?name=Coupon%20Redeemed", "events", &tenant.api_key).await;
    assert_eq!(redeemed.len(), 1, "{redeemed:?}");
    let disabled = client.json(Method::POST, "/api/v1/plugins/coupon/disable", &tenant.api_key, &json!({})).await;
    assert!(disabled.status.is_success(), "{disabled:?}");
    assert_eq!(client.send(call(Method::GET, &look, &till)).await.problem(), "not-found");
    assert!(hub.stop().await.expect("the hub ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_tills_one_redeems_a_coupon_on_sqlite() {
    endpoints(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_tills_one_redeems_a_coupon_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    endpoints(Some(server.database().await.expect("a database"))).await;
}
