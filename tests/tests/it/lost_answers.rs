//! PostgreSQL answers by silence, breaks off, restarts: every order counts once, by a ledger of what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openhub_test_postgres::{Proxy, Server as Postgres, Stop};
use openhub_tests::hub::{Client, Place, programs};
use openhub_tests::patience::until;
use openhub_tests::report::say;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use xtask::demo::setup::Tenant;
use xtask::process::Server;

const USERS: u64 = 32;
/// Orders of a request.
const ORDERS: u64 = 5;
const CALLERS: u64 = 4;
/// In each of so many orders a journey makes a coupon.
const GIFT: u64 = 5;

/// A hub on PostgreSQL, with what counts orders and makes a coupon for some of them.
struct Shop {
    _place: Place,
    hub: Server,
    client: Arc<Client>,
    tenant: Tenant,
}

impl Shop {
    async fn open(database: String) -> Shop {
        let place = Place::new(Some(database));
        let tenant = place.tenant("live").await;
        let hub = place.start_hub("127.0.0.1:0", &["--batch".to_owned(), "200".to_owned()]).await.expect("it starts");
        let client = Arc::new(Client::new(&hub.url));
        for (name, component) in &programs().components {
            if ["rfm", "coupon"].contains(&name.as_str()) {
                client.enable(&tenant.api_key, component.clone()).await;
            }
        }
        let journey = json!({
            "trigger": {"event": "Gift Earned"},
            "reentry": "always",
            "start": "coupon",
            "nodes": {
                "coupon": {"type": "object", "action": "create", "kind": "coupon", "fields": {"percent": 10}, "next": "end"},
                "end": {"type": "exit"}
            }
        });
        let shop = Shop { _place: place, hub, client, tenant };
        shop.call(Method::PUT, "/api/v1/journeys/gift", &journey).await;
        shop.call(Method::POST, "/api/v1/journeys/gift/publish", &json!({})).await;
        shop
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.client.json(method, path, &self.tenant.api_key, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    /// Waits until all is computed, and compares what customers have with the ledger.
    async fn agrees_with(&self, ledger: &Ledger) {
        until("the hub has come to the end of the log", || async {
            let status = self.client.get("/api/v1/status", &self.tenant.api_key).await;
            (status.status.is_success() && status.body["behind"] == 0).then_some(())
        })
        .await;
        let customers = self.client.rows("/api/v1/customers?", "customers", &self.tenant.api_key).await;
        let mut orders = BTreeMap::new();
        for customer in customers {
            let user = customer["identities"][0]["value"].as_str().expect("a user").to_owned();
            let value = |name: &str| customer["attributes"][name].as_i64().unwrap_or_default();
            orders.insert(user, (value("orders"), value("spent_cents")));
        }
        assert_eq!(orders, ledger.orders(), "{}", self.hub.log_tail());
        let coupons = self.client.rows("/api/v1/objects/coupon?", "objects", &self.tenant.api_key).await.len() as u64;
        assert_eq!(coupons, ledger.gifts.load(Ordering::SeqCst), "{}", self.hub.log_tail());
        let status = self.client.get("/api/v1/status", &self.tenant.api_key).await.body;
        assert_eq!(status["set_aside"], 0, "{status}");
    }

    async fn close(self) {
        let ended = self.hub.stop().await.expect("the hub ends");
        assert!(ended.success(), "{ended}");
    }
}

/// What the hub acknowledged.
#[derive(Default)]
struct Ledger {
    orders: [AtomicU64; USERS as usize],
    gifts: AtomicU64,
    /// Requests that had no good answer and were made again.
    again: AtomicU64,
}

impl Ledger {
    fn total(&self) -> u64 {
        self.orders.iter().map(|orders| orders.load(Ordering::SeqCst)).sum()
    }

    fn orders(&self) -> BTreeMap<String, (i64, i64)> {
        let counts = self.orders.iter().map(|count| count.load(Ordering::SeqCst).cast_signed()).enumerate();
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(user, count)| (format!("u{user}"), (count, count * 1000)))
            .collect()
    }
}

/// Callers who send orders of 10.00 until they are told to stop, each request again and again until it is accepted.
struct Callers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    ledger: Arc<Ledger>,
}

