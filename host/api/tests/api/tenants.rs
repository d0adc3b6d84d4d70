//! A tenant sees nothing of another's: a foreign id is not found.

use crate::hub::Hub;
use serde_json::json;

#[tokio::test]
async fn a_foreign_id_is_not_found() {
    let hub = Hub::start().await;
    let (ours, theirs) = (hub.tenant("ours").await, hub.tenant("theirs").await);
    let event = json!([{"type": "track", "event": "E", "userId": "ada", "messageId": "m"}]);
    hub.send_events(&theirs, event).await;
    hub.call("PUT", "/api/v1/journeys/secret", &theirs.api_key, Some(json!({}))).await;
    let found = hub.get("/api/v1/customers", &theirs.api_key).await;
    let id = found.body["customers"][0]["id"].as_str().unwrap().to_owned();
    for path in [
        format!("/api/v1/customers/{id}"),
        format!("/api/v1/customers/{id}/timeline"),
        "/api/v1/journeys/secret".to_owned(),
        "/api/v1/journeys/secret/counts".to_owned(),
    ] {
        assert_eq!(hub.get(&path, &theirs.api_key).await.status, 200, "{path}");
        assert_eq!(hub.get(&path, &ours.api_key).await.status, 404, "{path}");
    }
    let change = Some(json!({"tags": {"vip": true}}));
    let patch = hub.call("PATCH", &format!("/api/v1/customers/{id}"), &ours.api_key, change).await;
    assert_eq!(patch.status, 404);
    for path in [format!("/api/v1/events?customer={id}"), "/api/v1/customers?identity=user_id:ada".to_owned()] {
        let list = hub.get(&path, &ours.api_key).await.body;
        assert!(list["events"].as_array().or(list["customers"].as_array()).unwrap().is_empty(), "{path}");
    }
}
