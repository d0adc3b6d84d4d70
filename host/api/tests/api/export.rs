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

    // User14 5: it knows what is there, and what comes twice.
    let event = |id: &str| json!({"type": "track", "event": "E", "userId": "u", "messageId": id});
    let some = json!({"batch": [event("a"), event("b")]});
    assert_eq!(hub.post("/v1/batch", &tenant.server_key, some).await.status, 200);
    let more = json!({"batch": [event("a"), event("c"), event("c")]});
    for query in ["dry_run=true", "historical=true&dry_run=true"] {
        let tried = hub.post(&format!("/v1/import?{query}"), &tenant.server_key, more.clone()).await;
        assert_eq!(tried.body, json!({"success": true, "duplicates": 2}), "{query}");
    }
    let tried = hub.post("/v1/import?dry_run=true", &tenant.write_key, more).await;
    assert_eq!(tried.body, json!({"success": true}), "a page finds out nothing");
}

#[tokio::test]
async fn user14_f16_a_column_that_is_not_there_names_those_that_are() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let told = async |what: &str, name: &str| {
        let answer = hub.get(&format!("/api/v1/export/{what}?fields={name}"), &tenant.api_key).await;
        assert_eq!((answer.status, &answer.body["faults"][0]["code"]), (400, &json!("unknown-field")), "{answer:?}");
        answer.body["faults"][0]["message"].as_str().expect("a message").to_owned()
    };
    let message = told("customers", "foo").await;
    let named = "And: identity.<kind>, attribute.<name>, tag.<name>, consent.<purpose>.";
    assert!(message.ends_with(named) && !message.contains("Did you mean"), "{message}");
    assert!(told("customers", "attributes.PLZ").await.contains("Did you mean `attribute.PLZ`?"));
    assert!(told("customers", "identities.email").await.contains("Did you mean `identity.email`?"));
    assert!(told("events", "property.total").await.contains("properties.<name>"));
    assert!(told("events", "propertys.total").await.contains("Did you mean `properties.total`?"));
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

#[tokio::test]
async fn user14_f21_a_misspelt_identity_kind_is_no_empty_answer() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let listed = hub.get("/api/v1/customers?identity=mail:x@example.com", key).await;
    let test = json!({"all": [{"tag": "vip"}, {"not": {"identity": {"kind": "mail", "is": "exists"}}}]});
    let counted = hub.post("/api/v1/segments/preview", key, json!({"condition": test})).await;
    for (answer, status, pointer) in [(listed, 400, "/identity"), (counted, 422, "/condition/all/1/not/identity/kind")]
    {
        let fault = &answer.body["faults"][0];
        assert_eq!((answer.status, &fault["pointer"]), (status, &json!(pointer)), "{answer:?}");
        assert!(fault["message"].as_str().is_some_and(|text| text.contains("Did you mean `email`?")), "{fault}");
    }
    let by_identity = hub.get("/api/v1/customers/user_id:s1", key).await;
    let detail = by_identity.body["detail"].as_str().expect("a detail");
    assert!(by_identity.status == 404 && detail.contains("`GET /api/v1/customers?identity=…`"), "{detail}");
    // One that is like none may be the tenant's own.
    assert_eq!(hub.get("/api/v1/customers?identity=membership:7", key).await.status, 200);
}
