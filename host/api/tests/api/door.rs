//! What the door lets in: keys that both databases can store, and nothing that hides what an event says.

use crate::hub::{Answer, Hub, Tenant, until};
use openhub_api::KeyScopes;
use openhub_test_postgres::Server;
use serde_json::{Value, json};

/// Letters that no database compresses.
pub fn letters(count: usize) -> String {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + ((state >> 33) % 26) as u8)
    };
    (0..count).map(|_| next()).collect()
}

fn refused(answer: &Answer) -> (u16, String) {
    let pointer = answer.body["faults"][0]["pointer"].as_str().unwrap_or_default();
    (answer.status, pointer.to_owned())
}

async fn customer(hub: &Hub, tenant: &Tenant, identity: &str) -> Value {
    let path = format!("/api/v1/customers?identity={}", crate::hub::encode(identity));
    hub.get(&path, &tenant.api_key).await.body["customers"][0].clone()
}

#[tokio::test]
async fn a1_keys_have_lengths_at_every_door_on_sqlite() {
    a1_keys_have_lengths_at_every_door(Hub::start().await).await;
}

#[tokio::test]
async fn a1_keys_have_lengths_at_every_door_on_postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    a1_keys_have_lengths_at_every_door(Hub::on_postgres(database).await).await;
}

async fn a1_keys_have_lengths_at_every_door(hub: Hub) {
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let long = letters(10_000);
    let kinds = json!({"kinds": {"card": {"trait": "card"}}});
    assert_eq!(hub.call("PUT", "/api/v1/identity-kinds", &tenant.api_key, Some(kinds)).await.status, 200);
    for (call, body, pointer) in [
        ("identify", json!({"userId": "u", "traits": {"email": format!("{long}@x.y")}}), "/traits/email".to_owned()),
        ("identify", json!({"userId": "u", "traits": {"phone": long}}), "/traits/phone".to_owned()),
        ("track", json!({"event": "E", "userId": "u", "traits": {"card": long}}), "/traits/card".to_owned()),
        (
            "page",
            json!({"userId": "u", "identities": [{"kind": "card", "value": long}]}),
            "/identities/0/value".to_owned(),
        ),
        ("page", json!({"userId": "u", "identities": [{"kind": long, "value": "1"}]}), "/identities/0/kind".to_owned()),
        ("page", json!({"userId": long}), "/userId".to_owned()),
        ("page", json!({"anonymousId": long}), "/anonymousId".to_owned()),
        ("alias", json!({"userId": "u", "previousId": long}), "/previousId".to_owned()),
        ("group", json!({"userId": "u", "groupId": long}), "/groupId".to_owned()),
        ("track", json!({"userId": "u", "event": long}), "/event".to_owned()),
        ("page", json!({"userId": "u", "messageId": long}), "/messageId".to_owned()),
        ("identify", json!({"userId": "u", "traits": {long.clone(): 1}}), format!("/traits/{long}")),
        ("identify", json!({"userId": "u", "tags": {long.clone(): true}}), format!("/tags/{long}")),
        ("identify", json!({"userId": "u", "consents": {long.clone(): null}}), format!("/consents/{long}")),
    ] {
        for key in [&tenant.write_key, &server] {
            let answer = hub.post(&format!("/v1/{call}"), key, body.clone()).await;
            assert_eq!(refused(&answer), (400, pointer.clone()), "{call}");
        }
        let mut item = body;
        item["type"] = json!(call);
        let page = json!({"type": "page", "userId": "u"});
        for path in ["/v1/batch", "/v1/import"] {
            let answer = hub.post(path, &server, json!({"batch": [page, item]})).await;
            assert_eq!((answer.status, &answer.body["refused"][0]["index"]), (200, &json!(1)), "{path} {call}");
            assert_eq!(answer.body["refused"][0]["pointer"], format!("/batch/1{pointer}"), "{path} {call}");
        }
    }
    for (new, pointer) in [
        (json!({"identities": [{"kind": "email", "value": format!("{long}@x.y")}]}), "/identities/0/value".to_owned()),
        (json!({"identities": [{"kind": long, "value": "1"}]}), "/identities/0/kind".to_owned()),
        (
            json!({"identities": [{"kind": "user_id", "value": "u"}], "attributes": {long.clone(): 1}}),
            format!("/attributes/{long}"),
        ),
    ] {
        assert_eq!(refused(&hub.post("/api/v1/customers", &tenant.api_key, new).await), (400, pointer));
    }
    // What is long and no key is taken.
    let bio = json!({"userId": "u", "messageId": "bio", "traits": {"bio": long, "email": "ada@example.com"}});
    assert_eq!(hub.post("/v1/identify", &server, bio).await.status, 200);
    hub.settle(&tenant).await;
    assert_eq!(customer(&hub, &tenant, "email:ada@example.com").await["attributes"]["bio"], json!(long));
}

