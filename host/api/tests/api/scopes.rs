//! A scope means one thing wherever something is read or done.

use crate::hub::Hub;
use openhub_model::{EventKind, NewEvent};
use openhub_store::{FaultKind, NewFault, Op, Scope};
use serde_json::{Value, json};

/// Whoever learns the answer to a condition has read what it asks.
#[tokio::test]
async fn a_condition_needs_the_scopes_of_what_it_asks() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let made =
        hub.post("/api/v1/customers", &tenant.api_key, json!({"identities": [{"kind": "user_id", "value": "ada"}]}));
    let id = made.await.body["id"].as_str().expect("an id").to_owned();
    let tag = json!({"tag": "vip"});
    let message = json!({"not": {"message": {"is": "delivered"}}});
    let saved = hub.call("PUT", "/api/v1/segments/reached", &tenant.api_key, Some(json!({"condition": message}))).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    let reads = ["customers:read", "segments:read", "segments:write"];
    let (bare, full) = (hub.key(tenant.id, &reads).await, [&reads[..], &["messages:read"]].concat());
    let full = hub.key(tenant.id, &full).await;
    for (condition, key, expected) in [(&tag, &bare, 200), (&message, &bare, 403), (&message, &full, 200)] {
        let text = condition.to_string();
        let mut query = form(&text);
        query.insert_str(0, "?condition=");
        let body = json!({"condition": condition});
        let why = json!({"condition": condition, "customer": id});
        for answer in [
            hub.get(&format!("/api/v1/customers{query}"), key).await,
            hub.get(&format!("/api/v1/export/customers{query}"), key).await,
            hub.post("/api/v1/segments/preview", key, body.clone()).await,
            hub.post("/api/v1/segments/why", key, why).await,
            hub.call("PUT", "/api/v1/segments/again", key, Some(body)).await,
        ] {
            assert_eq!(answer.status, expected, "{text}: {answer:?}");
        }
    }
    let no_segments = hub.key(tenant.id, &["customers:read", "messages:read"]).await;
    for of in ["members".to_owned(), "export".to_owned(), format!("why?customer={id}")] {
        let path = format!("/api/v1/segments/reached/{of}");
        assert_eq!((hub.get(&path, &no_segments).await.status, hub.get(&path, &full).await.status), (403, 200), "{of}");
    }
    let why = format!("/api/v1/segments/reached/why?customer={id}");
    assert_eq!((hub.get(&why, &bare).await.status, hub.get(&why, &full).await.status), (403, 200));
    let all = format!("/api/v1/customers/{id}/segments?why=true");
    assert_eq!((hub.get(&all, &bare).await.status, hub.get(&all, &full).await.status), (403, 200));
}

/// Neither are the names of what it may not ask about told to it.
#[tokio::test]
async fn issue_14_a_condition_names_nothing_that_its_key_may_not_read() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let declared = json!({"fields": [{"name": "status", "type": "text"}]});
    let put = hub.call("PUT", "/api/v1/object-types/coupon", &tenant.api_key, Some(declared)).await;
    assert!(put.status < 300, "{put:?}");
    let reader = hub.key(tenant.id, &["customers:read"]).await;
    let object = json!({"object": {"kind": "cupon", "quantifier": "any"}});
    for condition in [object.clone(), json!({"all": [object, {"tag": 7}]})] {
        let body = json!({"condition": condition});
        let refused = hub.post("/api/v1/segments/preview", &reader, body.clone()).await;
        assert!([403, 422].contains(&refused.status), "{refused:?}");
        assert!(!refused.body.to_string().contains("coupon"), "{refused:?}");
        let told = hub.post("/api/v1/segments/preview", &tenant.api_key, body).await;
        assert!(told.status == 422 && told.body.to_string().contains("coupon"), "{told:?}");
    }
}

fn form(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn who_may_write_customers_reads_and_joins_none() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let writer = hub.key(tenant.id, &["customers:write"]).await;
    let named = |names: &[(&str, &str)]| {
        let identities: Vec<Value> = names.iter().map(|(kind, value)| json!({"kind": kind, "value": value})).collect();
        json!({"identities": identities, "attributes": {"tier": "gold"}})
    };
    let one = hub.post("/api/v1/customers", &writer, named(&[("user_id", "ada")])).await;
    assert_eq!((one.status, one.body), (204, Value::Null));
    let two = named(&[("user_id", "ada"), ("email", "ada@example.com")]);
    assert_eq!(hub.post("/api/v1/customers", &writer, two.clone()).await.status, 403);
    let found = hub.get("/api/v1/customers?identity=user_id:ada", &tenant.api_key).await.body["customers"][0].clone();
    assert_eq!(found["attributes"]["tier"], "gold", "it was written all the same");
    let path = format!("/api/v1/customers/{}", found["id"].as_str().expect("an id"));
    let changed = hub.call("PATCH", &path, &writer, Some(json!({"tags": {"vip": true}}))).await;
    assert_eq!((changed.status, changed.body), (204, Value::Null));
    let joiner = hub.key(tenant.id, &["customers:write", "customers:read", "identities:write"]).await;
    let joined = hub.post("/api/v1/customers", &joiner, two).await;
    assert_eq!((joined.status, joined.body["identities"].as_array().map(Vec::len)), (200, Some(2)));
}

/// Who tries a change again makes it.
#[tokio::test]
async fn a_change_is_tried_again_by_who_may_make_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let scope = Scope::of(tenant.id);
    let event = NewEvent {
        message_id: "control-1".into(),
        kind: EventKind::Control,
        name: "segment.removed".into(),
        part: None,
        occurred_at: hub.now(),
        received_at: hub.now(),
        historical: false,
        authority: Default::default(),
        cause: None,
        body: json!({"segment": "vip", "principal": {"key": "an-admin"}}).to_string(),
    };
    hub.store.transact(&scope, vec![Op::Append(event)]).await.expect("it is appended");
    // It may be in the list of events that were set aside as well as in that of changes.
    for kind in [FaultKind::Control, FaultKind::Event] {
        let fault = NewFault::one(kind, "control-1", "segment.removed", "failed", "It failed.");
        let fault = NewFault { message_id: Some("control-1".into()), ..fault };
        let path = format!("/api/v1/faults/{}/retry", fault.id);
        hub.store.file_faults(&scope, hub.now(), vec![fault]).await.expect("it is filed");
        let reads = ["faults:read", "faults:write"];
        let weak = hub.key(tenant.id, &reads).await;
        assert_eq!(hub.post(&path, &weak, json!({})).await.status, 403, "{kind:?}");
        let strong = hub.key(tenant.id, &[&reads[..], &["segments:write"]].concat()).await;
        assert_eq!(hub.post(&path, &strong, json!({})).await.status, 200, "{kind:?}");
    }
    let log = hub.get("/api/v1/events?name=segment.removed", &tenant.api_key).await.body;
    let again = log["events"].as_array().expect("events").last().expect("it was tried again").clone();
    assert!(again["body"]["retried_by"]["id"].is_string(), "{log}");
}
