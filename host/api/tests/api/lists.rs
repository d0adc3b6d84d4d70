//! Every list of the API has one shape: the items, and `next`, which `after` takes; `limit` says how many.

use crate::hub::Hub;
use openhub_model::ClockKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// These are whole at once: a manifest declares the jobs, a customer is in so many segments, what was uploaded of a plugin is bounded, of
/// its log the end is shown, and quotas are those of the subscriptions that are active now.
const WHOLE: [&str; 5] = [
    "/api/v1/customers/{id}/segments",
    "/api/v1/plugins/{name}/jobs",
    "/api/v1/plugins/{name}/logs",
    "/api/v1/plugins/{name}/versions",
    "/api/v1/quotas",
];

async fn document(hub: &Hub) -> Value {
    hub.get("/api/openapi.json", "").await.body
}

#[tokio::test]
async fn every_list_has_one_shape() {
    let hub = Hub::start().await;
    let document = document(&hub).await;
    let (mut lists, mut other) = (0, BTreeSet::new());
    for (path, item) in document["paths"].as_object().expect("paths") {
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let Some(name) = schema["$ref"].as_str().and_then(|of| of.strip_prefix("#/components/schemas/")) else {
            continue;
        };
        let Some(properties) = document["components"]["schemas"][name]["properties"].as_object() else { continue };
        let items = properties.values().filter(|property| property["type"] == "array").count();
        // What goes on without items is a report that is made piece by piece.
        let goes_on = properties.contains_key("next") && items > 0;
        if !name.ends_with("List") && !goes_on {
            continue;
        }
        assert_eq!(items, 1, "{name} has one list in it");
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<&str> = parameters.filter_map(|parameter| parameter["name"].as_str()).collect();
        let has_pages = parameters.contains(&"after") && parameters.contains(&"limit");
        match properties.get("next") {
            Some(next) if has_pages && next["type"] == json!(["string", "null"]) => lists += 1,
            _ => assert!(other.insert(path.as_str())),
        }
    }
    assert!(lists > 20, "{lists} lists");
    assert_eq!(other, WHOLE.into());
}

/// One casing: what is ours is written `like_this`. The Segment calls are as Segment made them.
#[tokio::test]
async fn every_name_is_written_alike() {
    let hub = Hub::start().await;
    let document = document(&hub).await;
    let is_ours =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let segment = ["Alias", "Batch", "Group", "Identify", "Page", "Track"];
    let mut names = 0;
    for (schema, shape) in document["components"]["schemas"].as_object().expect("schemas") {
        for name in shape["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
            let is_segments = segment.iter().any(|call| schema.starts_with(call));
            assert!(is_segments || is_ours(name), "{schema} has `{name}`");
            names += 1;
        }
    }
    for (path, item) in
        document["paths"].as_object().expect("paths").iter().filter(|(path, _)| path.starts_with("/api/"))
    {
        let operations = item.as_object().expect("operations").values();
        for parameter in operations.flat_map(|operation| operation["parameters"].as_array().into_iter().flatten()) {
            let (name, place) = (parameter["name"].as_str().expect("a name"), &parameter["in"]);
            assert!(place == "header" || is_ours(name), "{path} takes `{name}`");
            names += 1;
        }
    }
    assert!(names > 500, "{names} names");
}

#[tokio::test]
async fn what_people_set_up_is_listed_by_pages() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    for name in ["a", "b", "c"] {
        hub.call("PUT", &format!("/api/v1/journeys/{name}"), key, Some(json!({}))).await;
        let fields = json!({"fields": [{"name": "x", "type": "text"}]});
        hub.call("PUT", &format!("/api/v1/object-types/{name}"), key, Some(fields)).await;
        hub.call("PUT", "/api/v1/segments/vip", key, Some(json!({"condition": {"tag": name}}))).await;
        hub.call("PUT", "/api/v1/offerings/care", key, Some(json!({"title": {"en": "Care"}}))).await;
        let price = json!({"items": [{"price": {"currency": "CNY", "fee": "1"}}]});
        hub.post("/api/v1/offerings/care/versions", key, price).await;
        let usage = json!({"usage": [{"key": name, "meter": name, "quantity": 1}]});
        hub.post("/api/v1/usage", key, usage).await;
    }
    for (path, items, name, expected) in [
        ("/api/v1/journeys", "journeys", "name", json!(["a", "b", "c"])),
        ("/api/v1/object-types", "object_types", "name", json!(["a", "b", "c"])),
        ("/api/v1/segments/vip/versions", "versions", "version", json!([3, 2, 1])),
        ("/api/v1/offerings/care/versions", "versions", "version", json!([3, 2, 1])),
        ("/api/v1/meters", "meters", "meter", json!(["reported:a", "reported:b", "reported:c"])),
    ] {
        let first = hub.get(&format!("{path}?limit=2"), key).await.body;
        let mut pages = vec![first];
        while let Some(next) = pages.last().and_then(|page| page["next"].as_str()) {
            pages.push(hub.get(&format!("{path}?limit=2&after={next}"), key).await.body);
        }
        assert!(pages.len() > 1, "{path}: {pages:?}");
        let all = pages.iter().flat_map(|page| page[items].as_array().expect("items"));
        // These very calls are counted, too, within a second.
        let told: Vec<&Value> = all.map(|item| &item[name]).filter(|name| **name != "api-calls").collect();
        assert_eq!(json!(told), expected, "{path}");
    }
    let replayed = hub.tenant_on("replayed", ClockKind::Replay).await;
    assert_eq!(hub.get("/api/v1/plugins?limit=1", &replayed.api_key).await.body, json!({"plugins": [], "next": null}));
    assert_eq!(hub.get("/api/v1/tenant-deletions?limit=0", key).await.status, 400);
}