impl Callers {
    fn start(shop: &Shop) -> Callers {
        let (stop, ledger) = (Arc::new(AtomicBool::new(false)), Arc::new(Ledger::default()));
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            let (client, key, stop, ledger) =
                (shop.client.clone(), shop.tenant.write_key.clone(), stop.clone(), ledger.clone());
            tasks.spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    send(&client, &key, &ledger, caller, number).await;
                    number += 1;
                }
            });
        }
        Callers { stop, tasks, ledger }
    }

    async fn end(mut self) -> Arc<Ledger> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a caller ends");
        }
        self.ledger
    }
}

async fn send(client: &Client, key: &str, ledger: &Ledger, caller: u64, number: u64) {
    let mut batch = Vec::new();
    let users: Vec<u64> = (0..ORDERS).map(|order| (number * ORDERS + order + caller * 11) % USERS).collect();
    for (order, user) in users.iter().enumerate() {
        let id = format!("{caller}-{number}-{order}");
        let total = json!({"total": 10.0});
        batch.push(json!({"type": "track", "event": "Order Completed", "userId": format!("u{user}"), "messageId": id, "properties": total}));
    }
    let gift = number.is_multiple_of(GIFT);
    if gift {
        let id = format!("{caller}-{number}-gift");
        batch.push(
            json!({"type": "track", "event": "Gift Earned", "userId": format!("u{}", users[0]), "messageId": id}),
        );
    }
    let body = json!({"batch": batch});
    until("a request is accepted", || async {
        let request = client.request(Method::POST, "/v1/batch").basic_auth(key, Some("")).json(&body);
        let accepted = request.send().await.is_ok_and(|answer| answer.status() == StatusCode::OK);
        if !accepted {
            ledger.again.fetch_add(1, Ordering::SeqCst);
        }
        accepted.then_some(())
    })
    .await;
    for user in users {
        ledger.orders[user as usize].fetch_add(1, Ordering::SeqCst);
    }
    ledger.gifts.fetch_add(gift.into(), Ordering::SeqCst);
}

