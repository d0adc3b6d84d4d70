//! Exports, and trials of imports.

use crate::hub::{Hub, encode};
use openhub_api::KeyScopes;
use serde_json::{Value, json};

fn text(body: &Value) -> String {
    body.as_str().expect("the answer is no JSON").to_owned()
}

#[tokio::test]
async fn customers_and_events_come_as_csv_and_as_lines() {
    let hub = Hub::start().await;
    let mut tenant = hub.tenant("shop").await;
    // Only a server's word attaches an address.
    tenant.write_key = hub.key(tenant.id, KeyScopes::SERVER).await;
    let traits = json!({"email": "ada@example.com", "city": "深圳", "note": "a, \"b\""});
    hub.send_events(
        &tenant,
        json!([
            {"type": "identify", "userId": "ada", "messageId": "m1", "timestamp": "2026-01-01T00:00:00Z", "traits": traits, "tags": {"vip": true}},
            {"type": "track", "event": "Order Completed", "userId": "ada", "messageId": "m2", "timestamp": "2026-01-02T00:00:00Z",
                "sentAt": "2026-01-31T12:00:00Z", "properties": {"total": 29.30, "items": [1, 2]}},
        ]),
    )
    .await;
    let fields = "identity.user_id,identity.email,attribute.city,attribute.note,tag.vip,tag.other";
    let csv = hub.get(&format!("/api/v1/export/customers?format=csv&fields={fields}"), &tenant.api_key).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8; header=present");
    assert_eq!(text(&csv.body), format!("{fields}\nada,ada@example.com,深圳,\"a, \"\"b\"\"\",true,false\n"));

    let path = "/api/v1/export/events?format=csv&fields=messageId,event,timestamp,properties.total,properties.items";
    let csv = hub.get(path, &tenant.api_key).await;
    let expected = "messageId,event,timestamp,properties.total,properties.items\n\
        m1,,2026-01-01T00:00:00Z,,\nm2,Order Completed,2026-01-02T00:00:00Z,29.3,\"[1,2]\"\n";
    assert_eq!(text(&csv.body), expected);
    let lines = hub.get("/api/v1/export/events?name=Order%20Completed", &tenant.api_key).await;
    let expected = json!({"type": "track", "event": "Order Completed", "userId": "ada", "messageId": "m2",
        "timestamp": "2026-01-02T00:00:00Z", "properties": {"total": 29.30, "items": [1, 2]}, "openhub:by": "server"});
    assert_eq!(lines.body, expected, "one line is one JSON object");

    let condition = encode(&json!({"tag": "nobody"}).to_string());
    let none = hub.get(&format!("/api/v1/export/customers?condition={condition}"), &tenant.api_key).await;
    assert_eq!((none.status, none.body), (200, Value::Null));
}

#[tokio::test]
async fn issue_14_a_misspelt_identity_kind_is_no_empty_column() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let saved = hub.call("PUT", "/api/v1/segments/all", &tenant.api_key, Some(json!({"static": true}))).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    for (path, prefix) in [("segments/all/export", ""), ("export/customers", "identity.")] {
        let get =
            async |kind: &str| hub.get(&format!("/api/v1/{path}?fields=id,{prefix}{kind}"), &tenant.api_key).await;
        let refused = get("emial").await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.body.to_string().contains("Did you mean `email`?"), "{refused:?}");
        for known in ["email", "card"] {
            assert_eq!(get(known).await.status, 200, "{path} {known}");
        }
    }
}

#[tokio::test]
async fn consents_are_columns_as_an_import_reads_them() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let batch = json!({"batch": [
        {"type": "identify", "userId": "ada", "timestamp": "2026-01-01T00:00:00Z",
            "consents": {"news": {"state": "granted", "source": "form"}, "news.of/email": {"state": "denied"}}},
        {"type": "identify", "userId": "bob", "consents": {"news": {"state": "granted"}}},
        {"type": "identify", "userId": "eve", "traits": {"a": 1}},
    ]});
    assert_eq!(hub.post("/v1/import?historical=true", &tenant.server_key, batch).await.status, 200);
    hub.settle(&tenant).await;
    let export = async |query: &str| {
        let csv = hub.get(&format!("/api/v1/export/customers?{query}"), &tenant.api_key).await;
        let mut lines: Vec<String> = text(&csv.body).lines().map(str::to_owned).collect();
        lines[1..].sort();
        lines
    };
    assert_eq!(
        export("format=csv&fields=identity.user_id,consent.news,consent.news.of/email,consent.none").await,
        [
            "identity.user_id,consent.news,consent.news.of/email,consent.none",
            "ada,granted,denied,",
            "bob,granted,,",
            "eve,,,"
        ]
    );
    // A grant that came without a time goes without one.
    assert_eq!(
        export("format=csv&fields=identity.user_id,consent.news,timestamp").await,
        ["identity.user_id,consent.news,timestamp", "ada,granted,2026-01-01T00:00:00Z", "bob,granted,", "eve,,"]
    );
}

#[tokio::test]
async fn every_page_is_in_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let event =
        |n: usize| json!({"type": "track", "event": "E", "userId": format!("u{n}"), "messageId": format!("m{n}")});
    hub.send_events(&tenant, (0..2_001).map(event).collect()).await;
    for path in ["/api/v1/export/customers", "/api/v1/export/events"] {
        let all = hub.get(path, &tenant.api_key).await;
        let lines: std::collections::HashSet<String> = text(&all.body).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2_001, "{path}");
    }
}

