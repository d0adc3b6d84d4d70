//! Records of custom types, as far as no plugin declares one. What a plugin's check decides is tested end to end.

use crate::hub::Hub;
use serde_json::json;

#[tokio::test]
async fn a_type_that_nobody_declares_is_not_found() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    hub.settle(&tenant).await;
    for path in ["/api/v1/objects/coupn", "/api/v1/export/objects?kind=coupn"] {
        let answer = hub.get(path, &tenant.api_key).await;
        let told = "There is no object type `coupn`. There are none.";
        assert_eq!((answer.status, &answer.body["detail"]), (404, &json!(told)), "{path}");
    }
    let create = hub.post("/api/v1/objects/coupon", &tenant.api_key, json!({"fields": {"percent": 15}})).await;
    assert_eq!((create.status, &create.body["type"]), (404, &json!("https://openhub.dev/problems/not-found")));
    for method in ["PATCH", "DELETE"] {
        let body = (method == "PATCH").then(|| json!({"fields": {}}));
        let answer = hub.call(method, "/api/v1/objects/coupon/A", &tenant.api_key, body).await;
        assert_eq!(answer.status, 404, "{method}");
    }
}