/// What the door let in before a trait became an identity stops nobody.
#[tokio::test]
async fn a1_an_over_long_trait_that_becomes_an_identity_later_stops_nobody() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let hub = Hub::on_postgres(server.database().await.expect("a database")).await;
    let tenant = hub.tenant("shop").await;
    let key = hub.key(tenant.id, KeyScopes::SERVER).await;
    let kinds = json!({"policy": {"kinds": {"card": {"trait": "card"}}}});
    let identify = json!({"type": "identify", "userId": "u", "traits": {"card": letters(5_000)}});
    // Both wait in the log at once: the policy is in force when the engine comes to the event.
    let event = |kind, name: &str, body: Value| openhub_model::NewEvent {
        message_id: format!("m-{name}"),
        kind,
        name: name.to_owned(),
        part: (kind == openhub_model::EventKind::Identify)
            .then(|| openhub_model::Identity::new("user_id", "u").part(tenant.id)),
        occurred_at: hub.now(),
        received_at: hub.now(),
        historical: false,
        authority: openhub_model::identity::Authority::Server,
        cause: None,
        body: body.to_string(),
    };
    let events = vec![
        event(openhub_model::EventKind::Control, "identity.kinds", kinds),
        event(openhub_model::EventKind::Identify, "", identify),
    ];
    hub.store.append(&openhub_store::Scope::of(tenant.id), events).await.expect("both are stored");
    hub.settle(&tenant).await;
    let page = json!({"type": "page", "userId": "u"});
    assert_eq!(hub.post("/v1/batch", &key, json!({"batch": [page]})).await.status, 200);
    hub.settle(&tenant).await;
    assert_eq!(customer(&hub, &tenant, "user_id:u").await["identities"].as_array().expect("identities").len(), 1);
}

/// What is stored is wrapped, and read again: a value that the door lets in can be read at any depth behind it.
#[tokio::test]
async fn a1_a_deep_value_stops_nobody() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for (levels, status) in [(62, 200), (63, 400), (100, 400), (120, 400)] {
        let body = json!({"userId": "u", "traits": {"deep": deep(levels)}});
        let answer = hub.post("/v1/identify", &tenant.write_key, body).await;
        assert_eq!(answer.status, status, "{levels}: {answer:?}");
        if status == 400 {
            assert_eq!(answer.body["faults"][0]["code"], "too-deep");
        }
    }
    hub.settle(&tenant).await;
    let change = json!({"attributes": {"deep": deep(100)}});
    let ada = customer(&hub, &tenant, "user_id:u").await;
    assert_eq!(ada["attributes"]["deep"], deep(62));
    let path = format!("/api/v1/customers/{}", ada["id"].as_str().expect("an id"));
    assert_eq!(hub.call("PATCH", &path, &tenant.api_key, Some(change)).await.status, 400);
}

#[tokio::test]
async fn b4_no_member_empties_an_event() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let members = [
        ("review", json!("great")),
        ("review", json!(null)),
        ("review", json!(true)),
        ("match", json!("x")),
        ("match", json!({"id": "00000000-0000-8000-8000-000000000000", "accepted": true})),
        ("verdict", json!({"status": "sent"})),
        ("identity", json!("x")),
        ("identity", json!({"kind": "email", "value": "eve@example.com"})),
        ("attributes", json!([1])),
        ("attributes", json!({"plan": "none"})),
        ("context", json!([])),
        ("properties", json!([])),
        ("consents", json!([])),
        ("tags", json!(null)),
        ("integrations", json!(7)),
    ];
    let mut events = Vec::new();
    for (number, (name, value)) in members.iter().enumerate() {
        let user = format!("u{number}");
        let mut event =
            json!({"type": "identify", "userId": user, "traits": {"email": format!("{user}@x.org"), "plan": "pro"}});
        event[*name] = value.clone();
        events.push(event);
    }
    let answer = hub.post("/v1/batch", &server, json!({"batch": events})).await;
    assert_eq!((answer.status, answer.body), (200, json!({"success": true})));
    hub.settle(&tenant).await;
    for (number, (name, _)) in members.iter().enumerate() {
        let found = customer(&hub, &tenant, &format!("email:u{number}@x.org")).await;
        assert_eq!(found["attributes"]["plan"], "pro", "{name}: {found}");
        assert_eq!(found["identities"].as_array().expect("identities").len(), 2, "{name}");
    }
}

