//! A customer who is erased is gone from every place; one who is not is untouched.

use crate::hub::{Hub, Tenant, encode};
use openhub_model::message::NewMessage;
use openhub_model::run::{Run, RunStatus, Timer};
use openhub_model::{Id, Identity, Object, PartId, Span, Timestamp};
use openhub_store::{Changes, Entry, NewMatch, NodeCount, ObjectChange, Op, Scope, SetAside};
use serde_json::{Value, json};

/// What is planted of one customer, a text of its own in each place.
struct Canaries {
    name: &'static str,
}

impl Canaries {
    fn of(&self, place: &str) -> String {
        format!("canary-{}-{place}-canary", self.name)
    }

    fn user(&self) -> String {
        self.of("user")
    }

    fn email(&self) -> String {
        format!("{}@example.com", self.of("mail"))
    }
}

const PLACES: [&str; 22] = [
    "user",
    "anonymous",
    "mail",
    "name",
    "trait",
    "property",
    "event",
    "message-id",
    "tag",
    "consent",
    "context",
    "field",
    "key",
    "unique",
    "content",
    "address",
    "provider",
    "state",
    "fault",
    "aside",
    "reason",
    "journey-state",
];

/// Sends what doors take, and writes what the engine would have made of it.
async fn plant(hub: &Hub, tenant: &Tenant, canaries: &Canaries) -> PartId {
    let of = |place: &str| canaries.of(place);
    let at = "2026-01-30T12:00:00Z";
    hub.send_events(
        tenant,
        json!([
            {"type": "identify", "userId": canaries.user(), "anonymousId": of("anonymous"), "timestamp": at,
                "messageId": of("message-id"), "traits": {"email": canaries.email(), "name": of("name"), "x": of("trait")},
                "tags": {of("tag"): true}, "consents": {"marketing": {"state": "granted", "source": of("consent")}},
                "context": {"page": of("context")}},
            {"type": "track", "event": of("event"), "userId": canaries.user(), "messageId": of("message-id-2"),
                "timestamp": at, "properties": {"note": of("property")}},
            {"type": "track", "event": "Seen", "anonymousId": of("anonymous"), "messageId": of("message-id-3")},
        ]),
    )
    .await;
    let scope = Scope::of(tenant.id);
    let part = Identity::new(Identity::USER_ID, canaries.user()).part(tenant.id);
    let position = hub.store.standing(&scope).await.unwrap().head;
    let id = |what: &str| Id::named(&[of(what).as_bytes()]);
    let run = |what: &str, status, due: Option<Timestamp>| Run {
        id: id(what),
        part,
        journey: "win-back".to_owned(),
        version: 1,
        node: "quiet".to_owned(),
        step: 1,
        status,
        awaits: None,
        due,
        state: json!({"trigger": of("journey-state")}).to_string(),
        started_at: hub.now(),
        ended_at: None,
        fault: Some(of("fault")),
    };
    let due = hub.now() + Span::from_micros(1_000_000_000_000);
    let message = NewMessage {
        id: id("message"),
        part,
        channel: "mail".to_owned(),
        address: of("address"),
        purpose: String::new(),
        content: json!({"text": of("content")}).to_string(),
        journey: "win-back".to_owned(),
        run: id("run"),
        node: "send".to_owned(),
        created_at: hub.now(),
        expires_at: None,
    };
    let object = Object {
        kind: "coupon".to_owned(),
        key: of("key"),
        part: Some(part),
        version: 1,
        fields: json!({"code": of("field")}),
        created_at: hub.now(),
        updated_at: hub.now(),
        cause: of("message-id"),
    };
    let proposal = NewMatch {
        id: id("match"),
        part,
        identity: Identity::new("card", of("card")),
        score: 0.5,
        reason: of("reason"),
        source: of("message-id"),
        proposed_at: hub.now(),
    };
    let changes = Changes {
        runs: vec![run("run", RunStatus::Waiting, Some(due)), run("ended", RunStatus::Done, None)],
        armed: vec![Timer { due, id: id("run"), part }],
        entries: vec![Entry { journey: "win-back".into(), part, runs: 2, active: 1, last_entered_at: hub.now() }],
        messages: vec![message],
        objects: vec![ObjectChange::Create(object, vec![("code".to_owned(), of("unique"))])],
        matches: vec![proposal],
        counts: vec![NodeCount {
            journey: "win-back".into(),
            version: 1,
            node: "quiet".into(),
            entered: 2,
            waiting: 1,
        }],
        set_aside: vec![SetAside { position, message_id: of("message-id-3"), fault: of("aside"), at: hub.now() }],
        ..Changes::default()
    };
    hub.commit(tenant, changes).await;
    part
}

