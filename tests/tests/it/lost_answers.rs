//! PostgreSQL answers by silence, breaks off, restarts: every order counts once, by a ledger of what was acknowledged.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use openhub_test_postgres::{Proxy, Server as Postgres, Stop};
use openhub_tests::patience::until;
use openhub_tests::report::say;
use openhub_tests::shop::{Callers, Ledger, Shop, send};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

async fn shop_behind_a_proxy(server: &Postgres) -> (Shop, Proxy) {
    let database = server.database().await.expect("a database");
    let proxy = Proxy::start(&database).await.expect("a proxy");
    (Shop::open(Some(proxy.through(&database))).await, proxy)
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

/// A caller who was told nothing asks again, and so do several at once: under one `Idempotency-Key` there is one coupon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_an_object_is_made_once_under_its_name() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    for database in [None, Some(server.database().await.expect("a database"))] {
        let shop = Shop::open(database).await;
        let customer = json!({"identities": [{"kind": "user_id", "value": "u1"}]});
        let owner = shop.call(Method::POST, "/api/v1/customers", &customer).await["id"].clone();
        let fields = json!({"fields": {"percent": 10, "owner": owner}});
        let make = |name: &'static str| {
            let request = shop.client.request(Method::POST, "/api/v1/objects/coupon").bearer_auth(&shop.tenant.api_key);
            shop.client.send(request.header("idempotency-key", name).json(&fields))
        };
        let together = tokio::join!(make("first"), make("first"), make("first"), make("first"));
        let mut keys = Vec::new();
        for made in <[_; 4]>::from(together) {
            assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
            keys.push(made.body["key"].clone());
        }
        keys.dedup();
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert_eq!(make("first").await.body["key"], keys[0]);
        assert_ne!(make("second").await.body["key"], keys[0]);
        assert_eq!(make("").await.status, StatusCode::BAD_REQUEST);
        let other = shop.client.request(Method::POST, "/api/v1/objects/coupon").bearer_auth(&shop.tenant.api_key);
        let other = other.header("idempotency-key", "first").json(&json!({"fields": {"percent": 20, "owner": owner}}));
        let other = shop.client.send(other).await;
        assert_eq!(
            (other.status, &other.body["faults"][0]["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("idempotency-key-reused"))
        );
        let coupons = shop.client.rows("/api/v1/objects/coupon?", "objects", &shop.tenant.api_key).await.len();
        assert_eq!(coupons, 2);
        shop.close().await;
    }
}

/// Restarts the server as often as asked, or ends its connections, while callers send orders.
async fn survives(what: &str, breaks: u64, stop: Option<Stop>) {
    let mut server = Postgres::start().await.expect("PostgreSQL starts");
    let shop = Shop::open(Some(server.database().await.expect("a database"))).await;
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
    // Many who ask at once are told at once, and not each after those before it.
    let readers = (0..30).map(|_| {
        let (client, key) = (shop.client.clone(), shop.tenant.api_key.clone());
        async move { client.get("/api/v1/status", &key).await }
    });
    let reads = tokio::time::timeout(Duration::from_secs(90), readers.collect::<JoinSet<_>>().join_all()).await;
    for read in reads.expect("everybody is told in time") {
        assert_eq!(read.status, StatusCode::SERVICE_UNAVAILABLE, "{read:?}");
    }
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
