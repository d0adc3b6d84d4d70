//! The tenant's clock and standing.

use crate::hub::{Hub, PATIENCE};
use insta::assert_json_snapshot;
use openhub_model::ClockKind;
use serde_json::json;

#[tokio::test]
async fn a_live_clock_is_not_set() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let set = hub.post("/api/v1/clock", &tenant.api_key, json!({"to": "2027-01-01T00:00:00Z"})).await;
    assert_json_snapshot!("live_clock", [hub.get("/api/v1/clock", &tenant.api_key).await, set]);
}

#[tokio::test]
async fn a_replay_clock_goes_with_its_events_and_by_hand() {
    let hub = Hub::start().await;
    let tenant = hub.tenant_on("past", ClockKind::Replay).await;
    let events = json!([{"type": "track", "event": "E", "userId": "1", "timestamp": "1997-01-01T12:00:00Z"}]);
    hub.send_events(&tenant, events).await;
    let now = hub.get("/api/v1/clock", &tenant.api_key).await;
    let to = json!({"to": "1998-06-30T12:00:00Z"});
    let set = hub.post("/api/v1/clock", &tenant.api_key, to.clone()).await;
    let again = hub.post("/api/v1/clock", &tenant.api_key, to).await;
    let back = hub.post("/api/v1/clock", &tenant.api_key, json!({"to": "1997-02-01T00:00:00Z"})).await;
    let status = hub.get("/api/v1/status", &tenant.api_key).await;
    assert_json_snapshot!("replay_clock", [now, set, again, back, status]);
}

#[tokio::test]
async fn a_hub_that_stops_lets_nobody_wait_for_its_clock() {
    let hub = Hub::start().await;
    let tenant = hub.tenant_on("past", ClockKind::Replay).await;
    hub.engine.stop().await;
    let advance = hub.post("/api/v1/clock", &tenant.api_key, json!({"to": "1998-06-30T12:00:00Z"}));
    let stop = async { hub.stopping.cancel() };
    let (answer, ()) = tokio::time::timeout(PATIENCE / 2, async { tokio::join!(advance, stop) }).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.body["position"].is_i64(), "{answer:?}");
}

#[tokio::test]
async fn a_change_by_hand_does_not_move_a_replay_clock() {
    let hub = Hub::start().await;
    let tenant = hub.tenant_on("past", ClockKind::Replay).await;
    let events = json!([{"type": "track", "event": "E", "userId": "1", "timestamp": "1997-01-01T12:00:00Z"}]);
    hub.send_events(&tenant, events).await;
    let id =
        hub.get("/api/v1/customers", &tenant.api_key).await.body["customers"][0]["id"].as_str().unwrap().to_owned();
    let change = json!({"tags": {"vip": true}});
    let answer = hub.call("PATCH", &format!("/api/v1/customers/{id}"), &tenant.api_key, Some(change)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let now = hub.get("/api/v1/clock", &tenant.api_key).await;
    assert_eq!(now.body["now"], "1997-01-01T12:00:00Z");
}
