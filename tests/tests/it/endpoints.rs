//! A plugin's own HTTP API in the real binary: a till's key redeems coupons of its merchants and may do nothing else, and of many tills
//! that redeem one coupon at the same moment one does. What is redeemed is settled once, also if the hub dies over it.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Answer, Client, Place};
use openhub_tests::patience::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;
use xtask::demo::setup::Tenant;
use xtask::process::Server;

/// Tills that ask at the same moment.
const TILLS: usize = 1_000;
/// Coupons of the batch.
const COUPONS: usize = 60;

/// A key, made as an operator makes one: its id, and its text.
async fn key(place: &Place, tenant: &Tenant, scope: &str) -> (String, String) {
    let made =
        place.command(&["key", "create", &tenant.name, "--json", "--scope", scope]).output().await.expect("it runs");
    let told: Value = serde_json::from_slice(&made.stdout).expect("the key as JSON");
    let text = |member: &str| told[member].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

/// As a till asks: again, as long as the hub has no place for it.
async fn post(client: &Client, key: &str, path: &str, once: &str, body: &Value) -> Answer {
    until("the till is answered", || async {
        let request = client.request(Method::POST, &format!("/x/coupon{path}")).bearer_auth(key);
        let answer = client.send(request.header("Idempotency-Key", once).json(body)).await;
        let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status);
        (!later).then_some(answer)
    })
    .await
}

async fn redeem(client: &Client, key: &str, code: &str, order: &str) -> Answer {
    post(client, key, &format!("/coupons/{code}/redeem"), order, &json!({"order_amount": "10.05"})).await
}

/// An object, made as an admin makes one.
async fn make(client: &Client, tenant: &Tenant, kind: &str, fields: Value) -> Value {
    let path = format!("/api/v1/objects/{kind}");
    let made = client.json(Method::POST, &path, &tenant.api_key, &json!({"fields": fields})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body
}

async fn endpoints(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let (id, till) = key(&place, &tenant, "plugins:call:coupon").await;
    let (_, stranger) = key(&place, &tenant, "plugins:call:other").await;
    let hub = place.serve().await;
    let client = Arc::new(Client::new(&hub.url));
    client.enable(&tenant.api_key, guests::build("plugins/coupon").bytes).await;
    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let ada = client.json(Method::POST, "/api/v1/customers", &tenant.api_key, &ada).await.body;
    let issued = make(&client, &tenant, "coupon", json!({"percent": 15, "owner": ada["id"]})).await;
    let code = issued["key"].as_str().unwrap_or_else(|| panic!("a coupon: {issued}")).to_owned();
    let redeemed = redeem(&client, &till, &code, "sale-0").await;
    assert_eq!(
        (redeemed.status.as_u16(), &redeemed.body["error"]),
        (403, &json!("no-till")),
        "nobody has allowed the key"
    );
    make(&client, &tenant, "merchant", json!({"merchant": "north", "name": "North", "share": "50"})).await;
    make(&client, &tenant, "coupon-till", json!({"key": id, "merchants": ["north"], "may_issue": true})).await;

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
    let hub = settled(&place, &tenant, hub, &till).await;
    let client = Client::new(&hub.url);
    let disabled = client.json(Method::POST, "/api/v1/plugins/coupon/disable", &tenant.api_key, &json!({})).await;
    assert!(disabled.status.is_success(), "{disabled:?}");
    let looked = client.send(client.request(Method::GET, &look).bearer_auth(&till)).await;
    assert_eq!(looked.problem(), "not-found");
    assert!(hub.stop().await.expect("the hub ends").success());
}

/// A batch is issued at once, with more requests than it has coupons; all are redeemed; and the hub dies over their settlement. They are
/// in it once. The hub that goes on.
async fn settled(place: &Place, tenant: &Tenant, hub: Server, till: &str) -> Server {
    let client = Arc::new(Client::new(&hub.url));
    let batch =
        json!({"batch": "spring", "name": "Spring", "amount": "1.50", "most": COUPONS, "per_customer": 2 * COUPONS});
    make(&client, tenant, "coupon-batch", batch).await;
    let mut requests = JoinSet::new();
    for number in 0..COUPONS + 5 {
        let (client, till) = (client.clone(), till.to_owned());
        requests.spawn(async move {
            let body = json!({"batch": "spring", "customer": {"user_id": "ada"}});
            let issued = post(&client, &till, "/issue", &format!("gift-{number}"), &body).await;
            let Some(code) = issued.body["code"].as_str() else { return issued.body["error"].clone() };
            redeem(&client, &till, code, &format!("sale-of-{code}")).await.body["discount"].clone()
        });
    }
    let mut told: Vec<Value> = requests.join_all().await;
    told.retain(|told| told != "1.50");
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.iter().all(|told| told == "used-up"), "{told:?}");

    let settle = "/api/v1/plugins/coupon/jobs/settle/run";
    client.json(Method::POST, settle, &tenant.api_key, &json!({})).await;
    hub.kill().await.expect("the hub is killed");
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    let of_north = || client.request(Method::GET, "/x/coupon/merchants/north/settlements").bearer_auth(till);
    let statements = until("all are settled", || async {
        client.json(Method::POST, settle, &tenant.api_key, &json!({})).await;
        let statements = client.send(of_north()).await.body["settlements"].clone();
        let coupons = statements.as_array()?.iter().filter_map(|each| each["coupons"].as_u64()).sum::<u64>();
        (coupons > COUPONS as u64).then_some(statements)
    })
    .await;
    client.settled(&tenant.api_key).await;
    // 15 % of 10.05, and 1.50 of each of the others.
    let cents = |amount: &Value| amount.as_str().expect("an amount").replace('.', "").parse::<u64>().expect("cents");
    let sum =
        |member: &str| statements.as_array().expect("statements").iter().map(|each| cents(&each[member])).sum::<u64>();
    let all = COUPONS as u64 + 1;
    assert_eq!((sum("orders"), sum("discounts")), (all * 1_005, 151 + (all - 1) * 150), "{statements}");
    let coupons = client.rows("/api/v1/objects/coupon?", "objects", &tenant.api_key).await;
    assert!(coupons.iter().all(|coupon| coupon["fields"]["settlement"].is_string()), "each is in one");
    hub
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
