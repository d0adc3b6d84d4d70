//! Overload is refused before anything is accepted, and to those who cause it.

use crate::hub::{Answer, Hub, Tenant, limits, request};
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::header;
use futures::StreamExt;
use insta::assert_json_snapshot;
use openhub_api::Limits;
use openhub_engine::Bounds;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

#[tokio::test]
async fn too_many_requests_are_shed() {
    let hub = Hub::with_limits(Limits { ingest_in_flight: 0, api_in_flight: 0, ..limits() }).await;
    let tenant = hub.tenant("shop").await;
    let event = hub.post("/v1/track", &tenant.write_key, json!({"userId": "1", "event": "e"})).await;
    assert_eq!(event.headers[header::RETRY_AFTER], "1");
    let read = hub.get("/api/v1/status", &tenant.api_key).await;
    assert_eq!(read.headers[header::RETRY_AFTER], "1");
    assert_json_snapshot!("shed", [event, read]);
    assert_eq!(hub.get("/healthz", "").await.status, 200);
}

fn events(count: usize) -> Value {
    json!({"batch": vec![json!({"type": "track", "userId": "u", "event": "e"}); count]})
}

#[tokio::test]
async fn d3_a_tenant_that_is_too_far_behind_is_told_so_and_no_other() {
    let hub = Hub::with_bounds(Bounds { events: 10, time: Duration::from_secs(300) }).await;
    let busy = hub.tenant("busy").await;
    hub.settle(&busy).await;
    let usurped = hub.usurped().await;
    let quiet = hub.tenant("quiet").await;
    assert_eq!(hub.post("/v1/batch", &busy.api_key, events(9)).await.status, 200);
    assert_eq!(hub.post("/v1/batch", &busy.write_key, events(1)).await.status, 429, "pages have three quarters of it");
    assert_eq!(hub.post("/v1/batch", &busy.api_key, events(3)).await.status, 200, "below the bound it is only slowed");
    for (path, body) in [("/v1/batch", events(1)), ("/v1/track", json!({"userId": "u", "event": "e"}))] {
        let refused = hub.post(path, &busy.api_key, body).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.body["type"], "https://openhub.dev/problems/too-far-behind");
        assert!(refused.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    }
    assert_eq!(hub.get("/api/v1/status", &busy.api_key).await.body["behind"], 12, "nothing of it was accepted");
    assert_eq!(hub.post("/v1/batch", &quiet.write_key, events(9)).await.status, 200);
    usurped.release().await;
    hub.settle(&busy).await;
    assert_eq!(hub.post("/v1/batch", &busy.api_key, events(9)).await.status, 200);
    hub.settle(&busy).await;
    assert_eq!(hub.get("/api/v1/status", &busy.api_key).await.body["behind"], 0);
}

/// A body whose end never comes.
fn endless(path: &str, key: Option<&str>) -> axum::http::Request<Body> {
    let begun = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    let body = Body::from_stream(begun.chain(futures::stream::pending()));
    let request = request("POST", path).header(header::CONTENT_TYPE, "application/json");
    let request = match key {
        Some(key) => request.header(header::AUTHORIZATION, format!("Bearer {key}")),
        None => request,
    };
    request.body(body).expect("a request")
}

/// Every call of a tenant that does little.
async fn is_answered(hub: &Hub, quiet: &Tenant) {
    for number in 0..10 {
        let event = json!({"userId": number.to_string(), "event": "e"});
        assert_eq!(hub.post("/v1/track", &quiet.write_key, event.clone()).await.status, 200);
        assert_eq!(hub.get("/api/v1/status", &quiet.api_key).await.status, 200);
        assert_eq!(hub.get("/api/v1/customers", &quiet.api_key).await.status, 200);
    }
}

/// Does something while calls go on: one that nobody polls would keep what it has got of the store.
async fn beside(calls: impl futures::Stream<Item = Answer> + Unpin, work: impl Future<Output = ()>) {
    let go_on = async {
        calls.for_each(|_| std::future::ready(())).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = go_on => {}
    }
}

#[tokio::test]
async fn f_a_quiet_tenant_is_answered_beside_a_flood_that_never_ends() {
    let hub = Hub::with_limits(Limits { ingest_in_flight: 16, api_in_flight: 16, ..limits() }).await;
    let (busy, quiet) = (hub.tenant("busy").await, hub.tenant("quiet").await);
    let flood = (0..100).map(|number| {
        let (path, key) = match number % 2 {
            0 => ("/v1/batch", &busy.write_key),
            _ => ("/api/v1/segments/preview", &busy.api_key),
        };
        hub.send(endless(path, Some(key)))
    });
    let refused = async {
        // Those who got a place stay; all others are told at once.
        let mut answers = flood.collect::<futures::stream::FuturesUnordered<_>>();
        for _ in 0..100 - 21 {
            let answer = answers.next().await.expect("it is refused");
            assert!([429, 503].contains(&answer.status), "{answer:?}");
            assert_eq!(answer.headers[header::RETRY_AFTER], "1");
        }
        beside(answers, is_answered(&hub, &quiet)).await;
    };
    refused.await;
    is_answered(&hub, &busy).await;
}

