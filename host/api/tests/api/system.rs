//! What the operator asks for, and the API's own description.

use crate::hub::Hub;

#[tokio::test]
async fn the_hub_says_how_it_is() {
    let hub = Hub::start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(hub.get(path, "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_route_is_described() {
    let hub = Hub::start().await;
    let document = hub.get("/api/openapi.json", "").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
            let below = ["/v1/", "/api/v1/", "/x/"].iter().any(|prefix| path.starts_with(prefix));
            // Nobody has anything yet who logs in, or accepts an invitation.
            let by_password = method == "post" && ["/api/v1/session", "/api/v1/invitation"].contains(&path.as_str());
            let comes_in = by_password || path.starts_with("/api/v1/session/oidc");
            let secured = (below || path == "/sourceConfig") && !comes_in;
            assert_eq!(operation["security"].is_array(), secured, "{method} {path}");
            if secured || comes_in {
                assert!(operation["responses"]["401"]["content"]["application/problem+json"].is_object(), "{path}");
            }
            operations.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    insta::assert_json_snapshot!("routes", operations);
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
