//! What a tenant says about itself.

use serde_json::json;

use crate::hub::Hub;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_says_how_long_its_faults_are_kept() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let other = hub.tenant("other").await;
    let key = &tenant.api_key;
    let change = async |body| hub.call("PATCH", "/api/v1/settings", key, Some(body)).await;
    assert_eq!(hub.get("/api/v1/settings", key).await.body, json!({"fault_days": 90}));
    let changed = change(json!({"fault_days": 7})).await;
    assert_eq!((changed.status, changed.body), (200, json!({"fault_days": 7})));
    assert_eq!(change(json!({})).await.body, json!({"fault_days": 7}), "what is not named stays");
    for (body, pointer) in [(json!({"fault_days": 0}), "/fault_days"), (json!({"fault_days": 3_651}), "/fault_days")] {
        let refused = change(body).await;
        assert_eq!(
            (refused.status, refused.body["faults"][0]["pointer"].as_str()),
            (400, Some(pointer)),
            "{:?}",
            refused.body
        );
    }
    assert_eq!(change(json!({"days": 3})).await.status, 400);
    assert_eq!(hub.get("/api/v1/settings", key).await.body, json!({"fault_days": 7}));
    assert_eq!(hub.get("/api/v1/settings", &other.api_key).await.body, json!({"fault_days": 90}), "each says its own");
    assert_eq!(
        hub.call("PATCH", "/api/v1/settings", &tenant.write_key, Some(json!({"fault_days": 3}))).await.status,
        403
    );
    let told = hub.get("/api/v1/events?name=settings.changed", key).await.body;
    assert!(told["events"][0]["principal"].is_object(), "the log says who: {told}");
    assert_eq!(hub.get("/api/v1/faults", key).await.body["faults"], json!([]), "and the engine knows it");
}
