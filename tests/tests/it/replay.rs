//! `cargo xtask demo` over every tenth customer: on both databases and at any batch size and number of workers the
//! figures are those of a brute-force count of the file; what is not sent shows.

use openhub_test_postgres::Server;
use openhub_tests::guests::root;
use openhub_tests::hub::programs;
use serde_json::Value;
use tokio::process::Command;
use xtask::demo::{purchases, truths};

const EVERY: u64 = 10;
/// Events of one of the demo's requests.
const REQUEST: u64 = 2_000;

/// The demo's last line and whether it was content.
async fn demo(database: Option<&str>, flags: &[&str]) -> (Value, bool) {
    let programs = programs();
    let mut command = Command::new(&programs.receiver);
    command.args(["demo", "--once", "--json", "--every", &EVERY.to_string(), "--prebuilt"]).arg(&programs.hub);
    command.args(database.map(|url| ["--database", url]).into_iter().flatten()).args(flags);
    let output = command.current_dir(root()).kill_on_drop(true).output().await.expect("the demo runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{database:?} {flags:?}\n{stdout}");
    let line = stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (line.unwrap_or_else(|| panic!("the demo's last line is no JSON: {stdout}\n{stderr}")), output.status.success())
}

fn truth() -> Value {
    let purchases = purchases::read(&root().join("examples/cdnow/cdnow.csv"), EVERY).expect("the file is read");
    let truths = truths::of(&purchases, EVERY);
    assert!(truths.events > 6_000 && truths.win_back_sent > 3_000, "hardly a tenth of the file: {truths:?}");
    serde_json::to_value(truths).expect("figures are JSON")
}

async fn is_exact(database: Option<&str>, flags: &[&str]) {
    let (figures, content) = demo(database, flags).await;
    for (name, truth) in truth().as_object().expect("an object") {
        assert_eq!(&figures[name], truth, "{name}, with {flags:?} on {database:?}");
    }
    assert!(content, "every figure is exact, and yet the exit code is not 0");
}

#[tokio::test]
async fn sqlite() {
    for flags in [[].as_slice(), &["--batch", "37"], &["--batch", "5000"], &["--workers", "1"]] {
        is_exact(None, flags).await;
    }
}

#[tokio::test]
async fn sqlite_one_event_a_batch() {
    is_exact(None, &["--batch", "1"]).await;
}

#[tokio::test]
async fn postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    for flags in [[].as_slice(), &["--batch", "1"]] {
        is_exact(Some(&server.database().await.expect("a database")), flags).await;
    }
}

#[tokio::test]
async fn a_dropped_request_shows_in_the_figures_and_in_the_exit_code() {
    let (figures, content) = demo(None, &["--drop-request", "3"]).await;
    assert!(!content, "the exit code is 0 although a request was dropped");
    let truth = truth();
    let events = |figures: &Value| figures["events"].as_u64().expect("a count");
    assert_eq!(events(&figures), events(&truth) - REQUEST);
    assert_ne!(figures["points"], truth["points"]);
    assert_ne!(figures["coupons"], truth["coupons"]);
}