#[tokio::test]
async fn b4_no_member_hides_a_suppressed_identity() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let ada = json!({"userId": "ada", "traits": {"email": "ada@example.com"}});
    assert_eq!(hub.post("/v1/identify", &server, ada).await.status, 200);
    hub.settle(&tenant).await;
    let id = customer(&hub, &tenant, "user_id:ada").await["id"].as_str().expect("an id").to_owned();
    let erase = hub.call("DELETE", &format!("/api/v1/customers/{id}?suppress=true"), &tenant.api_key, None).await;
    assert!(erase.status < 300, "{erase:?}");
    hub.settle(&tenant).await;
    let listed: Vec<Value> = (0..31).map(|n| json!({"kind": "a", "value": format!("{n}")})).collect();
    for more in [
        json!({"review": "great"}),
        json!({"match": "x"}),
        json!({"verdict": 1, "review": null}),
        json!({"identity": [], "attributes": "x"}),
        json!({"properties": [], "identities": listed}),
    ] {
        for naming in [
            json!({"traits": {"email": "ADA@example.com"}}),
            json!({"identities": [{"kind": "email", "value": "ada@example.com", "primary": true}]}),
        ] {
            let mut event = json!({"event": "Hidden", "userId": "eve"});
            for (name, value) in more.as_object().expect("members").iter().chain(naming.as_object().expect("one")) {
                match (event.get_mut(name), value) {
                    (Some(Value::Array(one)), Value::Array(other)) => one.extend(other.clone()),
                    _ => event[name] = value.clone(),
                }
            }
            let answer = hub.post("/v1/track", &server, event.clone()).await;
            assert_eq!(
                (answer.status, &answer.body["faults"][0]["code"]),
                (400, &json!("suppressed-identity")),
                "{event}"
            );
        }
    }
    let events = hub.get("/api/v1/events?name=Hidden", &tenant.api_key).await;
    assert_eq!(events.body["events"], json!([]));
}

#[tokio::test]
async fn b5_a_malformed_consent_is_refused_at_every_door() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let denied = json!({"state": "denied"});
    for (consents, pointer) in [
        (json!({"marketing": "denied"}), "/consents/marketing"),
        (json!({"marketing": denied, "news": {"state": "no"}}), "/consents/news/state"),
        (json!({"marketing": denied, "news": {"state": "denied", "who": "x"}}), "/consents/news/who"),
        (json!({"marketing": denied, "a/b/c": denied}), "/consents/a~1b~1c"),
        (json!({"marketing": denied, "": denied}), "/consents/"),
        (json!(["denied"]), "/consents"),
        (json!("denied"), "/consents"),
    ] {
        let body = json!({"userId": "ada", "consents": consents});
        let answer = hub.post("/v1/identify", &tenant.write_key, body.clone()).await;
        assert_eq!(refused(&answer), (400, pointer.to_owned()));
        let mut item = body;
        item["type"] = json!("identify");
        for path in ["/v1/batch", "/v1/import", "/v1/import?historical=true"] {
            let answer = hub.post(path, &server, json!({"batch": [item]})).await;
            assert_eq!(answer.body["refused"][0]["pointer"], format!("/batch/0{pointer}"), "{path}");
        }
        let new = json!({"identities": [{"kind": "user_id", "value": "bob"}], "consents": consents});
        assert_eq!(hub.post("/api/v1/customers", &tenant.api_key, new).await.status, 400, "{consents}");
    }
    let ada = json!({"userId": "ada", "consents": {"marketing": denied}});
    assert_eq!(hub.post("/v1/identify", &tenant.write_key, ada).await.status, 200);
    hub.settle(&tenant).await;
    let ada = customer(&hub, &tenant, "user_id:ada").await;
    let path = format!("/api/v1/customers/{}", ada["id"].as_str().expect("an id"));
    let answer = hub.call("PATCH", &path, &tenant.api_key, Some(json!({"consents": {"marketing": "granted"}}))).await;
    assert_eq!(refused(&answer), (400, "/consents/marketing".to_owned()));
    let profile = hub.get(&path, &tenant.api_key).await.body;
    assert!(profile.to_string().contains("denied"), "{profile}");
}

