//! Records of custom types, as far as no plugin declares one. What a plugin's check decides is tested end to end.

use crate::hub::Hub;
use serde_json::json;

#[tokio::test]
async fn a_type_that_nobody_declares_has_no_objects() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    hub.settle(&tenant).await;
    let list = hub.get("/api/v1/objects/coupon", &tenant.api_key).await;
    assert_eq!((list.status, list.body), (200, json!({"objects": [], "next": null})));
    let create = hub.post("/api/v1/objects/coupon", &tenant.api_key, json!({"fields": {"percent": 15}})).await;
    assert_eq!((create.status, &create.body["type"]), (404, &json!("https://openhub.dev/problems/not-found")));
    for method in ["PATCH", "DELETE"] {
        let body = (method == "PATCH").then(|| json!({"fields": {}}));
        let answer = hub.call(method, "/api/v1/objects/coupon/A", &tenant.api_key, body).await;
        assert_eq!(answer.status, 404, "{method}");
    }
}
