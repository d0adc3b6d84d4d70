//! A backup is made while a hub takes events, and is restored into the other kind of database: all that was answered before it is there, and
//! nothing is sent before somebody says so.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

async fn output(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().await.expect("the binary runs");
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.code(), text)
}

fn event(user: &str, name: &str) -> Value {
    json!({"type": "track", "userId": user, "event": name})
}

/// A channel of a plugin with a secret, and a journey that sends through it.
async fn furnish(client: &Client, key: &str) {
    let installed = client.upload(key, guests::build("tests/hostile/hook").bytes).await;
    let secret = json!({"value": "hook-token"});
    client.json(Method::PUT, "/api/v1/plugins/hostile-hook/secrets/token", key, &secret).await;
    let accept = json!({"accept": installed.body["digest"]});
    let enabled = client.json(Method::POST, "/api/v1/plugins/hostile-hook/enable", key, &accept).await;
    assert_eq!(enabled.body["status"], "enabled", "{enabled:?}");
    let journey = json!({
        "trigger": {"event": "where"}, "reentry": "always", "start": "send",
        "nodes": {
            "send": {"type": "send", "channel": "hooked", "purpose": "transactional", "content": {"id": "home"}, "next": "end"},
            "end": {"type": "exit", "reason": "sent"},
        },
    });
    assert!(client.json(Method::PUT, "/api/v1/journeys/where", key, &journey).await.status.is_success());
    let published = client.json(Method::POST, "/api/v1/journeys/where/publish", key, &json!({})).await;
    assert!(published.status.is_success(), "{published:?}");
}

async fn messages(client: &Client, key: &str, status: &str) -> usize {
    client.rows(&format!("/api/v1/messages?status={status}"), "messages", key).await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_hub_is_restored_into_the_other_kind_and_sends_when_it_may() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let (first, second) = (Place::new(None), Place::new(Some(server.database().await.expect("a database"))));
    let tenant = first.tenant("live").await;
    let key = &tenant.api_key;
    let hub = first.serve().await;
    let client = Client::new(&hub.url);
    furnish(&client, key).await;
    assert!(client.ingest("/v1/track", key, &event("ada", "where")).await.status.is_success());
    until("the first is sent", || async { (messages(&client, key, "accepted").await == 1).then_some(()) }).await;

    // What was answered before the backup began is in it.
    let (answered, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let load = async {
        while !done.load(Ordering::SeqCst) {
            let before = answered.load(Ordering::SeqCst);
            let batch: Vec<Value> = (0..50).map(|it| event("ben", &format!("n{}", before + it))).collect();
            assert!(client.ingest("/v1/batch", key, &json!({"batch": batch})).await.status.is_success());
            answered.store(before + 50, Ordering::SeqCst);
        }
    };
    let file = first.folder.join("shop.openhub-backup");
    let at = file.to_str().expect("a name").to_owned();
    let backup = async {
        until("events come in", || async { (answered.load(Ordering::SeqCst) >= 200).then_some(()) }).await;
        let before = answered.load(Ordering::SeqCst);
        let made = output(&mut first.command(&["backup", &at])).await;
        done.store(true, Ordering::SeqCst);
        (before, made)
    };
    let ((), (before, (code, text))) = tokio::join!(load, backup);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("backed up 1 tenant, "), "{text}");
    let (code, text) = output(&mut first.command(&["backup", &at])).await;
    assert!(code == Some(1) && text.contains("is there already"), "{text}");
    assert!(hub.stop().await.expect("it ends").success());

    // A file that is cut, or changed, is told before anything is made of it.
    let whole = std::fs::read(&file).expect("the backup");
    let broken = second.folder.join("broken");
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 0x20;
    for bytes in [&whole[..whole.len() / 2], &changed, b"{}"] {
        std::fs::write(&broken, bytes).expect("a file");
        let (code, text) = output(&mut second.command(&["restore", broken.to_str().expect("a name")])).await;
        assert!(code == Some(1) && text.contains("the backup is") | text.contains("is no backup"), "{text}");
    }
    let (code, text) = output(&mut second.command(&["restore", &at, "--check"])).await;
    assert!(code == Some(0) && text.contains("the backup is whole: 1 tenant"), "{text}");
    let (code, text) = output(&mut second.command(&["restore", &at])).await;
    assert!(code == Some(0) && text.contains("release-sends"), "{text}");
    let (code, text) = output(&mut second.command(&["restore", &at])).await;
    assert!(code == Some(2) && text.contains("into an empty database only"), "{text}");

    // Its secrets are sealed by the same key.
    std::fs::copy(first.folder.join("secret.key"), second.folder.join("secret.key")).expect("the key");
    let hub = second.serve().await;
    let client = Client::new(&hub.url);
    let status = client.settled(key).await;
    assert_eq!(status["sends_held"], true, "{status}");
    let mut found = client.rows("/api/v1/events?", "events", key).await;
    found.retain(|event| event["name"].as_str().is_some_and(|name| name.starts_with('n')));
    assert!(found.len() as u64 >= before, "{} of {before} events", found.len());
    assert!(client.ingest("/v1/track", key, &event("eve", "where")).await.status.is_success());
    until("its message waits", || async { (messages(&client, key, "pending").await == 1).then_some(()) }).await;
    client.settled(key).await;
    assert_eq!((messages(&client, key, "pending").await, messages(&client, key, "accepted").await), (1, 1));
    let (code, text) = output(&mut second.command(&["release-sends", "nobody"])).await;
    assert!(code == Some(1) && text.contains("there is no tenant `nobody`"), "{text}");
    let (code, text) = output(&mut second.command(&["release-sends", "--all"])).await;
    assert!(code == Some(0) && text.contains("test-live sends again"), "{text}");
    until("it is sent", || async { (messages(&client, key, "accepted").await == 2).then_some(()) }).await;
    assert_eq!(client.settled(key).await["sends_held"], false);
    assert!(hub.stop().await.expect("it ends").success());
}
