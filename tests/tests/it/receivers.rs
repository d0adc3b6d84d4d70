//! What a channel is told of a message's receiver, and what the hub learns from its verdict.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn receivers(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    let key = &tenant.api_key;
    let secret = json!({"value": "hook-token"});
    let component = guests::build("tests/hostile/hook").bytes;
    let installed = client.upload(key, component).await;
    assert!(installed.status.is_success(), "{installed:?}");
    client.json(Method::PUT, "/api/v1/plugins/hostile-hook/secrets/token", key, &secret).await;
    let accept = json!({"accept": installed.body["digest"]});
    let enabled = client.json(Method::POST, "/api/v1/plugins/hostile-hook/enable", key, &accept).await;
    assert_eq!(enabled.body["status"], "enabled", "{enabled:?}");

    let wrong = json!({"locale": "de_DE", "time_zone": "Berlin"});
    let refused = client.json(Method::PATCH, "/api/v1/settings", key, &wrong).await;
    let codes: Vec<&Value> = refused.body["faults"].as_array().into_iter().flatten().map(|it| &it["code"]).collect();
    assert_eq!(codes, [&json!("invalid-locale"), &json!("invalid-time-zone")], "{refused:?}");
    let home = json!({"locale": "de", "time_zone": "Europe/Berlin"});
    assert!(client.json(Method::PATCH, "/api/v1/settings", key, &home).await.status.is_success());

    for (name, content) in [("where", "home"), ("enough", "opted-out")] {
        let journey = json!({
            "trigger": {"event": name}, "reentry": "always", "start": "send",
            "nodes": {
                "send": {"type": "send", "channel": "hooked", "purpose": "marketing", "content": {"id": content}, "next": "end"},
                "end": {"type": "exit", "reason": "sent"},
            },
        });
        assert!(client.json(Method::PUT, &format!("/api/v1/journeys/{name}"), key, &journey).await.status.is_success());
        let published = client.json(Method::POST, &format!("/api/v1/journeys/{name}/publish"), key, &json!({})).await;
        assert!(published.status.is_success(), "{published:?}");
    }
    let granted = json!({"marketing": {"state": "granted"}});
    let person =
        |user: &str, traits: Value| json!({"type": "identify", "userId": user, "traits": traits, "consents": granted});
    let event = |user: &str, name: &str| json!({"type": "track", "userId": user, "event": name});
    let batch = json!({"batch": [
        person("ada", json!({"locale": "zh-CN", "timezone": "Asia/Shanghai"})),
        person("ben", json!({"locale": "?", "timezone": 8})),
        event("ada", "where"), event("ben", "where"), event("ben", "enough"),
    ]});
    assert!(client.ingest("/v1/batch", key, &batch).await.status.is_success());
    let messages = until("all are settled", || async {
        let messages = client.rows("/api/v1/messages?", "messages", key).await;
        let settled =
            messages.iter().filter(|message| message["status"] != "pending" && message["status"] != "sending");
        (messages.len() == 3 && settled.count() == 3).then_some(messages)
    })
    .await;
    let mut homes: Vec<&str> = messages.iter().filter_map(|message| message["provider_id"].as_str()).collect();
    homes.sort_unstable();
    assert_eq!(homes, ["de Europe/Berlin", "zh-CN Asia/Shanghai"], "{messages:?}");
    let failed = messages.iter().find(|message| message["status"] == "failed");
    assert!(failed.is_some_and(|message| message.to_string().contains("unsubscribed")), "{messages:?}");
    let consents = async || {
        client.settled(key).await;
        let found = client.get("/api/v1/customers?identity=user_id:ben", key).await;
        found.body["customers"][0]["consents"].clone()
    };
    let said = consents().await;
    assert_eq!(
        (&said["marketing/hooked"]["state"], &said["marketing/hooked"]["source"]),
        (&json!("denied"), &json!("opted-out"))
    );
    assert_eq!(said["marketing"]["state"], "granted", "by other channels they may be reached");
    assert!(client.ingest("/v1/track", key, &event("ben", "where")).await.status.is_success());
    until("the next is dropped", || async {
        let dropped = client.rows("/api/v1/messages?status=dropped", "messages", key).await;
        (dropped.len() == 1).then_some(())
    })
    .await;
    let usage = async || client.rows("/api/v1/usage?plugin=hostile-hook", "usage", key).await;
    let used = until("what was sent is metered", || async {
        let used = usage().await.into_iter().find(|row| row["kind"] == "channel")?;
        // The message that is dropped never reaches the channel.
        (used["items"] == 3).then_some(used)
    });
    let used = used.await;
    assert_eq!((&used["name"], &used["version"], &used["faults"]), (&json!("hooked"), &json!("1.0.0"), &json!(0)));
    assert!(used["fuel"].as_i64().is_some_and(|fuel| fuel > 0) && used["peak_memory"].as_i64() > Some(0), "{used}");
    for wrong in ["from=yesterday", "from=2026-02-01&to=2026-01-01", "after=x"] {
        let refused = client.get(&format!("/api/v1/usage?{wrong}"), key).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid-query")),
            "{wrong}"
        );
    }
    assert!(hub.stop().await.expect("the hub ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_knows_where_its_receivers_live_and_says_who_wants_no_more_on_sqlite() {
    receivers(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_knows_where_its_receivers_live_and_says_who_wants_no_more_on_postgres() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    receivers(Some(postgres.database().await.expect("a database"))).await;
}
