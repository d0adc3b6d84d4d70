//! Calls that are generated from the hub's description: see `xtask::generated`.

use openhub_tests::guests::root;
use openhub_tests::hub::{Client, Place};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tokio::process::Command;
use xtask::generated::{SECONDS, calls};

/// In the tests of each change; `cargo xtask generated` takes longer.
const USUALLY_S: u64 = 30;
/// What the variables of paths name, so that calls come to something: most of them.
const NAMED: [(&str, &str, &str); 7] = [
    ("attributes", "name", "score"),
    ("journeys", "name", "welcome"),
    ("object-types", "name", "store"),
    ("objects", "kind", "store"),
    ("objects", "key", "a1"),
    ("segments", "name", "vip"),
    ("webhooks", "name", "crm"),
];

async fn plant(client: &Client, key: &str) -> Vec<(&'static str, &'static str, String)> {
    let put = async |method: Method, path: &str, body: Value| {
        let answer = client.json(method, &format!("/api/v1/{path}"), key, &body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    };
    put(Method::PUT, "attributes/score", json!({"type": "number"})).await;
    put(Method::PUT, "journeys/welcome", json!({})).await;
    let fields = json!([{"name": "code", "type": "text", "required": true}, {"name": "floor", "type": "integer"}]);
    put(Method::PUT, "object-types/store", json!({"fields": fields, "key": "code"})).await;
    put(Method::POST, "objects/store", json!({"fields": {"code": "a1"}})).await;
    put(Method::PUT, "segments/vip", json!({"condition": {"tag": "vip"}})).await;
    let webhook = json!({"url": "https://hooks.example.com/", "events": ["*"], "enabled": false});
    put(Method::PUT, "webhooks/crm", webhook).await;
    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}], "attributes": {"score": 7}});
    let ada = put(Method::POST, "customers", ada).await["id"].as_str().expect("an id").to_owned();
    let named = NAMED.map(|(noun, variable, value)| (noun, variable, value.to_owned()));
    named.into_iter().chain([("customers", "id", ada)]).collect()
}

/// What is deleted is gone for all calls behind it, so those that delete name something else.
fn configuration(folder: &Path, planted: &[(&str, &str, String)]) {
    let mut nouns: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (noun, variable, value) in planted {
        nouns.entry(noun).or_default().push(format!("\"path.{variable}\" = \"{value}\""));
    }
    let of_noun = |(noun, parameters): (&&str, &Vec<String>)| {
        let parameters = parameters.join(", ");
        format!(
            "[[operations]]\ninclude-path-regex = \"^/api/v1/{noun}/\"\nexclude-method = \"DELETE\"\n\
             parameters = {{ {parameters} }}\n"
        )
    };
    let text: String = nouns.iter().map(of_noun).collect();
    std::fs::write(folder.join("schemathesis.toml"), text).expect("it is written");
}

#[tokio::test]
async fn generated_calls_have_answers_that_are_described() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    let seconds = std::env::var(SECONDS).ok().map_or(USUALLY_S, |text| text.parse().expect("a number of seconds"));
    let folder = tempfile::tempdir().expect("a folder");
    configuration(folder.path(), &plant(&client, &tenant.api_key).await);
    let calls = calls(&root(), &hub.url, &tenant.api_key, seconds).expect("the packages are installed");
    let output = Command::from(calls).current_dir(folder.path()).kill_on_drop(true).output().await.expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(output.status.success(), "{told}\n{}\n{}", String::from_utf8_lossy(&output.stderr), hub.log_tail());
    // A run that called nothing proves nothing.
    let made =
        told.lines().find_map(|line| line.trim().split_once(" generated")?.0.replace(',', "").parse::<u64>().ok());
    assert!(made.is_some_and(|made| made > 300), "hardly a call was made: {told}");
    assert_eq!(client.get("/api/v1/status", &tenant.api_key).await.status, StatusCode::OK, "its key ended meanwhile");
    assert!(hub.stop().await.expect("the hub ends").success());
}