#[tokio::test]
async fn b4_a_page_does_not_say_what_the_hub_says() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for name in ["Segment Entered", "Segment Left", "Identity Refused", "Attribute Refused", "Match Proposed"] {
        let body = json!({"userId": "u", "event": name, "properties": {"segment": "best"}});
        assert_eq!(refused(&hub.post("/v1/track", &tenant.write_key, body.clone()).await), (400, "/event".to_owned()));
        for call in ["page", "screen"] {
            let body = json!({"userId": "u", "name": name, "properties": {"segment": "best"}});
            let answer = hub.post(&format!("/v1/{call}"), &tenant.write_key, body).await;
            assert_eq!(refused(&answer), (400, "/name".to_owned()), "{call}");
        }
        // What a program found out, a server may say.
        let status = if name == "Match Proposed" { 200 } else { 400 };
        assert_eq!(hub.post("/v1/track", &tenant.server_key, body).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn b5_a_consent_that_is_not_recorded_is_told() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for (call, name) in [("track", "event"), ("page", "name"), ("group", "groupId")] {
        let mut body = json!({"userId": "u", "consents": {"news": {"state": "denied"}}});
        body[name] = json!("x");
        let answer = hub.post(&format!("/v1/{call}"), &tenant.server_key, body.clone()).await;
        assert_eq!((answer.status, &answer.body["left_out"][0]["pointer"]), (200, &json!("/consents/news")), "{call}");
        body["consents"] = json!({"news": "denied"});
        let answer = hub.post(&format!("/v1/{call}"), &tenant.server_key, body).await;
        assert_eq!(refused(&answer), (400, "/consents/news".to_owned()), "{call}");
    }
}

#[tokio::test]
async fn report_04_an_empty_list_is_an_empty_map() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let body = json!({"userId": "php", "traits": [], "properties": [], "context": [], "tags": [], "consents": [], "identities": []});
    assert_eq!(hub.post("/v1/identify", &tenant.write_key, body).await.status, 200);
    let body = json!({"userId": "php", "event": "E", "traits": [], "properties": [], "context": []});
    assert_eq!(hub.post("/v1/track", &tenant.write_key, body).await.status, 200);
    hub.settle(&tenant).await;
    assert_eq!(customer(&hub, &tenant, "user_id:php").await["attributes"], json!({}));
}

#[tokio::test]
async fn c1_a_page_says_little_on_sqlite() {
    c1_a_page_says_little(Hub::start().await).await;
}

#[tokio::test]
async fn c1_a_page_says_little_on_postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    c1_a_page_says_little(Hub::on_postgres(database).await).await;
}

