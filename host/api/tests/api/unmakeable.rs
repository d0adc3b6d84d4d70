//! What cannot be made of an offering: told when it is offered and when it is asked for, and no trap for who has subscribed.

use crate::hub::{Answer, Hub};
use crate::tree::below;
use openhub_engine::statements::make_due;
use serde_json::{Value, json};
use std::time::Duration;

fn code(answer: &Answer) -> &str {
    answer.body["type"].as_str().and_then(|of| of.rsplit('/').next()).unwrap_or_default()
}

fn faults(answer: &Answer) -> Vec<(&str, &str)> {
    let text = |fault: &'_ Value, of: &str| fault[of].as_str().map(str::len).is_some();
    let faults = answer.body["faults"].as_array().expect("faults");
    assert!(faults.iter().all(|fault| text(fault, "message")), "{answer:?}");
    faults.iter().filter_map(|fault| Some((fault["pointer"].as_str()?, fault["code"].as_str()?))).collect()
}

fn rests(duration: Value, segment: &str) -> Value {
    json!({
        "approval": "automatic",
        "parameters": [{"name": "rest", "type": "text", "default": "2d"}],
        "items": [
            {"segment": {"name": "lapsed", "condition": {"attribute": {"name": "tier", "is": "eq", "value": "gold"}}}},
            {"journey": {"name": "rest", "definition": {"trigger": {"segment": segment, "on": "entered"}, "start": "a",
                "nodes": {"a": {"type": "wait", "duration": duration, "next": "b"}, "b": {"type": "exit"}}}}},
            {"price": {"currency": "CNY", "fee": "49.00"}}
        ]
    })
}

/// A brand, a dealer below it, and an offering that has been published.
async fn offered() -> (Hub, String, String) {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await.api_key;
    let (_, dealer) = below(&hub, &brand, json!({"name": "dealer"})).await;
    hub.call("PUT", "/api/v1/offerings/rest", &brand, Some(json!({"title": {"en": "Rest"}}))).await;
    publish(&hub, &brand, rests(json!({"$parameter": "rest"}), "lapsed")).await;
    (hub, brand, dealer)
}

async fn publish(hub: &Hub, brand: &str, document: Value) {
    let made = hub.post("/api/v1/offerings/rest/versions", brand, document).await;
    assert_eq!(made.status, 201, "{made:?}");
    let publish = format!("/api/v1/offerings/rest/versions/{}/publish", made.body["version"]);
    assert_eq!(hub.call("POST", &publish, brand, None).await.status, 200);
}

async fn newest(hub: &Hub, side: &str, key: &str, id: &str) -> Value {
    hub.get(&format!("/api/v1/{side}/{id}/operations"), key).await.body["operations"][0].clone()
}

