//! The unmodified client libraries of Segment, pointed at the hub: every call of theirs arrives as it was meant.

use openhub_tests::guests::root;
use openhub_tests::hub::{Client, Place};
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::packages;

#[tokio::test]
async fn analytics_node() {
    let modules = packages::node(&root()).expect("the package is installed");
    let mut node = Command::new("node");
    node.arg(root().join("tests/segment/node.cjs")).env("NODE_PATH", modules);
    arrives(node, "node").await;
}

#[tokio::test]
async fn segment_analytics_python() {
    let python = packages::python(&root()).expect("the package is installed");
    let mut command = Command::new(python);
    command.arg(root().join("tests/segment/python.py"));
    arrives(command, "python").await;
}

/// Runs the library's script and reads back what it sent.
async fn arrives(mut script: Command, library: &str) {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        script.env_remove(proxy);
    }
    let output = script.args([&hub.url, &tenant.write_key]).kill_on_drop(true).output().await.expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{library}: {said}\n{}", hub.log_tail());

    let client = Client::new(&hub.url);
    client.settled(&tenant.api_key).await;
    let events = client.rows("/api/v1/events?", "events", &tenant.api_key).await;
    let told: Vec<Value> = events.iter().map(|event| json!([event["type"], event["name"]])).collect();
    let expected = json!([
        ["identify", ""],
        ["track", "Order Completed"],
        ["page", "Pricing"],
        ["screen", "Cart"],
        ["group", ""],
        ["alias", ""],
        ["track", "Visited"],
    ]);
    assert_eq!(json!(told), expected, "{library}");
    for event in &events {
        // Both libraries send `sentAt`: the hub moves the time by what the two clocks differ.
        let at = event["occurred_at"].as_str().expect("a time");
        assert!(at.starts_with("2026-01-31T12:00") || at.starts_with("2026-01-31T11:59"), "{library}: {event}");
        assert_eq!(event["origin"], "arrived");
        assert!(event["body"]["context"]["library"]["name"].as_str().is_some_and(|name| !name.is_empty()), "{event}");
    }
    let order = &events[1];
    assert_eq!(order["message_id"], format!("{library}-order-1"));
    assert_eq!(order["body"]["properties"], json!({"total": 29.33, "products": [{"sku": "A-1"}, {"sku": "中文"}]}));
    assert_eq!(events[4]["body"]["groupId"], "acme");
    assert_eq!(events[5]["body"]["previousId"], format!("{library}-anonymous"));

    let of = async |identity: String| {
        let path = format!("/api/v1/customers?identity={identity}");
        let answer = client.get(&path, &tenant.api_key).await.body;
        assert_eq!(answer["customers"].as_array().map(Vec::len), Some(1), "{library}: {answer}");
        answer["customers"][0].clone()
    };
    let user = of(format!("user_id:{library}-1")).await;
    assert_eq!((&user["attributes"]["plan"], &user["attributes"]["seats"]), (&json!("pro"), &json!(3)), "{user}");
    assert!(events[..6].iter().all(|event| event["customer"] == user["id"]), "{library}: {user}");
    let visitor = of(format!("anonymous_id:{library}-visitor")).await;
    assert_eq!(events[6]["customer"], visitor["id"]);
    assert!(hub.stop().await.expect("the hub ends").success());
}