async fn c1_a_page_says_little(hub: Hub) {
    let tenant = hub.tenant("shop").await;
    let (page, key) = (&tenant.write_key, &tenant.api_key);
    for (name, pages) in [("tier", "closed"), ("city", "open")] {
        let declared = json!({"type": "text", "pages": pages});
        assert_eq!(hub.call("PUT", &format!("/api/v1/attributes/{name}"), key, Some(declared)).await.status, 200);
    }
    let denied = json!({"state": "denied"});
    let known = json!({"type": "identify", "userId": "ada", "traits": {"points": 250, "city": "Paris", "email": "ada@example.com"},
        "tags": {"vip": true}, "consents": {"marketing": denied, "news": {"state": "granted"}}});
    hub.send_events(&tenant, json!([known])).await;
    hub.advance(std::time::Duration::from_secs(60));
    let said = json!({"userId": "ada", "anonymousId": "v", "traits": {"points": 100_000, "tier": "gold", "city": "Bern", "size": "L"},
        "tags": {"vip": false, "staff": true},
        "consents": {"marketing": {"state": "granted"}, "news": denied, "sms": {"state": "granted"}}});
    let answer = hub.post("/v1/identify", page, said.clone()).await;
    let left_out = |answer: &Answer| -> Vec<String> {
        let left = answer.body["left_out"].as_array().cloned().unwrap_or_default();
        left.iter().map(|one| one["pointer"].as_str().expect("a pointer").to_owned()).collect()
    };
    let mut told = left_out(&answer);
    told.sort();
    let expected = ["/consents/marketing", "/consents/sms", "/tags/staff", "/tags/vip", "/traits/tier"];
    assert_eq!((answer.status, told), (200, expected.map(str::to_owned).to_vec()), "{answer:?}");
    // A visitor of the page's own brings nothing along that the page could not say itself.
    let visitor = json!([
        {"type": "identify", "anonymousId": "w", "traits": {"points": 7, "tier": "gold", "note": "x"},
            "consents": {"marketing": {"state": "granted"}}, "tags": {"vip": false}},
        {"type": "identify", "anonymousId": "w", "userId": "ada"},
    ]);
    assert_eq!(hub.post("/v1/batch", page, json!({"batch": visitor})).await.status, 200);
    hub.settle(&tenant).await;
    let profile = async |identity: &str| {
        let id = customer(&hub, &tenant, identity).await["id"].as_str().expect("an id").to_owned();
        hub.get(&format!("/api/v1/customers/{id}"), key).await.body
    };
    let check = |ada: &Value| {
        let attributes = &ada["attributes"];
        let value = |name: &str| {
            if attributes[name].is_object() { attributes[name]["value"].clone() } else { attributes[name].clone() }
        };
        let values = ["points", "city", "size", "note", "tier"].map(value);
        assert_eq!(values, [json!(250), json!("Bern"), json!("L"), json!("x"), json!(null)], "{ada}");
        let text = ada.to_string();
        assert!(text.contains("vip") && !text.contains("staff") && !text.contains("sms"), "{ada}");
    };
    check(&profile("anonymous_id:w").await);
    let path =
        format!("/api/v1/customers/{}", customer(&hub, &tenant, "user_id:ada").await["id"].as_str().expect("an id"));
    let timeline = hub.get(&format!("{path}/timeline?kind=consent"), key).await.body;
    let granted: Vec<&Value> =
        timeline["items"].as_array().expect("items").iter().map(|item| &item["detail"]["consents"]).collect();
    assert_eq!(
        granted,
        [&json!({"news": denied}), &json!({"marketing": denied, "news": {"state": "granted"}})],
        "{timeline}"
    );
    let history = hub.get(&format!("{path}/history?name=marketing"), key).await.body;
    assert_eq!(history["entries"].as_array().expect("entries").len(), 1, "{history}");
    let mail = |state: &str| json!({"consent": {"purpose": "marketing", "is": state}});
    for (condition, count) in [
        (mail("denied"), 1),
        (mail("granted"), 0),
        (json!({"consent": {"purpose": "news", "is": "denied"}}), 1),
        (json!({"tag": "vip"}), 1),
    ] {
        let preview = hub.post("/api/v1/segments/preview", key, json!({"condition": condition})).await;
        assert_eq!(preview.body["count"], count, "{condition}: {preview:?}");
    }
    let refused = hub.get("/api/v1/events?name=Attribute%20Refused", key).await.body;
    let told: Vec<&Value> =
        refused["events"].as_array().expect("events").iter().map(|event| &event["body"]["properties"]).collect();
    let points = told.iter().find(|told| told["attribute"] == "points").expect("it is told");
    assert_eq!(
        (&points["reason"], &points["others"], &points["count"]),
        (&json!("authority"), &json!(["tier"]), &json!(2)),
        "{refused}"
    );
    assert!(points["message"].as_str().is_some_and(|message| message.contains("`points` was not written")));
    // What a server says counts whenever it is said, also of before; and what a page repeats is no offence.
    hub.send_events(
        &tenant,
        json!([{"type": "identify", "userId": "ada", "traits": {"size": "M"}, "timestamp": "2026-01-01T00:00:00Z"}]),
    )
    .await;
    assert_eq!(
        hub.post("/v1/identify", page, json!({"userId": "ada", "traits": {"size": "XL", "points": 250}})).await.status,
        200
    );
    hub.settle(&tenant).await;
    assert_eq!(customer(&hub, &tenant, "user_id:ada").await["attributes"]["size"], "M");
    // A server's grant holds, and its tags.
    hub.advance(std::time::Duration::from_secs(60));
    let grant = json!([{"type": "identify", "userId": "ada", "consents": {"marketing": {"state": "granted"}}, "tags": {"vip": false}}]);
    hub.send_events(&tenant, grant).await;
    let preview = hub.post("/api/v1/segments/preview", key, json!({"condition": mail("granted")})).await;
    assert_eq!(preview.body["count"], 1);
}

