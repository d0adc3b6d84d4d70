//! The field's client libraries, unmodified and pointed at the hub: every call of theirs arrives as it was meant.

use openhub_tests::guests::root;
use openhub_tests::hub::{Client, Place};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::process::Command;
use xtask::packages;

/// Longer than the scripts' own, who say what they waited for.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn segment_in_node() {
    arrives(node("node.cjs"), "node").await;
}

#[tokio::test]
async fn segment_in_python() {
    arrives(python("python.py"), "python").await;
}

#[tokio::test]
async fn libraries_in_node() {
    for library in ["analytics-node", "customerio", "rudder", "dittofeed", "jitsu"] {
        calls_arrive(node("libraries.cjs"), library, From::Server).await;
    }
}

#[tokio::test]
async fn libraries_in_python() {
    for library in ["rudder-python", "customerio-python"] {
        calls_arrive(python("libraries.py"), library, From::Server).await;
    }
}

#[tokio::test]
async fn libraries_in_rust() {
    let program = packages::rust(&root()).expect("the libraries are built");
    for library in ["segment-crate", "segment-crate-batch", "rudder-crate", "rudder-crate-batch"] {
        calls_arrive(Command::new(&program), library, From::Server).await;
    }
}

/// In Chromium, from a page of another origin, which knows the hub's address and nothing else.
#[tokio::test]
async fn report_02_libraries_in_browsers() {
    for library in ["segment", "segment-batching", "segment-1.63", "segment-snippet", "rudder", "rudder-beacon"] {
        let mut browser = node("browser.cjs");
        browser.env(packages::CHROMIUM, packages::chromium().expect("there is a browser"));
        calls_arrive(browser, library, From::Page).await;
    }
}

fn node(script: &str) -> Command {
    let modules = packages::node(&root()).expect("the packages are installed");
    let mut node = Command::new("node");
    node.arg(root().join("tests/libraries").join(script)).env("NODE_PATH", modules);
    node
}

fn python(script: &str) -> Command {
    let mut python = Command::new(packages::python(&root()).expect("the packages are installed"));
    python.arg(root().join("tests/libraries").join(script));
    python
}

#[derive(Clone, Copy, PartialEq)]
enum From {
    Server,
    Page,
}

/// Each call of a library arrives once, with its name, its properties or traits, unicode, context and time.
async fn calls_arrive(mut script: Command, library: &str, from: From) {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        script.env_remove(proxy);
    }
    script.args([library, &hub.url, &tenant.write_key]).env("OPENHUB_API_KEY", &tenant.api_key);
    let script = script.kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, script).await.expect("in time").expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{library}: {said}\n{}", hub.log_tail());
    let client = Client::new(&hub.url);
    client.settled(&tenant.api_key).await;
    let events = client.rows("/api/v1/events?", "events", &tenant.api_key).await;
    let mut told: Vec<String> =
        events.iter().map(|event| format!("{} {}", text(&event["type"]), text(&event["name"]))).collect();
    told.sort();
    let mut expected = vec!["identify ", "page Pricing", "track Order Completed", "track Visited"];
    if from == From::Server && library != "dittofeed" {
        expected.insert(0, "group ");
    }
    assert_eq!(told, expected, "{library}");
    let find = |name: &str| events.iter().find(|event| text(&event["name"]) == name).expect("it arrived");
    let order = find("Order Completed");
    assert_eq!(
        order["body"]["properties"],
        json!({"total": 29.33, "products": [{"sku": "A-1"}, {"sku": "中文"}]}),
        "{library}"
    );
    // What its program says of itself, and when: Jitsu's says no time of ours, and a page's are the present.
    if library != "dittofeed" {
        assert!(order["body"]["context"].as_object().is_some_and(|context| !context.is_empty()), "{library}: {order}");
    }
    if from == From::Server && library != "jitsu" {
        if !library.starts_with("rudder-crate") {
            assert_eq!(order["message_id"], format!("{library}-order-1"));
        }
        for event in &events {
            let at = said_at(event);
            assert!(at.starts_with("2026-01-31T12:00") || at.starts_with("2026-01-31T11:59"), "{library}: {event}");
        }
    } else {
        let since = |event: &Value| {
            let of = |name: &str| text(&event[name]).parse::<openhub_model::Timestamp>().expect("a time").micros();
            of("received_at") - of("occurred_at")
        };
        assert!(events.iter().all(|event| (0..600_000_000).contains(&since(event))), "{library}");
    }
    let path = format!("/api/v1/customers?identity=user_id:{library}-1");
    let user = client.get(&path, &tenant.api_key).await.body["customers"][0].clone();
    let city = if from == From::Server { "Zürich" } else { "中文" };
    assert_eq!(
        (&user["attributes"]["plan"], &user["attributes"]["seats"]),
        (&json!("pro"), &json!(3)),
        "{library}: {user}"
    );
    assert_eq!(user["attributes"]["city"], city, "{library}");
    let visit = find("Visited");
    // An event keeps whose it was when it came; who that is now is asked of the customers.
    let path = format!("/api/v1/customers/{}", text(&visit["customer"]));
    let visitor = client.get(&path, &tenant.api_key).await.body["id"].clone();
    match from {
        // The page's visitor turned out to be the user.
        From::Page => assert_eq!(visitor, user["id"], "{library}: {visit}"),
        From::Server => assert_ne!(visitor, user["id"], "{library}: {visit}"),
    }
    assert!(hub.stop().await.expect("the hub ends").success());
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// When the event happened as its library said it: a page's key reaches back 14 days, and what it said beyond is told beside.
fn said_at(event: &Value) -> &str {
    event["moved_from"].as_str().unwrap_or_else(|| text(&event["occurred_at"]))
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
        let at = said_at(event);
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
