//! The log, to read.

use crate::hub::Hub;
use serde_json::json;

#[tokio::test]
async fn events_are_found_by_name_and_customer() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let events = json!([
        {"type": "track", "event": "A", "userId": "1", "messageId": "1a"},
        {"type": "track", "event": "B", "userId": "1", "messageId": "1b"},
        {"type": "track", "event": "A", "userId": "2", "messageId": "2a"},
    ]);
    hub.send_events(&tenant, events).await;
    let found = hub.get("/api/v1/customers?identity=user_id:1", &tenant.api_key).await;
    let id = found.body["customers"][0]["id"].as_str().unwrap().to_owned();
    let ids = async |query: String| {
        let answer = hub.get(&format!("/api/v1/events?{query}"), &tenant.api_key).await;
        let events = answer.body["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["message_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("name=A".to_owned()).await, ["1a", "2a"]);
    assert_eq!(ids(format!("customer={id}")).await, ["1a", "1b"]);
    assert_eq!(ids(format!("customer={id}&name=B")).await, ["1b"]);
    // As a fault or a report names one.
    assert_eq!(ids("message_id=2a".to_owned()).await, ["2a"]);
    let position = hub.get("/api/v1/events?message_id=1b", &tenant.api_key).await.body["events"][0]["position"].clone();
    assert_eq!(ids(format!("position={position}")).await, ["1b"]);
    assert_eq!(ids(format!("position={position}&customer={id}")).await, ["1b"]);
    assert_eq!(ids(format!("position={position}&name=A")).await, [""; 0]);
    assert_eq!(ids("message_id=3".to_owned()).await, [""; 0]);
}