#[tokio::test]
async fn c1_no_page_is_ahead_of_its_time() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let granted =
        json!({"userId": "ada", "timestamp": "9999-12-01T00:00:00Z", "consents": {"news": {"state": "granted"}}});
    let sent = json!({"userId": "ada", "timestamp": "2027-01-01T00:00:00Z", "sentAt": "2026-01-01T00:00:00Z", "traits": {"city": "Paris"}});
    for key in [&tenant.server_key, &tenant.write_key] {
        for body in [&granted, &sent] {
            assert_eq!(hub.post("/v1/identify", key, body.clone()).await.status, 200);
        }
    }
    hub.settle(&tenant).await;
    let id = customer(&hub, &tenant, "user_id:ada").await["id"].as_str().expect("an id").to_owned();
    hub.advance(std::time::Duration::from_secs(1));
    let change = json!({"consents": {"news": {"state": "denied"}}, "attributes": {"city": "Bern"}});
    assert_eq!(hub.call("PATCH", &format!("/api/v1/customers/{id}"), &tenant.api_key, Some(change)).await.status, 200);
    let condition = json!({"consent": {"purpose": "news", "is": "denied"}});
    let preview = hub.post("/api/v1/segments/preview", &tenant.api_key, json!({"condition": condition})).await;
    assert_eq!(preview.body["count"], 1);
    assert_eq!(customer(&hub, &tenant, "user_id:ada").await["attributes"]["city"], "Bern");
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body;
    assert_eq!(events["events"][0]["moved_from"], "9999-12-01T00:00:00Z", "{events}");
    assert_eq!(events["events"][0]["occurred_at"], events["events"][0]["received_at"]);
}

#[tokio::test]
async fn c1_a_page_moves_no_replay() {
    let hub = Hub::start().await;
    let tenant = hub.tenant_on("replay", openhub_model::ClockKind::Replay).await;
    let clock = async || hub.get("/api/v1/clock", &tenant.api_key).await.body["now"].clone();
    let page = |user: &str, at: &str| json!({"type": "page", "userId": user, "timestamp": at});
    hub.send_events(&tenant, json!([page("u", "2020-01-02T00:00:00Z")])).await;
    assert_eq!(clock().await, "2020-01-02T00:00:00Z");
    for at in ["2025-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "2019-01-01T00:00:00Z"] {
        let answer = hub.post("/v1/batch", &tenant.write_key, json!({"batch": [page("v", at)]})).await;
        assert_eq!(answer.status, 200);
    }
    hub.settle(&tenant).await;
    assert_eq!(clock().await, "2020-01-02T00:00:00Z");
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body;
    let at: Vec<&Value> =
        events["events"].as_array().expect("events").iter().map(|event| &event["occurred_at"]).collect();
    // And it tells of 14 days at most.
    assert_eq!(at, ["2020-01-02T00:00:00Z", "2020-01-02T00:00:00Z", "2020-01-02T00:00:00Z", "2019-12-19T00:00:00Z"]);
    hub.send_events(&tenant, json!([page("u", "2020-01-03T00:00:00Z")])).await;
    assert_eq!(clock().await, "2020-01-03T00:00:00Z");
}

#[tokio::test]
async fn issue_14_a_page_makes_nobody_old() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let page = |user: &str, at: &str| json!({"type": "page", "userId": user, "timestamp": at});
    let first_seen =
        async |user: &str| customer(&hub, &tenant, &format!("user_id:{user}")).await["first_seen_at"].clone();
    for (user, at, seen) in [
        ("old", "1970-01-01T00:00:00Z", "2026-01-17T12:00:00Z"),
        ("away", "2026-01-20T08:00:00Z", "2026-01-20T08:00:00Z"),
    ] {
        let moved = usize::from(at != seen);
        let answer = hub.post("/v1/batch", &tenant.write_key, json!({"batch": [page(user, at)]})).await;
        assert_eq!((answer.status, answer.body["moved"].as_u64().unwrap_or(0)), (200, moved as u64), "{answer:?}");
        hub.settle(&tenant).await;
        assert_eq!(first_seen(user).await, seen);
    }
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body;
    assert_eq!(events["events"][0]["moved_from"], "1970-01-01T00:00:00Z", "{events}");
    hub.send_events(&tenant, json!([page("old", "1970-01-01T00:00:00Z")])).await;
    assert_eq!(first_seen("old").await, "1970-01-01T00:00:00Z", "a server tells of any time");
}