async fn shop_behind_a_proxy(server: &Postgres) -> (Shop, Proxy) {
    let database = server.database().await.expect("a database");
    let proxy = Proxy::start(&database).await.expect("a proxy");
    (Shop::open(proxy.through(&database)).await, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_one_order_counts_once() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let (shop, proxy) = shop_behind_a_proxy(&server).await;
    shop.client.settled(&shop.tenant.api_key).await;
    // Whichever commits come next: those of the append, of the engine and of its leases.
    proxy.cut(1, 12);
    let ledger = Ledger::default();
    send(&shop.client, &shop.tenant.write_key, &ledger, 0, 0).await;
    until("the answers are lost", || async { (proxy.cuts() == 12).then_some(()) }).await;
    shop.agrees_with(&ledger).await;
    assert_eq!((ledger.orders()["u0"], ledger.gifts.load(Ordering::SeqCst)), ((1, 1000), 1));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_a_hundred_answers_lost_under_load() {
    const CUTS: u64 = 100;
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let (shop, proxy) = shop_behind_a_proxy(&server).await;
    let callers = Callers::start(&shop);
    proxy.cut(3, CUTS);
    until("the answers are lost", || async { (proxy.cuts() == CUTS).then_some(()) }).await;
    let ledger = callers.end().await;
    shop.agrees_with(&ledger).await;
    let (orders, again) = (ledger.total(), ledger.again.load(Ordering::SeqCst));
    say(format!("{CUTS} COMMITs without an answer: {orders} orders, each once; {again} requests made again"));
    assert!(orders >= 500, "{orders}");
    shop.close().await;
}

/// A coupon that the API makes, each time without the COMMIT's answer: it is there once, and the caller is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_an_object_is_made_once() {
    const COUPONS: u64 = 20;
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let (shop, proxy) = shop_behind_a_proxy(&server).await;
    let customer = json!({"identities": [{"kind": "user_id", "value": "u1"}]});
    let owner = shop.call(Method::POST, "/api/v1/customers", &customer).await["id"].clone();
    let before = proxy.cuts();
    proxy.cut(1, COUPONS * 4);
    let fields = json!({"fields": {"percent": 10, "owner": owner}});
    for _ in 0..COUPONS {
        let made = shop.client.json(Method::POST, "/api/v1/objects/coupon", &shop.tenant.api_key, &fields).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
    let lost = proxy.cuts() - before;
    let coupons = shop.client.rows("/api/v1/objects/coupon?", "objects", &shop.tenant.api_key).await.len() as u64;
    say(format!("{lost} COMMITs without an answer while {COUPONS} coupons were made"));
    assert!(lost >= COUPONS, "{lost}");
    assert_eq!(coupons, COUPONS);
    shop.close().await;
}

/// Restarts the server as often as asked, or ends its connections, while callers send orders.
async fn survives(what: &str, breaks: u64, stop: Option<Stop>) {
    let mut server = Postgres::start().await.expect("PostgreSQL starts");
    let shop = Shop::open(server.database().await.expect("a database")).await;
    let callers = Callers::start(&shop);
    let mut longest = Duration::ZERO;
    for _ in 0..breaks {
        let reached = callers.ledger.total() + 5;
        until("orders come in between two breaks", || async { (callers.ledger.total() >= reached).then_some(()) })
            .await;
        let began = Instant::now();
        match stop {
            Some(stop) => server.restart(stop).await.expect("PostgreSQL starts again"),
            None => drop(server.end_connections().await.expect("connections end")),
        }
        let reached = callers.ledger.total() + 1;
        until("orders come in again", || async { (callers.ledger.total() >= reached).then_some(()) }).await;
        longest = longest.max(began.elapsed());
    }
    let ledger = callers.end().await;
    shop.agrees_with(&ledger).await;
    let (orders, again) = (ledger.total(), ledger.again.load(Ordering::SeqCst));
    say(format!(
        "{what} {breaks} times: {orders} orders, each once; {again} requests made again; back within {longest:?}"
    ));
    assert!(orders >= breaks * 5, "{orders}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_postgres_restarts_fast() {
    survives("restart, fast,", 25, Some(Stop::Fast)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_postgres_restarts_immediately() {
    survives("restart, immediate,", 25, Some(Stop::Immediate)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_connections_are_ended() {
    survives("pg_terminate_backend", 60, None).await;
}

/// No connection is closed and none answers: callers are told in time, the hub is not ready, and it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_silence_is_told_and_survived() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let (shop, proxy) = shop_behind_a_proxy(&server).await;
    let callers = Callers::start(&shop);
    until("orders come in", || async { (callers.ledger.total() >= 50).then_some(()) }).await;
    proxy.fall_silent_within();
    until("it falls silent", || async { proxy.is_silent().then_some(()) }).await;
    let order = json!({"type": "track", "event": "Order Completed", "userId": "u0", "messageId": "silent", "properties": {"total": 10.0}});
    let told = shop.client.ingest("/v1/track", &shop.tenant.write_key, &order).await;
    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "{told:?}");
    let read = shop.client.get("/api/v1/status", &shop.tenant.api_key).await;
    assert_eq!(read.status, StatusCode::SERVICE_UNAVAILABLE, "{read:?}");
    let ready = shop.client.get("/readyz", "").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{ready:?}");
    assert!(shop.client.get("/healthz", "").await.status.is_success());
    proxy.speak();
    until("the hub is ready", || async { shop.client.get("/readyz", "").await.status.is_success().then_some(()) })
        .await;
    let ledger = callers.end().await;
    // The one that was told nothing certain is sent again, as clients do.
    let sent = shop.client.ingest("/v1/track", &shop.tenant.write_key, &order).await;
    assert!(sent.status.is_success(), "{sent:?}");
    ledger.orders[0].fetch_add(1, Ordering::SeqCst);
    shop.agrees_with(&ledger).await;
    shop.close().await;
}