#[tokio::test]
async fn what_an_export_cannot_be_is_a_problem() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for (path, pointer) in [
        ("/api/v1/export/customers?fields=name", "/fields"),
        ("/api/v1/export/customers?fields=id,id", "/fields"),
        ("/api/v1/export/customers?fields=id,consent.", "/fields"),
        ("/api/v1/export/customers?fields=id,timestamp", "/fields"),
        ("/api/v1/export/customers?fields=consent.news,consent.mail,timestamp", "/fields"),
        ("/api/v1/export/events?format=csv&fields=properties.", "/fields"),
        ("/api/v1/export/objects?kind=coupon&fields=code", "/fields"),
        ("/api/v1/export/events?customer=x", "/customer"),
    ] {
        let answer = hub.get(path, &tenant.api_key).await;
        assert_eq!((answer.status, &answer.body["faults"][0]["pointer"]), (400, &json!(pointer)), "{answer:?}");
    }
    for path in ["/api/v1/export/customers?format=xml", "/api/v1/export/objects"] {
        assert_eq!(hub.get(path, &tenant.api_key).await.status, 400, "{path}");
    }
    for path in ["customers", "events", "objects?kind=coupon"] {
        let path = format!("/api/v1/export/{path}");
        assert_eq!(hub.get(&path, &tenant.write_key).await.status, 403, "{path}");
    }
    let rows = json!({"rows": [{"id": "r1", "fields": {}}]});
    assert_eq!(hub.post("/api/v1/import/objects/coupon", &tenant.api_key, rows).await.status, 404);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let batch = json!({"batch": [{"type": "track", "event": "E", "userId": "u"}, {"type": "track", "event": "E"}]});
    let tried = hub.post("/v1/import?dry_run=true", &tenant.write_key, batch).await;
    assert_eq!((tried.status, &tried.body["refused"][0]["code"]), (200, &json!("missing-identity")), "{tried:?}");
    assert_eq!(hub.get("/api/v1/events", &tenant.api_key).await.body["events"], json!([]));
}

/// What a page was refused does not come back by way of a file, and nothing is there twice.
#[tokio::test]
async fn breaker14_an_exported_event_says_who_said_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let order = |by: &str| json!({"event": "Order", "userId": "v", "messageId": "o1", "properties": {"by": by}});
    let said = [
        (
            &tenant.server_key,
            "identify",
            json!({"userId": "v", "traits": {"tier": "gold"}, "consents": {"news": {"state": "denied"}}}),
        ),
        (
            &tenant.write_key,
            "identify",
            json!({"userId": "v", "traits": {"tier": "platinum", "email": "evil@example.com"},
            "tags": {"vip": true}, "consents": {"news": {"state": "granted"}}}),
        ),
        (&tenant.write_key, "track", order("page")),
        (&tenant.server_key, "track", order("server")),
    ];
    for (key, call, body) in said {
        assert_eq!(hub.post(&format!("/v1/{call}"), key, body).await.status, 200);
        hub.settle(&tenant).await;
    }
    let standing = async |tenant: &crate::hub::Tenant| {
        let found = hub.get("/api/v1/customers?identity=user_id:v", &tenant.api_key).await.body["customers"][0].clone();
        let orders = hub.get("/api/v1/events?name=Order", &tenant.api_key).await.body["events"].clone();
        let by = |order: &Value| order["body"]["properties"]["by"].clone();
        let mut orders: Vec<Value> = orders.as_array().expect("events").iter().map(by).collect();
        orders.sort_by_key(Value::to_string);
        (
            found["attributes"].clone(),
            found["tags"].clone(),
            found["consents"]["news"]["state"].clone(),
            found["identities"].clone(),
            orders,
        )
    };
    let before = standing(&tenant).await;
    assert_eq!((&before.0["tier"], &before.1, &before.2), (&json!("gold"), &json!([]), &json!("denied")), "{before:?}");
    assert_eq!(before.4, ["page", "server"]);

    let export = hub.get("/api/v1/export/events", &tenant.api_key).await;
    let rows: Vec<Value> = text(&export.body).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let by: Vec<&str> = rows.iter().filter_map(|row| row["openhub:by"].as_str()).collect();
    assert_eq!(by[..2], ["server", "page"], "{rows:?}");
    let ids: Vec<&Value> = rows.iter().filter(|row| row["event"] == "Order").map(|row| &row["messageId"]).collect();
    assert_eq!(ids, ["o1", "o1"], "each under the id that it was given");
    let hubs = rows.iter().filter(|row| row["openhub:by"] == "hub").count();
    assert!(hubs > 0, "what the page was refused is told: {rows:?}");

    let elsewhere = hub.tenant("elsewhere").await;
    for into in [&tenant, &elsewhere] {
        let answer = hub.post("/v1/import?historical=true", &into.server_key, json!({"batch": rows})).await;
        let refused = answer.body["refused"].as_array().cloned().unwrap_or_default();
        assert!(refused.len() == hubs && refused.iter().all(|one| one["code"] == "said-by-hub"), "{answer:?}");
        hub.settle(into).await;
        assert_eq!(standing(into).await, before);
    }

    // Nobody says it of what is no file, nobody takes the hub's own members, and its events are its own.
    let taken = json!({"event": "X", "userId": "v", "openhub:movedFrom": "1999-01-01T00:00:00Z"});
    let as_page = json!({"event": "X", "userId": "v", "openhub:by": "page"});
    let entered = json!({"event": "Segment Entered", "userId": "v", "properties": {"segment": "best"}});
    for (body, code) in [(taken, "reserved-field"), (as_page, "reserved-field"), (entered, "said-by-hub")] {
        let answer = hub.post("/v1/track", &tenant.server_key, body).await;
        assert_eq!((answer.status, &answer.body["faults"][0]["code"]), (400, &json!(code)), "{answer:?}");
    }
}