/// The same calls lead to the same log, however far the engine is.
#[tokio::test]
async fn c1_what_is_stamped_on_a_replay_takes_the_time_of_its_log() {
    let hub = Hub::start().await;
    let tenant = hub.tenant_on("replay", openhub_model::ClockKind::Replay).await;
    let made = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let ada = hub.post("/api/v1/customers", &tenant.api_key, made).await.body["id"].clone();
    // Nobody moves the tenant.
    let usurped = hub.usurped().await;
    let order = json!({"type": "track", "event": "Order", "userId": "ada", "timestamp": "2020-01-02T00:00:00Z"});
    assert_eq!(hub.post("/v1/batch", &tenant.server_key, json!({"batch": [order]})).await.status, 200);
    let page = json!({"type": "page", "userId": "v", "timestamp": "9999-01-01T00:00:00Z"});
    assert_eq!(hub.post("/v1/batch", &tenant.write_key, json!({"batch": [page]})).await.status, 200);
    let path = format!("/api/v1/customers/{}", ada.as_str().expect("an id"));
    // And nobody waits for that.
    hub.stopping.cancel();
    let changed = hub.call("PATCH", &path, &tenant.api_key, Some(json!({"tags": {"vip": true}}))).await;
    assert_eq!(changed.status, 202, "{changed:?}");
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body;
    let at: Vec<&Value> =
        events["events"].as_array().expect("events").iter().skip(1).map(|event| &event["occurred_at"]).collect();
    assert_eq!(at, ["2020-01-02T00:00:00Z"; 3], "{events}");
    usurped.release().await;
}

/// One of them would speak for the events of the others.
#[tokio::test]
async fn c_a_body_of_several_keys_is_refused() {
    let hub = Hub::start().await;
    let (ours, theirs) = (hub.tenant("ours").await, hub.tenant("theirs").await);
    let item = |key: &str| json!({"type": "page", "userId": "u", "writeKey": key});
    let send = async |items: Vec<Value>| {
        let request = crate::hub::request("POST", "/v1/batch").header("content-type", "application/json");
        let body = json!({ "batch": items }).to_string();
        hub.send(request.body(body.into()).expect("a request")).await
    };
    for other in [&theirs.write_key, &ours.server_key, "oh_live_nonsense"] {
        let answer = send(vec![item(&ours.write_key), item(other)]).await;
        assert_eq!(
            (answer.status, &answer.body["faults"][0]["pointer"]),
            (400, &json!("/batch/1/writeKey")),
            "{other}"
        );
    }
    let keyless = json!({"type": "page", "userId": "u"});
    assert_eq!(send(vec![keyless.clone(), item(&ours.write_key), item(&ours.write_key), keyless]).await.status, 200);
    for tenant in [&ours, &theirs] {
        let events = hub.get("/api/v1/events", &tenant.api_key).await.body["events"].as_array().expect("events").len();
        assert_eq!(events, if tenant.id == ours.id { 4 } else { 0 });
    }
}

/// A body that cannot be read is told to whoever looks after the key: its library drops it, or tries for ever.
#[tokio::test]
async fn report_22_a_body_that_cannot_be_read_is_a_fault() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let long = format!(r#"{{"type": "page", "userId": "u", "properties": {{"x": "{}"}}}}"#, "x".repeat(40_000));
    let bodies: [(&str, &[u8], &str); 4] = [
        ("/v1/batch", b"{\"batch\": \"\xff\"}", ""),
        ("/v1/batch", b"no gzip", "gzip"),
        ("/v1/batch", b"{}", "br"),
        ("/v1/page", long.as_bytes(), ""),
    ];
    for (path, body, encoding) in bodies {
        let mut request = crate::hub::request("POST", path)
            .header("authorization", format!("Bearer {}", tenant.write_key))
            .header("content-type", "application/json");
        if !encoding.is_empty() {
            request = request.header("content-encoding", encoding);
        }
        let answer = hub.send(request.body(body.to_vec().into()).expect("a request")).await;
        assert!(answer.status >= 400, "{answer:?}");
    }
    let told = async || {
        let faults = hub.get("/api/v1/faults?kind=refused", &tenant.api_key).await.body;
        let mut codes: Vec<String> = faults["faults"]
            .as_array()
            .expect("faults")
            .iter()
            .map(|fault| fault["code"].as_str().expect("a code").to_owned())
            .collect();
        codes.sort();
        codes
    };
    let expected = ["invalid-encoding", "invalid-json", "too-large", "unsupported-media-type"];
    until("each body's fault is told", async || (told().await == expected).then_some(())).await;
}

