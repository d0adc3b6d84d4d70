//! Journeys, drawn, checked and published.

use crate::hub::Hub;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

fn welcome() -> Value {
    json!({
        "trigger": {"event": "Signed Up"}, "reentry": "always", "start": "rest",
        "nodes": {
            "rest": {"type": "wait", "duration": "1h", "next": "mark"},
            "mark": {"type": "update", "tags": {"welcomed": true}, "next": "done"},
            "done": {"type": "exit"},
        },
    })
}

#[tokio::test]
async fn a_faulty_graph_is_saved_and_not_published() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let mut faulty = welcome();
    faulty["nodes"]["mark"]["next"] = json!("nowhere");
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(faulty)).await;
    let checked = hub.call("POST", "/api/v1/journeys/welcome/check", key, None).await;
    let published = hub.call("POST", "/api/v1/journeys/welcome/publish", key, None).await;
    assert_eq!(saved.body["faults"], checked.body["faults"]);
    assert_eq!(saved.body["faults"], published.body["faults"]);
    assert_json_snapshot!("journey_faulty", published);
}

#[tokio::test]
async fn a_journey_is_published_paused_and_resumed() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(welcome())).await;
    assert_eq!((saved.status, &saved.body["faults"]), (200, &json!([])), "{saved:?}");
    let act = async |verb: &str| hub.call("POST", &format!("/api/v1/journeys/welcome/{verb}"), key, None).await;
    let early = act("pause").await;
    let mut answers = vec![early];
    for verb in ["publish", "pause", "resume", "publish"] {
        answers.push(act(verb).await);
    }
    assert_json_snapshot!("journey_life", answers);
    let events = json!([{"type": "track", "event": "Signed Up", "userId": "ada"}]);
    hub.send_events(&tenant, events).await;
    assert_json_snapshot!("journey_counts", hub.get("/api/v1/journeys/welcome/counts", key).await);
    let list = hub.get("/api/v1/journeys", key).await;
    assert_eq!(list.body["journeys"][0]["version"], 2);
    assert_eq!(hub.get("/api/v1/journeys/welcome", key).await.body["draft"], welcome());
    let none = hub.get("/api/v1/messages?journey=welcome", key).await;
    assert_eq!((none.status, none.body), (200, json!({"messages": [], "next": null})));
}
