//! Two hubs on one PostgreSQL: the one that does not move a tenant answers for it, and takes it over from one that is frozen
//! or gone, with whatever that one had begun.

use std::sync::Arc;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use openhub_engine::{Config, Engine, Sealer};
use openhub_model::{EventKind, Identity, NewEvent};
use openhub_store::Scope;
use openhub_test_postgres::{Proxy, Server as Postgres};
use openhub_tests::house::{HOST_NOW, House, PATIENCE};
use openhub_tests::hub::programs;
use openhub_tests::patience::until;
use openhub_tests::report::say;
use openhub_tests::shop::{Callers, Shop};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection, PgConnection, SqliteConnection};

/// Who moves the tenant that was made last.
async fn owner(database: &str) -> String {
    let mut connection = PgConnection::connect(database).await.expect("the database opens");
    let owner = "SELECT owner FROM partitions ORDER BY tenant_id DESC LIMIT 1";
    let owner: Option<String> = sqlx::query_scalar(owner).fetch_one(&mut connection).await.expect("a partition");
    connection.close().await.expect("it closes");
    owner.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_node_answers_for_a_tenant_that_another_moves() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    let first = Shop::open(Some(database.clone())).await;
    let second = first.beside(database.clone()).await;
    let key = &first.tenant.api_key;
    let mut done = 0;
    for number in 0..10 {
        let customer = json!({"identities": [{"kind": "user_id", "value": format!("u{number}")}]});
        let made = second.client.json(Method::POST, "/api/v1/customers", key, &customer).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let id = made.body["id"].as_str().expect("an id");
        let patch = json!({"attributes": {"city": "Berlin"}});
        let path = format!("/api/v1/customers/{id}");
        let changed = second.client.json(Method::PATCH, &path, key, &patch).await;
        assert_eq!((changed.status, &changed.body["attributes"]["city"]), (StatusCode::OK, &json!("Berlin")));
        let fields = json!({"fields": {"percent": 10, "owner": id}});
        let coupon = second.client.json(Method::POST, "/api/v1/objects/coupon", key, &fields).await;
        assert_eq!(coupon.status, StatusCode::CREATED, "{coupon:?}");
        done += 1;
    }
    assert_eq!(owner(&database).await, first.node(), "the first moves the tenant all the while");
    say(format!("{done} customers and coupons by the node that does not move them"));
    what_is_in_force_follows(&first, &second, &database).await;
    second.close().await;
    first.close().await;
}

/// A plugin that the one node enables and disables is so at once for the other, which does not move the tenant.
async fn what_is_in_force_follows(first: &Shop, second: &Shop, database: &str) {
    let tenant = first.place.create_tenant("other", "live").await.expect("a tenant is made");
    let owner =
        until("somebody moves it", || async { Some(owner(database).await).filter(|owner| !owner.is_empty()) }).await;
    let (mover, other) = if owner == first.node() { (first, second) } else { (second, first) };
    let key = &tenant.api_key;
    let customer = json!({"identities": [{"kind": "user_id", "value": "u"}]});
    let made = other.client.json(Method::POST, "/api/v1/customers", key, &customer).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let fields = json!({"fields": {"percent": 10, "owner": made.body["id"]}});
    let coupon = || other.client.json(Method::POST, "/api/v1/objects/coupon", key, &fields);
    assert_eq!(coupon().await.status, StatusCode::NOT_FOUND);
    let (_, component) = programs().components.iter().find(|(name, _)| name == "coupon").expect("the plugin");
    let installed = mover.client.upload(key, component.clone()).await;
    assert_eq!(installed.status, StatusCode::CREATED, "{installed:?}");
    let agreed = json!({"accept": installed.body["digest"]});
    for _ in 0..3 {
        let enabled = mover.client.json(Method::POST, "/api/v1/plugins/coupon/enable", key, &agreed).await;
        assert_eq!(enabled.status, StatusCode::OK, "{enabled:?}");
        assert_eq!(coupon().await.status, StatusCode::CREATED);
        let disabled = mover.client.json(Method::POST, "/api/v1/plugins/coupon/disable", key, &json!({})).await;
        assert_eq!(disabled.status, StatusCode::OK, "{disabled:?}");
        assert_eq!(coupon().await.status, StatusCode::NOT_FOUND);
    }
}

