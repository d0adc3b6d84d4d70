//! The tenant's clock and standing.

use crate::hub::{Answer, Hub, PATIENCE, Tenant, until};
use insta::assert_json_snapshot;
use openhub_model::ClockKind;
use openhub_test_postgres::Server;
use serde_json::{Value, json};

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

/// Issue 14: asked for the last day of the year 9999, it stood a day before, and said nothing.
#[tokio::test]
async fn a_clock_is_not_set_to_what_it_does_not_come_to() {
    let hub = Hub::start().await;
    let tenant = hub.tenant_on("past", ClockKind::Replay).await;
    for to in ["9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-30T23:00:00Z"] {
        let answer = hub.post("/api/v1/clock", &tenant.api_key, json!({"to": to})).await;
        assert_eq!((answer.status, &answer.body["faults"][0]["pointer"]), (400, &json!("/to")), "{answer:?}");
        let message = answer.body["faults"][0]["message"].as_str().unwrap();
        assert!(message.contains("9999-12-30T21:59:59.999999Z"), "{message}");
    }
    let last = json!({"to": "9999-12-30T21:59:59.999999Z"});
    let answer = hub.post("/api/v1/clock", &tenant.api_key, last.clone()).await;
    assert_eq!((answer.status, &answer.body["now"]), (200, &last["to"]), "{answer:?}");
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

/// A move of the clock over more than a hub could do in weeks: a journey goes round each second. Whoever ends that stands
/// behind it in the log.
const FAR: &str = "9999-12-30T00:00:00Z";

async fn who_goes_round(hub: &Hub, name: &str) -> Tenant {
    let tenant = hub.tenant_on(name, ClockKind::Replay).await;
    let round = json!({
        "trigger": {"event": "E"}, "start": "here",
        "nodes": {
            "here": {"type": "wait", "duration": "1s", "next": "there"},
            "there": {"type": "wait", "duration": "1s", "next": "here"},
        },
    });
    let saved = hub.call("PUT", "/api/v1/journeys/round", &tenant.api_key, Some(round)).await;
    assert_eq!((saved.status, &saved.body["faults"]), (200, &json!([])), "{saved:?}");
    act(hub, &tenant, "journeys/round/publish").await;
    let events = json!([{"type": "track", "event": "E", "userId": "1", "timestamp": "1997-01-01T12:00:00Z"}]);
    hub.send_events(&tenant, events).await;
    tenant
}

async fn act(hub: &Hub, tenant: &Tenant, verb: &str) -> Answer {
    let answer = hub.call("POST", &format!("/api/v1/{verb}"), &tenant.api_key, None).await;
    assert_eq!(answer.status, 200, "{verb}: {answer:?}");
    answer
}

/// Moves the clock far, and calls this as soon as it is on its way. Answers what the move was answered.
async fn far(hub: &Hub, tenant: &Tenant, verbs: &[&str]) -> Value {
    let advance = hub.post("/api/v1/clock", &tenant.api_key, json!({"to": FAR}));
    let brake = async {
        until("the clock is on its way", async || {
            let now = hub.get("/api/v1/clock", &tenant.api_key).await;
            let runs = hub.get("/api/v1/journeys/round/counts", &tenant.api_key).await;
            let came = runs.body["versions"][0]["nodes"]["there"]["entered"].as_i64();
            assert!(now.body["now"].as_str().is_some_and(|now| now < "9999"), "{now:?}");
            came.filter(|came| *came > 1)
        })
        .await;
        for verb in verbs {
            act(hub, tenant, verb).await;
        }
    };
    let (answer, ()) = tokio::join!(advance, brake);
    assert_eq!(answer.status, 200, "{answer:?}");
    let faults = hub.get("/api/v1/faults", &tenant.api_key).await;
    assert_eq!(faults.body["faults"], json!([]), "{faults:?}");
    answer.body["now"].clone()
}

async fn brakes(hub: Hub) {
    let tenant = who_goes_round(&hub, "stopped").await;
    assert_eq!(far(&hub, &tenant, &["journeys/round/stop"]).await, FAR);
    let journey = hub.get("/api/v1/journeys/round", &tenant.api_key).await;
    assert_eq!(journey.body["status"], "stopped");
    let counts = hub.get("/api/v1/journeys/round/counts", &tenant.api_key).await;
    assert_eq!(counts.body["versions"][0]["nodes"]["here"]["waiting"], 0, "{counts:?}");

    let tenant = who_goes_round(&hub, "paused").await;
    assert_eq!(far(&hub, &tenant, &["journeys/round/pause", "journeys/round/resume"]).await, FAR);
    let journey = hub.get("/api/v1/journeys/round", &tenant.api_key).await;
    assert_eq!((&journey.body["status"], &journey.body["version"]), (&json!("published"), &json!(1)));

    let tenant = who_goes_round(&hub, "halted").await;
    let now = far(&hub, &tenant, &["clock/stop"]).await;
    assert!(now.as_str().is_some_and(|now| now < "9999"), "{now}");
    // It goes on from there when it is moved on, and what is changed by hand does not move it.
    let customer = hub.get("/api/v1/customers", &tenant.api_key).await.body["customers"][0]["id"].clone();
    let path = format!("/api/v1/customers/{}", customer.as_str().unwrap());
    let changed = hub.call("PATCH", &path, &tenant.api_key, Some(json!({"tags": {"vip": true}}))).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(hub.get("/api/v1/clock", &tenant.api_key).await.body["now"], now);
    act(&hub, &tenant, "journeys/round/stop").await;
    let moved = hub.post("/api/v1/clock", &tenant.api_key, json!({"to": FAR})).await;
    assert_eq!((moved.status, &moved.body["now"]), (200, &json!(FAR)), "{moved:?}");
}

#[tokio::test]
async fn who_stops_what_keeps_a_clock_busy_does_not_wait_for_it() {
    brakes(Hub::start().await).await;
    let server = Server::start().await.expect("a server");
    brakes(Hub::on_postgres(server.database().await.expect("a database")).await).await;
}
