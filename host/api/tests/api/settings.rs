//! What a tenant says about itself.

use axum::body::Body;
use serde_json::json;

use crate::hub::{Hub, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_says_how_long_its_faults_are_kept() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let other = hub.tenant("other").await;
    let key = &tenant.api_key;
    let change = async |body| hub.call("PATCH", "/api/v1/settings", key, Some(body)).await;
    let says =
        |days| json!({"fault_days": days, "page_origins": [], "server_events": [], "locale": "en", "time_zone": "UTC"});
    assert_eq!(hub.get("/api/v1/settings", key).await.body, says(90));
    let changed = change(json!({"fault_days": 7})).await;
    assert_eq!((changed.status, changed.body), (200, says(7)));
    assert_eq!(change(json!({})).await.body, says(7), "what is not named stays");
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
    // All of it at once, form and meaning.
    let many = json!({"fault_days": "many", "fault_dyas": 1, "page_origins": ["nope", 7, "https://a.example"], "server_events": [""]});
    let refused = change(many).await;
    let faults = refused.body["faults"].as_array().unwrap();
    let mut told: Vec<&str> = faults.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["/fault_days", "/fault_dyas", "/page_origins/1", "/server_events/0"], "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("There are 3 more faults"), "{refused:?}");
    assert!(faults.iter().any(|fault| fault["message"].as_str().unwrap().contains("Did you mean `fault_days`?")));
    assert_eq!(hub.get("/api/v1/settings", key).await.body, says(7));
    assert_eq!(hub.get("/api/v1/settings", &other.api_key).await.body, says(90), "each says its own");
    assert_eq!(
        hub.call("PATCH", "/api/v1/settings", &tenant.write_key, Some(json!({"fault_days": 3}))).await.status,
        403
    );
    let told = hub.get("/api/v1/events?name=settings.changed", key).await.body;
    assert!(told["events"][0]["principal"].is_object(), "the log says who: {told}");
    assert_eq!(hub.get("/api/v1/faults", key).await.body["faults"], json!([]), "and the engine knows it");
}

#[tokio::test(flavor = "multi_thread")]
async fn issue_14_null_puts_back_the_default() {
    let hub = Hub::start().await;
    let key = &hub.tenant("shop").await.api_key;
    let change = async |body| hub.call("PATCH", "/api/v1/settings", key, Some(body)).await;
    let before = hub.get("/api/v1/settings", key).await.body;
    let other = json!({"fault_days": 7, "page_origins": ["https://shop.example"], "server_events": ["Order Completed"],
        "locale": "zh-CN", "time_zone": "Asia/Shanghai"});
    assert_eq!(change(other.clone()).await.body, other);
    let one = change(json!({"server_events": null})).await;
    assert_eq!((one.status, &one.body["server_events"], &one.body["locale"]), (200, &json!([]), &json!("zh-CN")));
    let nulls =
        json!({"fault_days": null, "page_origins": null, "server_events": null, "locale": null, "time_zone": null});
    assert_eq!(change(nulls).await.body, before);
    assert_eq!(hub.get("/api/v1/settings", key).await.body, before);
}

/// A key that stands in a page can be read by anybody.
#[tokio::test(flavor = "multi_thread")]
async fn c_a_tenant_says_what_its_pages_may_not() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let other = hub.tenant("other").await;
    // Its key is known, with what was said of its pages before.
    let before = json!({"event": "Order Completed", "userId": "1"});
    assert_eq!(hub.post("/v1/track", &shop.write_key, before).await.status, 200);
    let said = json!({"page_origins": ["https://shop.example", "http://localhost:8080"], "server_events": ["Order Completed"]});
    let changed = hub.call("PATCH", "/api/v1/settings", &shop.api_key, Some(said.clone())).await;
    assert_eq!((changed.status, &changed.body["server_events"]), (200, &said["server_events"]));
    let send = async |key: &str, event: &str, origin: Option<&str>| {
        let request = request("POST", "/v1/track").header("authorization", format!("Bearer {key}"));
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        let answer =
            hub.send(request.body(Body::from(json!({"userId": "1", "event": event}).to_string())).unwrap()).await;
        (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned())
    };
    let fine = (200, String::new());
    assert_eq!(send(&shop.write_key, "Order Completed", None).await, (400, "invalid-event".into()));
    assert_eq!(send(&shop.api_key, "Order Completed", None).await, fine, "a server says it");
    assert_eq!(send(&shop.write_key, "Cart Viewed", None).await, fine, "what is no page's has no origin");
    assert_eq!(send(&shop.write_key, "Cart Viewed", Some("https://shop.example")).await, fine);
    let elsewhere = Some("https://evil.example");
    assert_eq!(send(&shop.write_key, "Cart Viewed", elsewhere).await, (403, "origin-not-allowed".into()));
    assert_eq!(send(&shop.api_key, "Cart Viewed", elsewhere).await, fine, "that is said of the keys of pages");
    assert_eq!(send(&other.write_key, "Order Completed", elsewhere).await, fine, "each says its own");
    for (body, pointer) in [
        (json!({"page_origins": ["https://shop.example/"]}), "/page_origins/0"),
        (json!({"page_origins": ["https://a", "shop.example"]}), "/page_origins/1"),
        (json!({"server_events": [""]}), "/server_events/0"),
        (json!({"server_events": vec!["e"; 101]}), "/server_events"),
    ] {
        let refused = hub.call("PATCH", "/api/v1/settings", &shop.api_key, Some(body)).await;
        assert_eq!((refused.status, &refused.body["faults"][0]["pointer"]), (400, &json!(pointer)));
    }
}

#[tokio::test]
async fn user14_f24_an_origin_that_no_browser_sends_is_told_as_browsers_send_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for (origin, told) in [
        ("https://shop.example/", "`https://shop.example`"),
        ("HTTPS://Shop.Example:443", "`https://shop.example`"),
        ("http://shop.example:80", "`http://shop.example`"),
        ("https://*.shop.example", "without `*`"),
        ("shop.example", "a scheme, a host"),
        ("ftp://shop.example", "a scheme, a host"),
    ] {
        let refused =
            hub.call("PATCH", "/api/v1/settings", &tenant.api_key, Some(json!({"page_origins": [origin]}))).await;
        let message = refused.body["faults"][0]["message"].as_str().expect("a fault");
        assert!(refused.status == 400 && message.contains(told), "{origin}: {message}");
    }
    let kept = json!({"page_origins": ["https://shop.example", "http://localhost:8080", "https://shop.example:8443"]});
    assert_eq!(hub.call("PATCH", "/api/v1/settings", &tenant.api_key, Some(kept)).await.status, 200);
}