/// As the claim of a node that was made and whose answer was lost: by the database the tenant is this node's, and the node knows
/// nothing of it.
async fn claims_unheard(database: &str) {
    let tenant = "INSERT INTO tenants (name, clock, created_at) VALUES ('unheard', 0, 1)";
    let partition = "INSERT INTO partitions (tenant_id, bucket, owner, session, fence) \
                     SELECT id, 0, nodes.name, nodes.session, 1 FROM tenants, nodes WHERE tenants.name = 'unheard'";
    for sql in [tenant, partition] {
        if database.starts_with("sqlite") {
            let mut link = SqliteConnection::connect(database).await.expect("the file opens");
            sqlx::raw_sql(sql).execute(&mut link).await.expect("it is written");
            link.close().await.expect("the file closes");
        } else {
            let mut link = PgConnection::connect(database).await.expect("a connection");
            sqlx::raw_sql(sql).execute(&mut link).await.expect("it is written");
            link.close().await.expect("it closes");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_claim_whose_answer_was_lost_is_found_again() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    for url in [None, Some(server.database().await.expect("a database"))] {
        let house = House::open(url.clone()).await;
        let (store, runtime) = (house.store.clone(), house.runtime.clone());
        let sealer = Arc::new(Sealer::from_key([1; 32]));
        let engine = Engine::start(store, runtime, sealer, Arc::new(|| HOST_NOW), Config::default());
        let held = async || house.store.held_here().await.expect("leases").len();
        until("the node lives", || async { (held().await == 1).then_some(()) }).await;
        claims_unheard(&url.unwrap_or_else(|| house.database())).await;
        let tenant = house.store.tenant_by_name("unheard").await.expect("a store").expect("it is there").id;
        let scope = Scope::of(tenant);
        let visitor = Identity::new(Identity::USER_ID, "u");
        let body = json!({"type": "track", "event": "E", "userId": "u"});
        let event = house.call(EventKind::Track, "one", &visitor, HOST_NOW, body);
        let event = NewEvent { part: Some(visitor.part(tenant)), ..event };
        let position = house.store.append(&scope, vec![event]).await.expect("it is appended").position;
        assert!(engine.reached(tenant, position, PATIENCE).await, "nobody moves it");
        engine.stop().await;
        house.store.close().await;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Frozen,
    Vanished,
}

/// The owner stops in the middle of a transaction that has the partition's row, and PostgreSQL is told nothing.
async fn is_taken_over(end: End) {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    let proxy = Proxy::start(&database).await.expect("a proxy");
    let first = Shop::open(Some(proxy.through(&database))).await;
    let second = first.beside(database.clone()).await;
    let callers = Callers::start(&second);
    until("orders come in", || async { (callers.ledger.total() >= 100).then_some(()) }).await;
    assert_eq!(owner(&database).await, first.node());
    proxy.fall_silent_within();
    until("the owner has begun something", || async { proxy.is_silent().then_some(()) }).await;
    let process = Pid::from_raw(first.hub.pid());
    kill(process, if end == End::Frozen { Signal::SIGSTOP } else { Signal::SIGKILL }).expect("a process of this test");
    let began = Instant::now();
    until("the other node takes over", || async { (owner(&database).await == second.node()).then_some(()) }).await;
    let taken = began.elapsed();
    let reached = callers.ledger.total() + 50;
    until("orders come in again", || async { (callers.ledger.total() >= reached).then_some(()) }).await;
    let (first_name, second_name) = (first.node(), second.node());
    let mut back = "";
    if end == End::Frozen {
        // It wakes up, is told that what it had begun is gone, and answers again.
        kill(process, Signal::SIGCONT).expect("a process of this test");
        proxy.speak();
        until("the one that was frozen answers", || async {
            first.client.get("/readyz", "").await.status.is_success().then_some(())
        })
        .await;
        let status = first.client.get("/api/v1/status", &first.tenant.api_key).await;
        assert_eq!(status.status, StatusCode::OK, "{status:?}");
        back = ", and the one that was frozen answers again";
        assert_eq!(owner(&database).await, second_name, "a lease is not taken from who holds it");
    }
    assert_ne!(first_name, second_name);
    let ledger = callers.end().await;
    second.agrees_with(&ledger).await;
    say(format!("{end:?}: taken over after {taken:?}; {} orders, each once{back}", ledger.total()));
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_frozen_owner_is_taken_over() {
    is_taken_over(End::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_vanished_owner_is_taken_over() {
    is_taken_over(End::Vanished).await;
}
