//! One rule in three languages, each built by the binary and installed in the real hub: the same effects, however its rows are cut
//! into calls.

use std::path::Path;
use std::sync::Arc;

use openhub_model::columns::{Column, RecordBatch, Values};
use openhub_runtime::{CallContext, Config, Outcome, Plugin, Runtime};
use openhub_tests::guests::root;
use openhub_tests::hub::{Client, Place, programs};
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::packages;

/// Folder and name of the rule's plugin in each language.
const PLUGINS: [&str; 3] = ["plugins/points", "examples/points-javascript", "examples/points-python"];
const PEOPLE: usize = 25;
const TIERS: [&str; 4] = ["", "bronze", "silver", "gold"];

/// As its author builds it. The tools of other languages stay with the tests' other packages.
async fn built(folder: &str, out: &Path) -> Vec<u8> {
    let file = out.join(folder.replace('/', "-")).with_extension("wasm");
    let mut build = Command::new(&programs().hub);
    build.args(["plugin", "build", folder, "--locked", "--out"]).arg(&file).current_dir(root());
    build.env(openhub_sdk_build::TOOLS, packages::tools(&root()).expect("a folder for the tools"));
    let told = build.output().await.expect("the binary runs");
    assert!(told.status.success(), "{folder}: {}", String::from_utf8_lossy(&told.stderr));
    std::fs::read(file).expect("a component")
}

fn order(number: usize) -> Value {
    let total = ["14.99", "-1.00", "185.01", "0.99", "300.00", "0"][number % 6];
    json!({"type": "track", "event": "Order Completed", "userId": format!("person-{}", number % PEOPLE),
        "messageId": format!("order-{number}"), "properties": {"total": total}})
}

/// Everybody's attributes, the events that were caused, and the faults, in a tenant that has the plugin.
async fn live(place: &Place, client: &Client, name: &str, component: Vec<u8>) -> Value {
    let tenant = place.create_tenant(name, "live").await.expect("a tenant is made");
    client.enable(&tenant.api_key, component).await;
    let orders: Vec<Value> = (0..6 * PEOPLE + 5).map(order).collect();
    let sent = client.ingest("/v1/batch", &tenant.api_key, &json!({"batch": orders})).await;
    assert!(sent.status.is_success(), "{sent:?}");
    client.settled(&tenant.api_key).await;
    let mut people = Vec::new();
    for person in 0..PEOPLE {
        let path = format!("/api/v1/customers?identity=user_id:person-{person}");
        let found = client.get(&path, &tenant.api_key).await.body["customers"][0].clone();
        let path = format!("/api/v1/customers/{}/timeline?limit=1000", found["id"].as_str().expect("an id"));
        let told = client.get(&path, &tenant.api_key).await.body;
        let told = told["items"].as_array().expect("what happened").iter();
        let changes = told
            .filter(|item| item["title"] == "Tier Changed")
            .map(|item| json!([item["detail"]["cause"], item["detail"]["body"]["properties"]]));
        let changes: Vec<Value> = changes.collect();
        people.push(json!([found["attributes"], changes]));
    }
    let faults = client.rows("/api/v1/faults?", "faults", &tenant.api_key).await;
    let faults: Vec<Value> = faults.iter().map(|fault| json!([fault["code"], fault["count"]])).collect();
    json!({"people": people, "faults": faults})
}

/// Rows with every way to be: with and without points and tier, totals below and above zero, a tier's bounds.
fn rows(numbers: impl ExactSizeIterator<Item = usize> + Clone) -> RecordBatch {
    let count = numbers.len();
    let absent = |is_absent: fn(usize) -> bool| -> Vec<u32> {
        numbers.clone().enumerate().filter(|(_, number)| is_absent(*number)).map(|(row, _)| row as u32).collect()
    };
    let totals = numbers.clone().map(|number| [1_499, -100, 20_000, 99, 30_099, 0, 49_999][number % 7]);
    let points = numbers.clone().map(|number| if number % 5 == 0 { 0 } else { (number as i64 * 37) % 600 });
    let tiers: String = numbers.clone().map(|number| TIERS[number % 4].to_owned() + "\0").collect();
    let columns = vec![
        Column { values: Values::Integers(totals.collect()), absent: vec![] },
        Column { values: Values::Integers(points.collect()), absent: absent(|number| number % 5 == 0) },
        Column { values: Values::Texts(tiers), absent: absent(|number| number % 4 == 0) },
    ];
    RecordBatch { rows: count as u32, params: vec![], columns, tables: vec![] }
}