/// As if the call came from there.
fn from(address: [u8; 4], mut request: axum::http::Request<Body>) -> axum::http::Request<Body> {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 1))));
    request
}

/// Anybody reads the key of a page: who sends under it what has no end takes no place of the page's visitors.
#[tokio::test]
async fn c_slow_bodies_under_a_pages_key_leave_a_place_to_others_who_have_it() {
    let hub = Hub::with_limits(Limits { ingest_in_flight: 16, ..limits() }).await;
    let shop = hub.tenant("shop").await;
    let mut slow = (0..50)
        .map(|_| hub.send(from([10, 0, 0, 1], endless("/v1/batch", Some(&shop.write_key)))))
        .collect::<futures::stream::FuturesUnordered<_>>();
    for _ in 0..50 - 9 {
        assert_eq!(slow.next().await.expect("it is refused").status, 429);
    }
    let visitors = async {
        for number in 0..20 {
            let event = json!({"userId": "1", "event": "e", "writeKey": shop.write_key}).to_string();
            let keyed =
                request("POST", "/v1/track").header(header::AUTHORIZATION, format!("Bearer {}", shop.write_key));
            let [keyed, keyless] = [keyed, request("POST", "/v1/track")].map(|to| to.body(Body::from(event.clone())));
            assert_eq!(hub.send(from([10, 0, 1, number], keyed.unwrap())).await.status, 200);
            assert_eq!(hub.send(from([10, 0, 1, number], keyless.unwrap())).await.status, 200);
        }
    };
    beside(slow, visitors).await;
}

#[tokio::test]
async fn d1_bodies_without_a_key_hold_no_place_of_who_has_one() {
    let hub = Hub::with_limits(Limits { ingest_in_flight: 4, keyless_in_flight: 4, ..limits() }).await;
    let quiet = hub.tenant("quiet").await;
    let mut slow =
        (0..50).map(|_| hub.send(endless("/v1/batch", None))).collect::<futures::stream::FuturesUnordered<_>>();
    for _ in 0..50 - 3 {
        assert_eq!(slow.next().await.expect("it is refused").status, 429);
    }
    beside(slow, is_answered(&hub, &quiet)).await;
    let keyed = json!({"userId": "1", "event": "e", "writeKey": quiet.write_key});
    let event = request("POST", "/v1/track").body(Body::from(keyed.to_string())).unwrap();
    assert_eq!(hub.send(event).await.status, 200, "a key in the body works");
}

#[tokio::test]
async fn d1_guessed_keys_cost_no_place_and_a_new_key_works_at_once() {
    let hub = Hub::with_limits(Limits { ingest_in_flight: 4, api_in_flight: 4, ..limits() }).await;
    let quiet = hub.tenant("quiet").await;
    let guess = |number: usize| format!("oh_live_{number:016x}_{:064x}", 7);
    let guesses = (0..300).map(|number| {
        let hub = &hub;
        async move { hub.get("/api/v1/status", &guess(number)).await.status }
    });
    let (statuses, ()) = tokio::join!(futures::future::join_all(guesses), is_answered(&hub, &quiet));
    assert!(statuses.iter().all(|status| *status == 401));
    let later = hub.tenant("later").await;
    is_answered(&hub, &later).await;
}

#[tokio::test]
async fn d1_exports_and_previews_are_each_tenants_own() {
    let hub = Hub::start().await;
    let (busy, quiet) = (hub.tenant("busy").await, hub.tenant("quiet").await);
    let begun = async |tenant: &Tenant| {
        let request = request("GET", "/api/v1/export/customers");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", tenant.api_key));
        hub.begin(request.body(Body::empty()).unwrap()).await
    };
    let (first, second) = (begun(&busy).await, begun(&busy).await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    assert_eq!(begun(&busy).await.status(), 503);
    assert_eq!(begun(&quiet).await.status(), 200);
    drop(first);
    assert_eq!(begun(&busy).await.status(), 200, "who goes away gives its place back");
    let condition = json!({"condition": {"tag": "vip"}});
    let counted = (0..6).map(|_| hub.post("/api/v1/segments/preview", &busy.api_key, condition.clone()));
    let answers = futures::future::join_all(counted).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "they take turns");
    assert_eq!(hub.post("/api/v1/segments/preview", &quiet.api_key, condition).await.status, 200);
    drop(second);
}
