//! What the commands say to somebody who meets the hub for the first time: lists that are empty say what to do next, and a declaration
//! says whom it does not fit.

use openhub_tests::hub::{Client, Place, programs};
use serde_json::json;
use std::process::Output;
use tokio::process::Command;

fn told(output: std::io::Result<Output>) -> (String, String) {
    let output = output.expect("the binary runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    (stdout.into_owned(), stderr.into_owned())
}

#[tokio::test]
async fn a_list_that_is_empty_says_what_to_do_next() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let remote = |arguments: &[&str]| {
        let mut command = Command::new(&programs().hub);
        command.args(arguments).args(["--hub", &hub.url, "--key", &tenant.api_key]);
        command
    };
    for (mut command, next) in [
        (remote(&["plugin", "list"]), "`openhub plugin new NAME`"),
        (remote(&["attribute", "list"]), "`openhub attribute declare NAME --type date`"),
        (place.command(&["faults", "list", "test-live"]), "no fault is open"),
        (place.command(&["faults", "list", "test-live", "--all"]), "nothing has failed"),
    ] {
        let (stdout, stderr) = told(command.output().await);
        assert!(stdout.is_empty() && stderr.contains(next), "{stdout}{stderr}");
    }
    assert!(hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn an_attribute_that_is_declared_late_says_whom_it_does_not_fit() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    let people = json!({"batch": [
        {"type": "identify", "userId": "1", "traits": {"date of birth": "01.05.1990"}},
        {"type": "identify", "userId": "2", "traits": {"date of birth": "1990-05-01"}},
    ]});
    client.ingest("/v1/batch", &tenant.api_key, &people).await;
    client.settled(&tenant.api_key).await;
    let attribute = async |arguments: &[&str]| {
        let mut command = Command::new(&programs().hub);
        command.arg("attribute").args(arguments).args(["--hub", &hub.url, "--key", &tenant.api_key]);
        told(command.output().await)
    };
    let (said, _) = attribute(&["declare", "date of birth", "--type", "date", "--description", "for greetings"]).await;
    assert!(said.contains("1 customer has a value that is not of the type date"), "{said}");
    let (unfit, _) = attribute(&["unfit", "date of birth"]).await;
    assert!(unfit.contains("01.05.1990") && unfit.lines().count() == 1, "{unfit}");
    let (listed, _) = attribute(&["list"]).await;
    assert!(listed.contains("date of birth") && listed.contains("for greetings"), "{listed}");
    let (_, next) = attribute(&["declare", "other", "--type", "text"]).await;
    assert_eq!(next, "");
    let (_, none) = attribute(&["unfit", "other"]).await;
    assert!(none.contains("every customer's value has the declared type"), "{none}");
    attribute(&["remove", "date of birth"]).await;
    assert!(hub.stop().await.expect("the hub ends").success());
}