#[tokio::test]
async fn c2_a_page_imports_nothing() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let batch = json!({"batch": [{"type": "page", "userId": "u"}]});
    for path in ["/v1/import?historical=true", "/v1/import?historical=false", "/v1/import?historical=true&dry_run=true"]
    {
        let answer = hub.post(path, &tenant.write_key, batch.clone()).await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        assert_eq!(hub.post(path, &tenant.server_key, batch.clone()).await.status, 200, "{path}");
    }
    let mut in_the_body = batch.clone();
    in_the_body["writeKey"] = json!(tenant.write_key);
    let request = crate::hub::request("POST", "/v1/import?historical=true").header("content-type", "application/json");
    let answer = hub.send(request.body(in_the_body.to_string().into()).expect("a request")).await;
    assert_eq!(answer.status, 403);
    // What older libraries send there is the present.
    assert_eq!(hub.post("/v1/import", &tenant.write_key, batch).await.status, 200);
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body;
    let historical: Vec<&Value> =
        events["events"].as_array().expect("events").iter().map(|event| &event["historical"]).collect();
    assert_eq!(historical, [true, false, false]);
}

#[tokio::test]
async fn how_many_events_lay_in_the_future_is_told() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let at = |time: &str| json!({"type": "page", "userId": "u", "timestamp": time});
    let batch = json!({"batch": [at("2099-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), at("2999-01-01"), {"type": "page", "userId": "u"}]});
    for path in ["/v1/import?historical=true", "/v1/import?historical=true&dry_run=true", "/v1/batch"] {
        let answer = hub.post(path, &tenant.server_key, batch.clone()).await;
        assert_eq!((answer.status, &answer.body["moved"]), (200, &json!(2)), "{path}");
    }
    let answer = hub.post("/v1/page", &tenant.server_key, at("2099-01-01T00:00:00Z")).await;
    assert_eq!(answer.body, json!({"success": true, "moved": 1}));
}

#[tokio::test]
async fn report_10_history_beats_no_denial() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let import = async |events: Value| {
        let answer = hub.post("/v1/import?historical=true", &tenant.server_key, json!({"batch": events})).await;
        assert_eq!((answer.status, &answer.body["refused"]), (200, &Value::Null), "{answer:?}");
        hub.settle(&tenant).await;
    };
    let say = |user: &str, state: &str, at: Option<&str>| {
        let mut event = json!({"type": "identify", "userId": user, "consents": {"news": {"state": state}}});
        if let Some(at) = at {
            event["timestamp"] = json!(at);
        }
        event
    };
    import(json!([say("a", "denied", Some("2025-03-01T00:00:00Z"))])).await;
    import(json!([say("a", "granted", None), say("b", "granted", None), say("c", "granted", None)])).await;
    import(json!([say("b", "denied", Some("2001-01-01T00:00:00Z"))])).await;
    import(json!([
        say("d", "denied", Some("2025-01-01T00:00:00Z")),
        say("d", "granted", Some("2025-02-01T00:00:00Z"))
    ]))
    .await;
    for (user, holds) in [("a", "denied"), ("b", "denied"), ("c", "granted"), ("d", "granted")] {
        let leaf = json!({"identity": {"kind": "user_id", "is": "eq", "value": user}});
        let condition = json!({"all": [leaf, {"consent": {"purpose": "news", "is": holds}}]});
        let preview = hub.post("/api/v1/segments/preview", &tenant.api_key, json!({"condition": condition})).await;
        assert_eq!(preview.body["count"], 1, "{user}");
    }
    // A withdrawal without a time is one of now.
    import(json!([say("d", "denied", None)])).await;
    let condition = json!({"consent": {"purpose": "news", "is": "granted"}});
    let preview = hub.post("/api/v1/segments/preview", &tenant.api_key, json!({"condition": condition})).await;
    assert_eq!(preview.body["count"], 1);
}

#[tokio::test]
async fn a1_a_journeys_nodes_and_names_have_lengths() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let long = letters(9_000);
    let journey = json!({
        "trigger": {"event": "E"}, "start": long,
        "nodes": {long.clone(): {"type": "update", "attributes": {long.clone(): 1}, "next": "end"}, "end": {"type": "exit"}},
    });
    let saved = hub.call("PUT", "/api/v1/journeys/long", &tenant.api_key, Some(journey)).await;
    assert_eq!(saved.status, 200, "a draft may have faults");
    let answer = hub.post("/api/v1/journeys/long/publish", &tenant.api_key, json!({})).await;
    let pointers: Vec<&str> = answer.body["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter_map(|fault| fault["pointer"].as_str())
        .collect();
    assert_eq!(answer.status, 422);
    for pointer in [format!("/nodes/{long}"), format!("/nodes/{long}/attributes/{long}")] {
        assert!(pointers.contains(&pointer.as_str()), "{} faults", pointers.len());
    }
}
