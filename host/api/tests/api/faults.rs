//! The list of faults, seen and worked off.

use crate::hub::{Hub, until};
use openhub_store::{FaultKind, NewFault, Scope};
use serde_json::json;

/// A batch's and a single event's, from the key that sent them; a dry run is none.
#[tokio::test]
async fn a_what_the_door_refuses_is_listed() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let bad = json!({"type": "track", "userId": "ada"});
    let batch = json!({"batch": [bad, {"type": "track", "event": "E", "userId": "ada"}, bad]});
    assert_eq!(hub.post("/v1/batch", &tenant.write_key, batch).await.status, 200);
    assert_eq!(hub.post("/v1/track", &tenant.write_key, bad.clone()).await.status, 400);
    hub.post("/v1/import?dry_run=true", &tenant.api_key, json!({"batch": [bad]})).await;
    let faults = until("both faults are listed", async || {
        let faults = hub.get("/api/v1/faults?kind=refused", &tenant.api_key).await.body["faults"].clone();
        faults.as_array().is_some_and(|faults| faults.len() >= 2).then_some(faults)
    });
    let faults = faults.await;
    let mut told: Vec<_> = faults.as_array().unwrap().iter().map(|fault| (&fault["place"], &fault["count"])).collect();
    told.sort_by_key(|(place, _)| place.to_string());
    let (batch, single) = (json!("/batch/*/event"), json!("/event"));
    assert_eq!(told, [(&batch, &json!(2)), (&single, &json!(1))], "{faults}");
    assert_eq!(faults[0]["text"], "Set `event`, the name of what happened.", "{faults}");
    assert!(faults[0]["subject"].as_str().is_some_and(|key| tenant.write_key.contains(key)), "{faults}");
}

#[tokio::test]
async fn a_faults_are_listed_tried_again_and_discarded() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = tenant.api_key.as_str();
    let event = json!([{"type": "track", "event": "E", "userId": "ada", "messageId": "m-1"}]);
    hub.send_events(&tenant, event).await;
    let skipped = NewFault::counted(FaultKind::RowSkipped, "loyalty/earn", "missing", "total", "It has no total.");
    let aside = NewFault {
        message_id: Some("m-1".to_owned()),
        ..NewFault::one(FaultKind::Event, "m-1", "event", "panic", "it panicked")
    };
    let (skipped_id, aside_id) = (skipped.id, aside.id);
    let faults = vec![skipped.clone(), aside, skipped];
    hub.store.file_faults(&Scope::of(tenant.id), hub.now(), faults).await.unwrap();

    let status = hub.get("/api/v1/status", key).await.body;
    assert_eq!(status["open_faults"], json!({"event": 1, "row-skipped": 1}));
    let skips = hub.get("/api/v1/faults?kind=row-skipped&status=open", key).await.body;
    assert_eq!((&skips["faults"][0]["count"], &skips["faults"][0]["actions"]), (&json!(2), &json!(["discard"])));
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = hub.get(&format!("/api/v1/faults?limit=1{after}"), key).await.body;
        seen.extend(page["faults"].as_array().unwrap().iter().map(|fault| fault["kind"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    seen.sort_by_key(ToString::to_string);
    assert_eq!(seen, ["event", "row-skipped"]);

    let path = |id: openhub_model::Id, verb: &str| format!("/api/v1/faults/{id}{verb}");
    assert_eq!(hub.post(&path(skipped_id, "/retry"), key, json!({})).await.status, 409, "it has no event");
    let retried = hub.post(&path(aside_id, "/retry"), key, json!({})).await;
    assert_eq!((retried.status, &retried.body["status"]), (200, &json!("retried")), "{retried:?}");
    assert_eq!(retried.body["actions"], json!([]));
    assert_eq!(hub.post(&path(aside_id, "/retry"), key, json!({})).await.status, 409, "it is not open any more");
    let again = hub.get("/api/v1/events?name=E", key).await.body;
    let ids: Vec<_> = again["events"].as_array().unwrap().iter().map(|event| event["message_id"].clone()).collect();
    assert_eq!(ids, [json!("m-1"), json!(format!("openhub:retry:{aside_id}:1"))]);
    assert_eq!(again["events"][0]["occurred_at"], again["events"][1]["occurred_at"]);
    let discarded = hub.post(&path(skipped_id, "/discard"), key, json!({})).await;
    assert_eq!((discarded.status, &discarded.body["status"]), (200, &json!("discarded")), "{discarded:?}");
    assert_eq!(hub.get("/api/v1/status", key).await.body["open_faults"], json!({}));
    assert_eq!(hub.get("/api/v1/faults", &tenant.write_key).await.status, 403);
}

/// A trait of another type than declared: the event is accepted, the answer names the trait, and so does the list of faults.
#[tokio::test]
async fn a_value_that_is_left_out_is_told_to_the_sender_and_listed() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let declared = json!({"type": "date"});
    assert_eq!(hub.call("PUT", "/api/v1/attributes/born", &tenant.api_key, Some(declared)).await.status, 200);
    let good = json!({"type": "identify", "userId": "ada", "traits": {"born": "1990-05-01", "city": "Rome"}});
    let bad = json!({"type": "identify", "userId": "bob", "traits": {"born": "01.05.1990", "city": "Rome"}});
    // Pages and servers alike, by either call.
    for key in [&tenant.write_key, &tenant.server_key] {
        let one = hub.post("/v1/identify", key, bad.clone()).await;
        assert_eq!((one.status, &one.body["success"]), (200, &json!(true)), "{one:?}");
        let message = "The value is not of the declared type (date, like 2026-01-31), so it was left out.";
        let told = json!([{"index": 0, "code": "wrong-type", "pointer": "/traits/born", "message": message}]);
        assert_eq!(one.body["left_out"], told);
        let many = hub.post("/v1/batch", key, json!({"batch": [good, bad]})).await;
        assert_eq!((many.status, &many.body["left_out"][0]["pointer"]), (200, &json!("/batch/1/traits/born")));
        assert_eq!(many.body["left_out"].as_array().map(Vec::len), Some(1), "{many:?}");
    }
    // A page may not set a closed one at all: that is told, and no other reason.
    let closed = json!({"type": "date", "pages": "closed"});
    assert_eq!(hub.call("PUT", "/api/v1/attributes/born", &tenant.api_key, Some(closed)).await.status, 200);
    let one = hub.post("/v1/identify", &tenant.write_key, bad).await;
    assert_eq!(one.body["left_out"].as_array().map(Vec::len), Some(1), "{one:?}");
    assert_eq!(one.body["left_out"][0]["code"], "authority");
    let faults = until("the faults are listed", async || {
        let faults = hub.get("/api/v1/faults?kind=refused", &tenant.api_key).await.body["faults"].clone();
        let count = faults.as_array()?.iter().filter_map(|fault| fault["count"].as_i64()).sum::<i64>();
        (count >= 4).then_some(faults)
    });
    let faults = faults.await;
    let mut told: Vec<_> = faults.as_array().unwrap().iter().map(|fault| (&fault["code"], &fault["place"])).collect();
    told.sort_by_key(|(_, place)| place.to_string());
    let code = json!("value-left-out");
    let (batch, single) = (json!("/batch/*/traits/born"), json!("/traits/born"));
    assert_eq!(told, [(&code, &batch), (&code, &batch), (&code, &single), (&code, &single)], "{faults}");
    hub.settle(&tenant).await;
    let bob = hub.get("/api/v1/customers?identity=user_id:bob", &tenant.api_key).await.body;
    assert_eq!(bob["customers"][0]["attributes"], json!({"city": "Rome"}), "the rest of the event is in force");
}
