//! A client is made from the hub's own description, and a program that is compiled against it does its work.

use openhub_tests::guests::root;
use openhub_tests::hub::{Client, Place};
use std::path::Path;
use tokio::process::Command;
use xtask::packages;

async fn run(program: &str, arguments: &[&str], folder: &Path) {
    let mut command = Command::new("node");
    command.arg(program).args(arguments).current_dir(folder).kill_on_drop(true);
    let output = command.output().await.expect("node runs");
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
}

#[tokio::test]
async fn a_client_is_made_from_the_description_and_works() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let modules = packages::node(&root()).expect("the packages are installed");
    let folder = tempfile::tempdir().expect("a folder");
    // Where node looks for what the program imports.
    std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).expect("a link");
    let document = Client::new(&hub.url).get("/api/openapi.json", &tenant.api_key).await.body;
    std::fs::write(folder.path().join("openapi.json"), document.to_string()).expect("it is written");
    std::fs::copy(root().join("tests/openapi/client.ts"), folder.path().join("client.ts")).expect("it is copied");
    let program = |path: &str| modules.join(path).display().to_string();
    let make = program("openapi-typescript/bin/cli.js");
    run(&make, &["openapi.json", "-o", "api.d.ts"], folder.path()).await;
    let options =
        "--strict --target es2022 --module commonjs --moduleResolution node10 --esModuleInterop --skipLibCheck";
    let types = modules.join("@types").display().to_string();
    let compile: Vec<&str> = ["client.ts", "--typeRoots", &types].into_iter().chain(options.split(' ')).collect();
    run(&program("typescript/bin/tsc"), &compile, folder.path()).await;
    run("client.js", &[&hub.url, &tenant.api_key], folder.path()).await;
    assert!(hub.stop().await.expect("the hub ends").success());
}