/// What the rule answers, by calls of so many rows.
fn answers(plugin: &Plugin, all: usize, size: usize) -> Vec<Outcome> {
    let call = CallContext::new("{}");
    let starts = (0..all).step_by(size);
    let calls = starts.map(|start| rows(start..all.min(start + size)));
    let evaluated = calls.map(|batch| plugin.evaluate(&call, "points", &batch));
    evaluated.map(|evaluated| evaluated.expect("the rule answers").outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_rule_has_the_same_effects_in_rust_javascript_and_python() {
    let place = Place::new(None);
    // However slow the machine is.
    let config = place.folder.join("hub.toml");
    std::fs::write(&config, "compile_seconds = 300\n").expect("a file is written");
    let flags = ["--config".to_owned(), config.display().to_string()];
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    let out = tempfile::tempdir().expect("a folder");
    let mut components = Vec::new();
    let mut lives = Vec::new();
    for folder in PLUGINS {
        let component = built(folder, out.path()).await;
        let name = folder.rsplit('/').next().unwrap_or_default();
        lives.push(live(&place, &client, name, component.clone()).await);
        components.push(component);
    }
    assert_eq!(lives[0]["people"].as_array().map(Vec::len), Some(PEOPLE));
    assert!(lives[0].to_string().contains(r#""to":"gold""#), "{}", lives[0]);
    for (folder, told) in PLUGINS.iter().zip(&lives) {
        assert_eq!(*told, lives[0], "{folder}");
    }

    // What the hub has compiled is there already.
    let config = Config { cache: Some(place.folder.join("cache")), instances: 2, ..Config::default() };
    let runtime = Runtime::new(config).expect("a runtime");
    let mut plugins: Vec<Arc<Plugin>> = Vec::new();
    for component in &components {
        plugins.push(runtime.prepare(component).await.expect("a plugin"));
    }
    // As many as a hub gives to one call of an interpreted rule.
    let all = plugins[2].manifest().limits.rows.expect("a limit of rows") as usize;
    for size in [1, 7, all] {
        let count = if size == all { all } else { 30 };
        let rust = answers(&plugins[0], count, size);
        assert!(rust.iter().any(|outcome| !outcome.faults.is_empty() && size > 1 || !outcome.events.is_empty()));
        for (folder, plugin) in PLUGINS.iter().zip(&plugins).skip(1) {
            assert_eq!(answers(plugin, count, size), rust, "{folder}, {size} rows a call");
        }
    }
    assert!(hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn a_new_plugin_in_javascript_is_tested_by_its_rows_and_effects() {
    let folder = tempfile::tempdir().expect("a folder");
    let openhub = async |arguments: &[&str]| {
        let mut command = Command::new(&programs().hub);
        command.args(["plugin"]).args(arguments).current_dir(folder.path());
        command.env(openhub_sdk_build::TOOLS, packages::tools(&root()).expect("a folder for the tools"));
        let told = command.output().await.expect("the binary runs");
        let said = [told.stdout, told.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (told.status.success(), said)
    };
    let (made, told) = openhub(&["new", "big-spender", "--language", "javascript"]).await;
    assert!(made, "{told}");
    let (passes, told) = openhub(&["test", "big-spender"]).await;
    assert!(passes && told.contains("ok   tests/orders.json: spending, rows 3, fuel "), "{told}");
    // The effects are compared row by row, and written anew when that is asked for.
    let file = folder.path().join("big-spender/tests/orders.json");
    let text = std::fs::read_to_string(&file).expect("the test").replace("2933", "2934");
    std::fs::write(&file, text).expect("a file is written");
    let (passes, told) = openhub(&["test", "big-spender"]).await;
    assert!(!passes && told.contains("FAIL tests/orders.json: row 0 ({\"total\":\"29.33\"})"), "{told}");
    assert!(openhub(&["test", "big-spender", "--update"]).await.0);
    assert!(std::fs::read_to_string(&file).expect("the test").contains("2933"));
    // What the code lacks is told by the build.
    std::fs::write(folder.path().join("big-spender/plugin.js"), "export const other = 1;\n")
        .expect("a file is written");
    let (built, told) = openhub(&["build", "big-spender"]).await;
    assert!(!built && told.contains("plugin.js has no function for the rule `spending`"), "{told}");
}
