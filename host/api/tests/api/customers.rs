//! Customers, found, read and changed.

use crate::hub::{Hub, encode};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

#[tokio::test]
async fn a_customer_is_made_changed_and_read() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let new = json!({
        "identities": [{"kind": "user_id", "value": "ada"}, {"kind": "anonymous_id", "value": "x"}],
        "attributes": {"name": "Ada", "city": "London"}, "tags": {"vip": true},
    });
    let made = hub.post("/api/v1/customers", &tenant.api_key, new.clone()).await;
    assert_json_snapshot!("customer_made", made);
    let again = hub.post("/api/v1/customers", &tenant.api_key, new).await;
    assert_eq!(again.status, 200);
    let path = format!("/api/v1/customers/{}", made.body["id"].as_str().unwrap());
    let change = json!({"attributes": {"city": null, "age": 36}, "tags": {"vip": false, "early": true}});
    let changed = hub.call("PATCH", &path, &tenant.api_key, Some(change)).await;
    assert_json_snapshot!("customer_changed", changed);
    let read = hub.get(&path, &tenant.api_key).await;
    assert_eq!((read.status, read.body), (200, changed.body));
}

#[tokio::test]
async fn customers_are_found_by_identity_and_condition() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let people = [("ada", "gold", 300), ("bob", "silver", 200), ("eve", "gold", 100)];
    let identify = people
        .map(|(id, tier, spent)| json!({"type": "identify", "userId": id, "traits": {"tier": tier, "spent": spent}}));
    hub.send_events(&tenant, json!(identify)).await;
    let find = async |query: &str| {
        let answer = hub.get(&format!("/api/v1/customers?{query}"), &tenant.api_key).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut found: Vec<String> = answer.body["customers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|customer| customer["identities"][0]["value"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        found
    };
    assert_eq!(find("identity=user_id:bob").await, ["bob"]);
    assert_eq!(find("identity=user_id:nobody").await, Vec::<String>::new());
    let gold = json!({"attribute": {"name": "tier", "is": "eq", "value": "gold"}});
    assert_eq!(find(&format!("condition={}", encode(&gold.to_string()))).await, ["ada", "eve"]);
    let both = json!({"all": [gold, {"attribute": {"name": "spent", "is": "ge", "value": 200}}]});
    assert_eq!(find(&format!("condition={}", encode(&both.to_string()))).await, ["ada"]);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let pages: Vec<Value> = (0..7).map(|n| json!({"type": "page", "userId": n.to_string()})).collect();
    hub.send_events(&tenant, json!(pages)).await;
    for (path, list) in [("customers", "customers"), ("events", "events")] {
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let page = hub.get(&format!("/api/v1/{path}?limit=3{after}"), &tenant.api_key).await.body;
            seen.extend(page[list].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let whole = hub.get(&format!("/api/v1/{path}"), &tenant.api_key).await.body;
        assert_eq!(json!(seen), whole[list], "{path}");
        assert_eq!(seen.len(), 7, "{path}");
    }
}

#[tokio::test]
async fn the_timeline_is_newest_first() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let events = ["10", "11", "09"].map(|hour| {
        json!({"type": "track", "event": format!("At {hour}"), "userId": "ada", "messageId": hour,
            "timestamp": format!("2026-01-31T{hour}:00:00Z")})
    });
    hub.send_events(&tenant, json!(events)).await;
    let found = hub.get("/api/v1/customers?identity=user_id:ada", &tenant.api_key).await;
    let path = format!("/api/v1/customers/{}/timeline?limit=2", found.body["customers"][0]["id"].as_str().unwrap());
    let first = hub.get(&path, &tenant.api_key).await;
    let next = first.body["next"].as_str().expect("a next page").to_owned();
    let second = hub.get(&format!("{path}&after={next}"), &tenant.api_key).await;
    assert_json_snapshot!("timeline", [first, second]);
}

