//! One customer, whole: who they are, what belongs to them, what happened to them.

use crate::hub::Hub;
use insta::assert_json_snapshot;
use openhub_model::{Cause, Object, PartId};
use openhub_store::{CatalogChange, Changes, Indexed, Membership, ObjectChange, Op, Scope, SegmentVersion};
use openhub_test_postgres::Server;
use serde_json::{Value, json};

#[tokio::test]
async fn a_profile_has_all_that_belongs_to_a_customer() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let identify = json!({"type": "identify", "userId": "ada", "anonymousId": "x", "messageId": "first",
        "timestamp": "2026-01-30T12:00:00Z", "traits": {"name": "Ada", "age": 36}});
    hub.send_events(&tenant, json!([identify])).await;
    let found = hub.get("/api/v1/customers?identity=user_id:ada", key).await;
    let id: PartId = found.body["customers"][0]["id"].as_str().unwrap().parse().unwrap();
    let scope = Scope::of(tenant.id);
    let version = SegmentVersion {
        segment: "best".to_owned(),
        version: 1,
        condition: None,
        author: "test".to_owned(),
        created_at: hub.now(),
    };
    hub.store.transact(&scope, vec![Op::PutSegmentVersion(version)]).await.unwrap();
    let mut customer = hub.store.customer(&scope, id).await.unwrap().unwrap();
    let rule = |at| Cause { at, event: "first".into(), plugin: Some("d1".into()), rule: Some("rfm".into()) };
    customer.set("recency", json!(4), rule(hub.now()));
    customer.set("tier", json!("gold"), rule(hub.now()));
    let changes = Changes {
        customers: vec![customer.into()],
        catalog: vec![CatalogChange::Segment { name: "best".to_owned(), version: 1, position: 0 }],
        memberships: vec![Membership { segment: "best".to_owned(), customer: id, since: Some(hub.now()) }],
        objects: [("coupon", "A/1"), ("coupon", "B"), ("store", "C")].map(|(kind, k)| object(&hub, kind, k, id)).into(),
        ..Changes::default()
    };
    hub.commit(&tenant, changes).await;
    let path = format!("/api/v1/customers/{id}");
    let consents = json!({"consents": {"marketing/email": {"state": "granted", "source": "form"}}});
    assert_eq!(hub.call("PATCH", &path, key, Some(consents)).await.status, 200);
    assert_json_snapshot!("profile", hub.get(&path, key).await);
    let derived = hub.get(&format!("{path}/history?name=tier"), key).await.body;
    let expected = json!({"kind": "attribute", "name": "tier", "value": "gold", "at": hub.now(), "event": "first",
        "plugin": "d1", "rule": "rfm"});
    assert_eq!(derived["entries"], json!([expected]));
    let segments = hub.get(&format!("{path}/segments"), key).await;
    let member = json!({"segment": "best", "since": hub.now()});
    assert_eq!((segments.status, segments.body), (200, json!({"segments": [member]})));
    let mut keys = Vec::new();
    let mut after = String::new();
    loop {
        let page = hub.get(&format!("{path}/objects?limit=1{after}"), key).await.body;
        keys.extend(page["objects"].as_array().unwrap().iter().map(|object| object["key"].clone()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(keys, ["A/1", "B", "C"]);
    let timeline = async |query: &str| -> Vec<String> {
        let page = hub.get(&format!("{path}/timeline?{query}"), key).await;
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.body["items"].as_array().unwrap().iter();
        items.map(|item| item["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(timeline("kind=consent").await, ["consent"]);
    assert_eq!(timeline("kind=object,consent").await, ["object", "object", "object", "consent"]);
    assert_eq!(timeline("").await, ["object", "object", "object", "consent", "event", "event"]);
    assert_eq!(timeline("to=2026-01-31T00:00:00Z").await, ["event"]);
    assert_eq!(timeline("kind=event&from=2026-01-30T12:00:00Z").await, ["event", "event"]);
    let page = hub.get(&format!("{path}/timeline?kind=consent"), key).await.body;
    let detail: &Value = &page["items"][0]["detail"];
    assert_eq!(detail["consents"]["marketing/email"]["state"], "granted");
}

fn object(hub: &Hub, kind: &str, key: &str, part: PartId) -> ObjectChange {
    let object = Object {
        kind: kind.to_owned(),
        key: key.to_owned(),
        part: Some(part),
        version: 1,
        fields: json!({"percent": 15}),
        created_at: hub.now(),
        updated_at: hub.now(),
        cause: "m".to_owned(),
    };
    ObjectChange::Create(object, Indexed::default())
}

#[tokio::test]
async fn the_history_says_who_set_what_on_sqlite() {
    the_history_says_who_set_what(Hub::start().await).await;
}

#[tokio::test]
async fn the_history_says_who_set_what_on_postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    the_history_says_who_set_what(Hub::on_postgres(database).await).await;
}

async fn the_history_says_who_set_what(hub: Hub) {
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let declared = json!({"type": "integer"});
    assert_eq!(hub.call("PUT", "/api/v1/attributes/age", key, Some(declared)).await.status, 200);
    let say = |id: &str, at: &str, body: Value| {
        let mut event = json!({"type": "identify", "userId": "ada", "messageId": id, "asked_by": "nobody",
            "timestamp": format!("2026-01-30T{at}:00:00Z")});
        event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        event
    };
    let events = json!([
        say("second", "11", json!({"traits": {"city": "Paris", "age": "old"}})),
        say("first", "10", json!({"traits": {"city": "London", "age": 36}, "anonymousId": "x"})),
        say("third", "12", json!({"type": "group", "groupId": "g1"})),
    ]);
    hub.send_events(&tenant, events).await;
    let found = hub.get("/api/v1/customers?identity=anonymous_id:x", key).await;
    let path = format!("/api/v1/customers/{}", found.body["customers"][0]["id"].as_str().unwrap());
    for change in [
        json!({"tags": {"vip": true}, "consents": {"news": {"state": "granted", "source": "form"}}}),
        json!({"tags": {"vip": false}, "consents": {"news": null}, "attributes": {"city": null}}),
    ] {
        hub.advance(std::time::Duration::from_secs(60));
        assert_eq!(hub.call("PATCH", &path, key, Some(change)).await.status, 200);
    }
    let page = hub.get(&format!("{path}/history"), key).await;
    assert_json_snapshot!("history", page);
    let mut pages = Vec::new();
    let mut before = String::new();
    loop {
        let part = hub.get(&format!("{path}/history?limit=2{before}"), key).await.body;
        pages.extend(part["entries"].as_array().unwrap().iter().cloned());
        match part["next"].as_str() {
            Some(next) => before = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(json!(pages), page.body["entries"], "page by page");
    let values = async |query: &str| -> Vec<Value> {
        let page = hub.get(&format!("{path}/history?{query}"), key).await.body;
        page["entries"].as_array().unwrap().iter().map(|entry| entry["value"].clone()).collect()
    };
    assert_eq!(values("name=city").await, [Value::Null, json!("Paris"), json!("London")]);
    assert_eq!(values("kind=tag").await, [json!(false), json!(true)]);
    assert_eq!(values("kind=tag&name=city").await, Vec::<Value>::new());
    assert_eq!(values("kind=attribute&name=age").await, [json!(36)], "a refused value was not set");
    assert_eq!(hub.get(&format!("{path}/history?kind=score"), key).await.status, 400);
}
