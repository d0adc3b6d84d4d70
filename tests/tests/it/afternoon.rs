//! A developer's afternoon with nothing but the binary: a plugin is written, tested, built and set to work outside of any checkout.

use openhub_tests::hub::{Client, Place, programs};
use openhub_tests::patience::until;
use serde_json::json;
use std::path::Path;
use tokio::process::Command;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(&programs().hub);
    command.args(arguments).current_dir(folder).kill_on_drop(true);
    // As if nothing of this workspace were there.
    for name in ["CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR", "OPENHUB_BINARY", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    command
}

async fn openhub(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().await.expect("the binary runs");
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "openhub {arguments:?}: {told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_plugin_at_work() {
    let folder = tempfile::tempdir().expect("a folder");
    openhub(folder.path(), &["plugin", "new", "big-spender", "--kind", "rule"]).await;
    let plugin = folder.path().join("big-spender");
    let told = openhub(&plugin, &["plugin", "test"]).await;
    assert!(told.contains("3 passed; 0 failed"), "{told}");
    let tree = std::fs::read_to_string(plugin.join("Cargo.lock")).expect("cargo has locked what it uses");
    assert!(tree.contains("openhub-sdk-testing") && !tree.contains("wasmtime"), "tests compile no runtime: {tree}");

    let built = plugin.join("target/plugins/big-spender.wasm").display().to_string();
    openhub(&plugin, &["plugin", "build"]).await;
    let told = openhub(&plugin, &["plugin", "inspect", &built]).await;
    assert!(told.contains("exports openhub:rule/rule\nimports openhub:log/log\n"), "{told}");
    assert!(told.contains("    reads event.properties.total (rule `spending`)\n"), "{told}");
    let code = plugin.join("src/lib.rs");
    let text = std::fs::read_to_string(&code)
        .expect("its code")
        .replace("customer.tags.big_spender_large", "customer.tags.huge");
    std::fs::write(&code, text).expect("it is written");
    let newer = plugin.join("newer.wasm").display().to_string();
    openhub(&plugin, &["plugin", "build", "--out", &newer]).await;
    let told = openhub(&plugin, &["plugin", "diff", &built, &newer]).await;
    assert!(told.contains("  + writes customer.tags.huge (rule `spending`)\n"), "{told}");
    assert!(told.contains("  - writes customer.tags.big_spender_large (rule `spending`)\n"), "{told}");

    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let install = ["plugin", "install", ".", "--enable", "--hub", &hub.url, "--key", &tenant.api_key];
    let set = ["--set", "spending.large_cents=5000"];
    let told = openhub(&plugin, &[&install[..], &set].concat()).await;
    assert!(told.contains("enabled big-spender"), "{told}");
    let client = Client::new(&hub.url);
    let order = json!({"event": "Order Completed", "userId": "ada", "properties": {"total": "59.00"}});
    assert!(client.ingest("/v1/track", &tenant.write_key, &order).await.status.is_success());
    client.settled(&tenant.api_key).await;
    let found = client.get("/api/v1/customers?identity=user_id:ada", &tenant.api_key).await.body;
    let ada = &found["customers"][0];
    assert_eq!(ada["attributes"]["big_spender_cents"], 5900, "{ada}");
    assert_eq!(ada["tags"], json!(["huge"]), "{ada}");

    // Each save is in force, and what it logs is shown.
    let log = folder.path().join("dev.log");
    let told = || std::fs::read_to_string(&log).unwrap_or_default();
    let mut dev = command(&plugin, &["plugin", "dev", "--hub", &hub.url, "--key", &tenant.api_key]);
    let shown = std::fs::File::create(&log).expect("a file");
    let mut dev = dev.stdout(shown.try_clone().expect("the file")).stderr(shown).spawn().expect("it starts");
    let text = std::fs::read_to_string(&code).expect("its code");
    let scored = text.replacen("    let cents =", "    log::info(\"scored\");\n    let cents =", 1);
    assert_ne!(scored, text);
    for (saves, text) in [text, scored].into_iter().enumerate() {
        std::fs::write(&code, text).expect("it is saved");
        until(&format!("save {saves} is in force"), || async {
            (told().matches("is in force").count() > saves).then_some(())
        })
        .await;
    }
    assert!(client.ingest("/v1/track", &tenant.write_key, &order).await.status.is_success());
    until("the new line is shown", || async { told().contains("  scored").then_some(()) }).await;
    dev.kill().await.expect("it ends");
    assert_eq!(std::fs::read_to_string(plugin.join("plugin.toml")).expect("its policy").matches("dev.").count(), 0);
    let versions = client.get("/api/v1/plugins/big-spender/versions", &tenant.api_key).await.body;
    let active = versions["versions"].as_array().expect("versions").iter().find(|version| version["place"] == "active");
    assert!(
        active.is_some_and(|version| version["version"].as_str().is_some_and(|v| v.starts_with("0.1.1-dev."))),
        "{versions}"
    );
    assert!(hub.stop().await.expect("the hub ends").success());
}