/// Issue 14: neither was to be seen anywhere.
#[tokio::test]
async fn a_run_says_what_it_wrote_and_why_it_ended() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let typed = json!({"type": "integer"});
    assert_eq!(hub.call("PUT", "/api/v1/attributes/age", key, Some(typed)).await.status, 200);
    let attributes = json!({"tier": "{{ trigger.properties.tier }}", "points": 3, "age": "{{ trigger.properties.age }}", "old": null});
    let nodes = json!({
        "set": {"type": "update", "attributes": attributes, "tags": {"thanked": true, "new": false}, "next": "end"},
        "end": {"type": "exit", "reason": "said \"thanks\""},
    });
    let journey = json!({"trigger": {"event": "Go"}, "reentry": "always", "start": "set", "nodes": nodes});
    let saved = hub.call("PUT", "/api/v1/journeys/thanks", key, Some(journey)).await;
    assert_eq!((saved.status, &saved.body["faults"]), (200, &json!([])), "{saved:?}");
    assert_eq!(hub.post("/api/v1/journeys/thanks/publish", key, json!({})).await.status, 200);
    let long = "ä".repeat(300);
    let go = |properties: serde_json::Value| json!({"type": "track", "userId": "ada", "event": "Go", "properties": properties});
    hub.send_events(&tenant, json!([go(json!({"tier": "gold", "age": "x"}))])).await;
    hub.send_events(&tenant, json!([go(json!({"tier": long, "age": "y"}))])).await;
    let found = hub.get("/api/v1/customers?identity=user_id:ada", key).await;
    let customer = format!("/api/v1/customers/{}", found.body["customers"][0]["id"].as_str().unwrap());
    let page = hub.get(&format!("{customer}/timeline?kind=run"), key).await.body;
    let runs = page["items"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{page}");
    for run in runs {
        assert_eq!(run["detail"]["reason"], "said \"thanks\"", "{page}");
        let update = &run["detail"]["updates"][0];
        let tags = json!({"thanked": true, "new": false});
        assert_eq!((&update["node"], &update["tags"]), (&json!("set"), &tags), "{page}");
    }
    let wrote: Vec<_> = runs.iter().map(|run| &run["detail"]["updates"][0]["attributes"]).collect();
    let whole = json!({"tier": "gold", "points": 3, "old": null});
    let cut = json!({"tier": format!("{}…", "ä".repeat(100)), "points": 3, "old": null});
    assert!(wrote.contains(&&whole), "{page}");
    assert!(wrote.contains(&&cut), "what was refused was not written: {page}");
    let data = hub.get(&format!("{customer}/data"), key).await.body;
    let told = data.as_str().unwrap().lines().filter(|line| line.contains("thanks\\\"")).count();
    assert_eq!(told, 2, "{data}");
}

#[tokio::test]
async fn a_run_that_failed_says_why_in_the_timeline() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let update = json!({"type": "update", "attributes": {"label": "{{ trigger.properties.label }}"}, "next": "end"});
    let nodes = json!({"set": update, "end": {"type": "exit"}});
    let journey = json!({"trigger": {"event": "Go"}, "reentry": "always", "start": "set", "nodes": nodes});
    let saved = hub.call("PUT", "/api/v1/journeys/labels", key, Some(journey)).await;
    assert_eq!((saved.status, &saved.body["faults"]), (200, &json!([])), "{saved:?}");
    assert_eq!(hub.post("/api/v1/journeys/labels/publish", key, json!({})).await.status, 200);
    let go = |properties: serde_json::Value| json!({"type": "track", "userId": "ada", "event": "Go", "properties": properties});
    hub.send_events(&tenant, json!([go(json!({"label": "x"}))])).await;
    hub.send_events(&tenant, json!([go(json!({}))])).await;
    let found = hub.get("/api/v1/customers?identity=user_id:ada", key).await;
    let path = format!("/api/v1/customers/{}/timeline?kind=run", found.body["customers"][0]["id"].as_str().unwrap());
    let page = hub.get(&path, key).await.body;
    let mut runs: Vec<(&str, Option<&str>)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["detail"]["status"].as_str().unwrap(), item["detail"]["fault"].as_str()))
        .collect();
    runs.sort_unstable();
    assert_eq!(runs[0], ("done", None), "{page}");
    assert!(
        runs[1].0 == "failed" && runs[1].1.is_some_and(|fault| fault.contains("trigger.properties.label")),
        "{page}"
    );
}
