//! Imports of a file: whose a row is that has no id, and what the answer says of rows that are taken.

use crate::hub::{Hub, encode};
use serde_json::{Value, json};

const IMPORT: &str = "/v1/import?historical=true";

#[tokio::test]
async fn findings14_f2_a_row_of_a_file_may_be_known_by_an_address() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let by = |kind: &str, value: &str| json!({"kind": kind, "value": value});
    let traits = json!({"email": "Solo@Example.cn", "city": "深圳"});
    let row = json!({"type": "identify", "identity": by("email", "Solo@Example.cn"), "traits": traits});
    let batch = json!({"batch": [
        row,
        {"type": "identify", "identity": by("phone", "+86 139 0000 1111"), "traits": {"phone": "+8613900001111"}},
        {"type": "track", "event": "Order Completed", "identity": by("email", "solo@example.cn"), "messageId": "o1"},
        {"type": "identify", "identity": by("email", "no address")},
        {"type": "identify", "identity": by("email", "null"), "traits": {"a": 1}},
        {"type": "identify", "identity": 7},
        {"type": "identify", "userId": "null", "identity": by("email", "ann@example.cn")},
        {"type": "identify", "userId": "7", "identity": by("email", "other@example.cn")},
    ]});
    let answer = hub.post(IMPORT, &tenant.server_key, batch).await;
    let refused: Vec<(u64, String)> = answer.body["refused"]
        .as_array()
        .expect("some are refused")
        .iter()
        .map(|one| (one["index"].as_u64().unwrap_or_default(), one["code"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let expected = [(3, "invalid-identity"), (4, "blocked-identity"), (5, "invalid-identity"), (6, "blocked-identity")];
    assert_eq!(refused, expected.map(|(index, code)| (index, code.to_owned())), "{answer:?}");
    hub.settle(&tenant).await;
    let of = async |identity: &str| {
        let path = format!("/api/v1/customers?identity={}", encode(identity));
        hub.get(&path, &tenant.api_key).await.body["customers"].clone()
    };
    let solo = of("email:solo@example.cn").await;
    assert_eq!(solo[0]["identities"].as_array().map(Vec::len), Some(1), "{solo}");
    assert_eq!((&solo[0]["attributes"]["city"], solo.as_array().map(Vec::len)), (&json!("深圳"), Some(1)));
    assert_eq!(of("phone:+8613900001111").await.as_array().map(Vec::len), Some(1));
    assert_eq!(of("email:other@example.cn").await, json!([]), "who has an id is not known by an address");
    // The same customer as the API makes of it.
    let made = json!({"identities": [by("email", "solo@example.cn")]});
    let made = hub.post("/api/v1/customers", &tenant.api_key, made).await;
    assert_eq!((made.status, &made.body["id"]), (200, &solo[0]["id"]), "{made:?}");
    let events = hub.get("/api/v1/events?name=Order%20Completed", &tenant.api_key).await.body;
    assert_eq!(events["events"][0]["customer"], solo[0]["id"], "{events}");

    // A file is a server's to tell, and a file it must be.
    let page = &tenant.write_key;
    for (path, key) in
        [("/v1/batch", &tenant.server_key), ("/v1/import", &tenant.server_key), ("/v1/import?dry_run=true", page)]
    {
        let answer = hub.post(path, key, json!({"batch": [row]})).await;
        assert_eq!(answer.body["refused"][0]["code"], "missing-identity", "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn findings14_f3_f5_an_import_is_told_what_was_not_taken() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let said = |user: &str, email: &str| json!({"type": "identify", "userId": user, "messageId": user, "traits": {"email": email}});
    let batch = json!({"batch": [said("1", "ann@example.com"), said("2", "ann@example.com"), said("3", "no address")]});
    let answer = hub.post(IMPORT, &tenant.server_key, batch.clone()).await;
    assert_eq!((answer.status, &answer.body["refused"]), (200, &Value::Null), "{answer:?}");
    let left_out = &answer.body["left_out"];
    assert_eq!(left_out.as_array().map(Vec::len), Some(1), "{answer:?}");
    assert_eq!((&left_out[0]["index"], &left_out[0]["code"]), (&json!(2), &json!("invalid-identity")));
    assert_eq!(left_out[0]["pointer"], "/batch/2/traits/email");
    hub.settle(&tenant).await;
    let status = hub.get("/api/v1/status", &tenant.api_key).await.body;
    assert!(status["checkpoint"].as_i64() >= answer.body["position"].as_i64(), "{status} {answer:?}");
    let after = answer.body["after"].as_str().expect("a cursor");
    let path = format!("/api/v1/events?name=Identity%20Refused&after={after}");
    let events = hub.get(&path, &tenant.api_key).await.body;
    let limit: Vec<&Value> = events["events"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|event| event["body"]["properties"]["reason"] == "limit")
        .collect();
    assert_eq!((limit.len(), &limit[0]["cause"]), (1, &json!("2")), "{events}");
    let message = limit[0]["body"]["properties"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("it has another `user_id`"), "{message}");

    let again = hub.post(IMPORT, &tenant.server_key, batch.clone()).await;
    assert_eq!((again.status, &again.body["duplicates"]), (200, &json!(3)), "{again:?}");
    let live = hub.post("/v1/batch", &tenant.server_key, batch).await;
    assert_eq!((&live.body["duplicates"], &live.body["after"]), (&Value::Null, &Value::Null), "{live:?}");
}

#[tokio::test]
async fn findings14_f10_a_time_that_nobody_knows_is_null() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let granted = json!({"news": {"state": "granted"}});
    let batch = json!({"batch": [{"type": "identify", "userId": "bob", "consents": granted}]});
    assert_eq!(hub.post(IMPORT, &tenant.server_key, batch).await.status, 200);
    hub.settle(&tenant).await;
    let bob = hub.get("/api/v1/customers?identity=user_id:bob", &tenant.api_key).await.body;
    let consent = &bob["customers"][0]["consents"]["news"];
    assert_eq!((&consent["state"], consent.get("at")), (&json!("granted"), Some(&Value::Null)), "{bob}");
    let id = bob["customers"][0]["id"].as_str().unwrap_or_default();
    for path in ["", "/timeline", "/data"] {
        let told = hub.get(&format!("/api/v1/customers/{id}{path}"), &tenant.api_key).await;
        assert!(told.status == 200 && !told.body.to_string().contains("0001-01-01"), "{path}: {told:?}");
    }
}