async fn customer(hub: &Hub, tenant: &Tenant, identity: &str) -> Option<Value> {
    let found = hub.get(&format!("/api/v1/customers?identity={}", encode(identity)), &tenant.api_key).await;
    found.body["customers"][0].as_object().map(|customer| Value::Object(customer.clone()))
}

async fn setting(hub: &Hub) -> Tenant {
    let tenant = hub.tenant("shop").await;
    let at = hub.now();
    let journey = Op::PutJourneyDraft { name: "win-back".to_owned(), definition: json!({}), at };
    hub.store.transact(&Scope::of(tenant.id), vec![journey]).await.expect("a journey");
    hub.call("PUT", "/api/v1/segments/best", &tenant.api_key, Some(json!({"static": true}))).await;
    tenant
}

fn count(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

#[tokio::test]
async fn nothing_readable_is_left_of_an_erased_customer() {
    let hub = Hub::start().await;
    let tenant = setting(&hub).await;
    let (gone, kept) = (Canaries { name: "gone" }, Canaries { name: "kept" });
    for canaries in [&gone, &kept] {
        plant(&hub, &tenant, canaries).await;
        let add = json!({"add": [{"kind": "user_id", "value": canaries.user()}]});
        assert_eq!(hub.post("/api/v1/segments/best/members", &tenant.api_key, add).await.status, 200);
    }
    let found = customer(&hub, &tenant, &format!("user_id:{}", gone.user())).await.expect("the customer");
    let path = format!("/api/v1/customers/{}", found["id"].as_str().expect("an id"));
    let before = hub.get(&format!("{path}/data"), &tenant.api_key).await;
    let said = before.body.as_str().expect("lines");
    for place in PLACES.iter().filter(|place| !["unique", "provider", "state"].contains(place)) {
        assert!(said.contains(&gone.of(place)), "the export lacks {place}");
    }
    assert!(!said.contains("canary-kept"), "the export holds another's data");
    assert!(count(&hub.database(), "canary-gone") > 20, "hardly a canary was planted");

    let receipt = hub.call("DELETE", &path, &tenant.api_key, None).await;
    assert_eq!(receipt.status, 200, "{receipt:?}");
    insta::assert_json_snapshot!("receipt", receipt.body);
    let erasure = receipt.body["id"].as_str().expect("an id");
    assert_eq!(hub.get(&format!("/api/v1/erasures/{erasure}"), &tenant.api_key).await.body, receipt.body);
    let all = hub.get("/api/v1/erasures", &tenant.api_key).await.body;
    assert_eq!(all["erasures"], json!([receipt.body]));

    let bytes = hub.database();
    assert_eq!(count(&bytes, "canary-gone"), 0, "{}", near(&bytes, "canary-gone"));
    for place in PLACES.iter().filter(|place| !["provider", "state"].contains(place)) {
        assert!(count(&bytes, &kept.of(place)) > 0, "{place} of the other customer is gone");
    }
    assert_eq!(hub.get(&path, &tenant.api_key).await.status, 404);
    let segment = hub.get("/api/v1/segments/best", &tenant.api_key).await;
    assert_eq!(segment.body["members"], 1);
    let status = hub.get("/api/v1/status", &tenant.api_key).await.body;
    assert_eq!((&status["waiting_runs"], &status["unsent"], &status["set_aside"]), (&json!(1), &json!(1), &json!(1)));
}

/// What stands around a text, to see where it was left.
fn near(bytes: &[u8], text: &str) -> String {
    let found = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&bytes[found.saturating_sub(120)..(found + 120).min(bytes.len())]).into_owned()
}
