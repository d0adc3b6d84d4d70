//! A disk that takes no more: nothing is accepted that is not stored, what is there is answered, and with room again all goes on.
//!
//! The hub's files may grow to a size and no further, as a full disk would have it.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use openhub_tests::hub::{Client, Place, programs};
use openhub_tests::patience::until;
use reqwest::{Method, StatusCode};
use serde_json::json;
use xtask::process::Server;

const KIB: usize = 6 * 1024;
const BATCHES: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_full_disk_refuses_what_it_cannot_keep_and_goes_on_with_room() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = bounded(&place).await;
    let client = Client::new(&hub.url);
    let mut taken = Vec::new();
    let mut refused = None;
    for batch in 0..BATCHES {
        let answer = client.ingest("/v1/batch", &tenant.write_key, &events(batch)).await;
        match answer.status {
            StatusCode::OK => taken.push(batch),
            StatusCode::SERVICE_UNAVAILABLE => {
                assert_eq!(answer.problem(), "unavailable", "{answer:?}");
                refused.get_or_insert(batch);
                break;
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    let refused = refused.expect("the disk is full");
    assert!(!taken.is_empty(), "there was room at the beginning");
    // What is small may fit in yet.
    let mut small = 0;
    let last = loop {
        let event = json!({"event": "Small", "anonymousId": "v", "messageId": format!("small-{small}")});
        let answer = client.ingest("/v1/track", &tenant.write_key, &event).await;
        if !answer.status.is_success() {
            break answer;
        }
        small += 1;
        assert!(small < 20_000, "the disk is never full");
    };
    assert_eq!((last.status, last.problem()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"), "{last:?}");
    // Reads are answered, and whoever asks is told, though what is smaller may be written yet.
    let ready = client.send(client.request(Method::GET, "/readyz")).await;
    assert_eq!((ready.status, ready.problem()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert_eq!(client.get("/api/v1/status", &tenant.api_key).await.status, StatusCode::OK);
    assert_eq!(client.get("/api/v1/events?limit=1", &tenant.api_key).await.status, StatusCode::OK);

    // There is room again: no restart is needed.
    let more = Command::new("prlimit").args(["--pid", &hub.pid().to_string(), "--fsize=unlimited"]).status();
    assert!(more.expect("prlimit runs").success());
    until("the hub takes events again", async || {
        let answer = client.ingest("/v1/batch", &tenant.write_key, &events(refused)).await;
        answer.status.is_success().then_some(())
    })
    .await;
    taken.push(refused);
    client.settled(&tenant.api_key).await;
    until("the hub is ready", async || {
        let answer = client.send(client.request(Method::GET, "/readyz")).await;
        answer.status.is_success().then_some(())
    })
    .await;
    let stored = client.rows("/api/v1/events?", "events", &tenant.api_key).await;
    let mut ids: Vec<&str> = stored.iter().filter_map(|event| event["message_id"].as_str()).collect();
    ids.sort_unstable();
    let mut expected: Vec<String> = taken.iter().flat_map(|batch| (0..EACH).map(|n| id(*batch, n))).collect();
    expected.extend((0..small).map(|n| format!("small-{n}")));
    expected.sort_unstable();
    assert_eq!(ids, expected, "what was answered with 200 is there once, and nothing else");
    assert!(hub.stop().await.expect("it ends").success());
}

const EACH: usize = 20;

fn id(batch: usize, number: usize) -> String {
    format!("{batch}-{number}")
}

fn events(batch: usize) -> serde_json::Value {
    let long = "x".repeat(8 * 1024);
    let event = |number| {
        json!({"type": "track", "event": "Visited", "anonymousId": format!("v{batch}"), "messageId": id(batch, number),
            "properties": {"long": long}})
    };
    json!({"batch": (0..EACH).map(event).collect::<Vec<_>>()})
}

/// A hub whose files have a largest size.
async fn bounded(place: &Place) -> Server {
    let script = place.folder.join("bounded.sh");
    let hub = programs().hub.display();
    // In blocks of 512 bytes. The signal of a write that is too much is the hub's to ignore.
    let text = format!("#!/bin/sh\nulimit -S -f {}\nexec '{hub}' \"$@\"\n", KIB * 2);
    std::fs::write(&script, text).expect("it is written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it may be run");
    let mut command = tokio::process::Command::new(&script);
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--database", &place.database, "--data"]);
    Server::start(command.arg(&place.folder), &place.folder.join("hub.log")).await.expect("the hub starts")
}