/// A subscription that cannot be made whole, since its partner has a segment of that name.
async fn halfway(hub: &Hub, dealer: &str) -> String {
    let own = json!({"condition": {"attribute": {"name": "tier", "is": "eq", "value": "silver"}}});
    assert_eq!(hub.call("PUT", "/api/v1/segments/lapsed", dealer, Some(own)).await.status, 200);
    let asked = hub.post("/api/v1/subscriptions", dealer, json!({"key": "k", "offering": "rest"})).await;
    hub.provision().await;
    asked.body["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn dealer16_1_what_cannot_be_made_is_neither_offered_nor_asked_for() {
    let (hub, brand, dealer) = offered().await;
    for (document, expected) in [
        (rests(json!("5 seconds"), "lapsed"), "/items/1/journey/definition/nodes/a/duration"),
        (rests(json!("2d"), "nope"), "/items/1/journey/definition/trigger/segment"),
    ] {
        let refused = hub.post("/api/v1/offerings/rest/versions", &brand, document).await;
        assert_eq!((refused.status, code(&refused)), (422, "invalid-offering"), "{refused:?}");
        assert_eq!(faults(&refused).iter().map(|(pointer, _)| *pointer).collect::<Vec<_>>(), [expected]);
    }
    let mut wrong = rests(json!("2d"), "lapsed");
    wrong["items"][0]["segment"]["condition"] = json!({"event": {"nme": "x"}});
    let refused = hub.post("/api/v1/offerings/rest/versions", &brand, wrong).await;
    assert_eq!((refused.status, code(&refused)), (422, "invalid-offering"));
    assert!(faults(&refused)[0].0.starts_with("/items/0/segment/condition"), "{refused:?}");

    let ask = |rest: &str| json!({"key": rest.replace(' ', "-"), "offering": "rest", "parameters": {"rest": rest}});
    let refused = hub.post("/api/v1/subscriptions", &dealer, ask("5 seconds")).await;
    assert_eq!((refused.status, code(&refused)), (422, "invalid-subscription"), "{refused:?}");
    assert_eq!(faults(&refused)[0].0, "/items/1/journey/definition/nodes/a/duration");
    assert_eq!(hub.get("/api/v1/subscriptions", &dealer).await.body["subscriptions"], json!([]));
    let asked = hub.post("/api/v1/subscriptions", &dealer, ask("3d")).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    hub.provision().await;
    let id = asked.body["id"].as_str().expect("an id");
    assert_eq!(newest(&hub, "subscriptions", &dealer, id).await["state"], "succeeded");
    let upgrade = format!("/api/v1/subscriptions/{id}/upgrade");
    let mut next = rests(json!({"$parameter": "rest"}), "lapsed");
    next["items"][2]["price"]["fee"] = json!("59.00");
    publish(&hub, &brand, next).await;
    let preview = hub.get(&format!("{upgrade}?version=2"), &dealer).await.body;
    assert_eq!(
        (&preview["price_from"]["fee"], &preview["price_to"]["fee"]),
        (&json!("49.00"), &json!("59.00")),
        "{preview}"
    );
    let refused = hub.post(&upgrade, &dealer, json!({"version": 2, "parameters": {"rest": "soon"}})).await;
    assert_eq!((refused.status, code(&refused)), (422, "invalid-subscription"), "{refused:?}");
    let refused = hub.post(&upgrade, &dealer, json!({"version": 2, "overwrite": ["segment/lapse"]})).await;
    assert_eq!((refused.status, faults(&refused)), (422, vec![("/overwrite/0", "unknown-item")]), "{refused:?}");
    // What the items say is the same, and the value in it another: of another version, and of the same one.
    for (rest, version) in [("5d", 2), ("6d", 2)] {
        let begun = hub.post(&upgrade, &dealer, json!({"version": version, "parameters": {"rest": rest}})).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        hub.provision().await;
        let operation = newest(&hub, "subscriptions", &dealer, id).await;
        assert_eq!(operation["state"], "succeeded", "{operation}");
        let journey = hub.get("/api/v1/journeys/rest", &dealer).await.body;
        assert_eq!(journey["draft"]["nodes"]["a"]["duration"], rest, "{journey}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dealer16_4_nobody_reads_the_others_names() {
    let (hub, brand, dealer) = offered().await;
    let id = halfway(&hub, &dealer).await;
    let failed = newest(&hub, "subscriptions", &dealer, &id).await;
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("`lapsed`")), "{failed}");
    let seen = newest(&hub, "subscribers", &brand, &id).await;
    assert_eq!((&seen["state"], &seen["progress"][0]["state"]), (&json!("failed"), &json!("failed")));
    assert!(!seen.to_string().contains("already"), "{seen}");
    let told = hub.get("/api/v1/events?name=subscription.operation-failed", &brand).await.body;
    assert_eq!(told["events"].as_array().map(Vec::len), Some(1));
    assert!(!told.to_string().contains("already"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_half_way_is_ended_and_removed_as_far_as_it_was_made() {
    let (hub, brand, dealer) = offered().await;
    let id = halfway(&hub, &dealer).await;
    assert_eq!(newest(&hub, "subscriptions", &dealer, &id).await["state"], "failed");
    let path = format!("/api/v1/subscriptions/{id}");
    let end = hub.post(&format!("{path}/end"), &dealer, json!({"export_days": 0})).await;
    assert_eq!((end.status, &end.body["contract"]), (200, &json!("ended")), "{end:?}");
    hub.provision().await;
    let removed = newest(&hub, "subscribers", &brand, &id).await;
    assert_eq!((&removed["purpose"], &removed["state"]), (&json!("remove"), &json!("succeeded")), "{removed}");
    let kept = hub.get("/api/v1/segments/lapsed", &dealer).await.body;
    assert_eq!(kept["condition"]["attribute"]["value"], "silver", "the partner's own stays: {kept}");
    assert!(hub.get(&path, &dealer).await.body["removed_at"].is_string());
    assert_eq!(hub.call("POST", &format!("{path}/resume"), &dealer, None).await.status, 409);
    assert_eq!(hub.post("/api/v1/subscriptions", &dealer, json!({"key": "k2", "offering": "rest"})).await.status, 202);
}

async fn statements(hub: &Hub, key: &str) -> usize {
    hub.get("/api/v1/statements", key).await.body["statements"].as_array().expect("statements").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn dealer16_3_a_statement_is_there_once_a_subscription_has_ended() {
    let (hub, _, dealer) = offered().await;
    make_due(&hub.store, hub.now()).await.expect("made");
    let asked = hub.post("/api/v1/subscriptions", &dealer, json!({"key": "k", "offering": "rest"})).await;
    let id = asked.body["id"].as_str().expect("an id").to_owned();
    hub.provision().await;
    make_due(&hub.store, hub.now()).await.expect("made");
    assert_eq!(statements(&hub, &dealer).await, 0);
    // Within the hour after which everybody is looked at again.
    hub.advance(Duration::from_secs(60));
    assert_eq!(hub.post(&format!("/api/v1/subscriptions/{id}/end"), &dealer, json!({})).await.status, 200);
    make_due(&hub.store, hub.now()).await.expect("made");
    hub.advance(Duration::from_secs(16 * 60));
    make_due(&hub.store, hub.now()).await.expect("made");
    assert_eq!(statements(&hub, &dealer).await, 1);
}
