//! A customer who is erased is gone from every place; one who is not is untouched.

use crate::hub::{Hub, Tenant, encode, limits};
use openhub_api::Limits;
use openhub_model::identity::Authority;
use openhub_model::message::NewMessage;
use openhub_model::run::{Run, RunStatus, Told, Update};
use openhub_model::timer::Timer;
use openhub_model::{EventKind, Id, Identity, NewEvent, Object, PartId, Span, Timestamp};
use openhub_store::{
    CatalogChange, Changes, Entry, EventFilter, FaultKind, FormerFields, LeftOut, NewFault, NewMatch, NodeCount,
    ObjectChange, ObjectKey, Op, Scope, SetAside,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is planted of one customer, a text of its own in each place.
pub struct Canaries {
    pub name: &'static str,
}

impl Canaries {
    pub fn of(&self, place: &str) -> String {
        format!("canary-{}-{place}-canary", self.name)
    }

    pub fn user(&self) -> String {
        self.of("user")
    }

    fn email(&self) -> String {
        format!("{}@example.com", self.of("mail"))
    }
}

const PLACES: [&str; 25] = [
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
    "left-out",
    "key",
    "unique",
    "content",
    "address",
    "provider",
    "state",
    "fault",
    "aside",
    "listed",
    "reason",
    "journey-state",
    "update",
];

/// Sends what doors take, and writes what the engine would have made of it.
pub async fn plant(hub: &Hub, tenant: &Tenant, canaries: &Canaries) -> PartId {
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
    let note = [("note".to_owned(), of("update").into())].into_iter().collect();
    let thanked = Update { node: "thank".to_owned(), at: hub.now(), attributes: note, tags: BTreeMap::new() };
    let run = |what: &str, status, due: Option<Timestamp>| Run {
        id: id(what),
        part,
        journey: "win-back".to_owned(),
        version: 1,
        node: "quiet".to_owned(),
        step: 1,
        status,
        since: 0,
        awaits: Vec::new(),
        due,
        state: json!({"trigger": of("journey-state")}).to_string(),
        started_at: hub.now(),
        ended_at: None,
        fault: Some(of("fault")),
        served_by: None,
        told: Told { reason: None, updates: [thanked.clone()].into() },
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
    let left_out = LeftOut { version: 1, fields: Map::from_iter([("album".to_owned(), json!(of("left-out")))]) };
    let former = FormerFields { object: ObjectKey::new("coupon", of("key")), former: Some(left_out) };
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
        armed: vec![Timer::run(id("run"), part, due)],
        entries: vec![Entry { journey: "win-back".into(), part, runs: 2, active: 1, last_entered_at: hub.now() }],
        messages: vec![message],
        objects: vec![ObjectChange::Create(object, vec![("code".to_owned(), of("unique"))].into())],
        catalog: vec![CatalogChange::PluginMigrates { plugin: "none".to_owned(), state: None, former: vec![former] }],
        matches: vec![proposal],
        counts: vec![NodeCount {
            journey: "win-back".into(),
            version: 1,
            node: "quiet".into(),
            entered: 2,
            waiting: 1,
        }],
        set_aside: vec![SetAside { position, message_id: of("message-id-3"), fault: of("aside"), at: hub.now() }],
        faults: vec![
            NewFault {
                part: Some(part),
                ..NewFault::one(FaultKind::Run, &id("ended").to_string(), "win-back/send", "refused", of("listed"))
            },
            NewFault {
                position: Some(position),
                message_id: Some(of("message-id-3")),
                ..NewFault::one(FaultKind::Event, &of("message-id-3"), "event", "panic", of("listed"))
            },
            NewFault {
                message_id: Some(of("message-id-3")),
                ..NewFault::counted(FaultKind::RowSkipped, "loyalty/earn", "missing", "total", "It has no total.")
            },
        ],
        ..Changes::default()
    };
    hub.commit(tenant, changes).await;
    part
}

/// What a rule said of one customer because of another's event.
async fn caused_by(hub: &Hub, tenant: &Tenant, cause: &str, of: &Canaries) {
    let event = NewEvent {
        message_id: "caused".to_owned(),
        kind: EventKind::Track,
        name: "Referred".to_owned(),
        part: Some(Identity::new(Identity::USER_ID, of.user()).part(tenant.id)),
        occurred_at: hub.now(),
        received_at: hub.now(),
        historical: false,
        authority: Authority::Operator,
        cause: Some(cause.to_owned()),
        body: "{}".to_owned(),
    };
    hub.store.append(&Scope::of(tenant.id), vec![event]).await.expect("it is appended");
    ping(hub, tenant).await;
}

async fn customer(hub: &Hub, tenant: &Tenant, identity: &str) -> Option<Value> {
    let found = hub.get(&format!("/api/v1/customers?identity={}", encode(identity)), &tenant.api_key).await;
    found.body["customers"][0].as_object().map(|customer| Value::Object(customer.clone()))
}

/// A change by the API, which waits for the engine: what was sent before is computed then.
async fn ping(hub: &Hub, tenant: &Tenant) {
    let ping = json!({"identities": [{"kind": "user_id", "value": "ping"}]});
    assert!(hub.post("/api/v1/customers", &tenant.api_key, ping).await.status < 202);
}

async fn setting(hub: &Hub) -> Tenant {
    let tenant = hub.tenant("shop").await;
    set_up(hub, &tenant).await;
    tenant
}

/// What [`plant`] needs to be there.
pub async fn set_up(hub: &Hub, tenant: &Tenant) {
    let at = hub.now();
    let journey = Op::PutJourneyDraft { name: "win-back".to_owned(), definition: json!({}), at };
    hub.store.transact(&Scope::of(tenant.id), vec![journey]).await.expect("a journey");
    hub.call("PUT", "/api/v1/segments/best", &tenant.api_key, Some(json!({"static": true}))).await;
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
    for place in PLACES.iter().filter(|place| !["unique", "provider", "state", "listed"].contains(place)) {
        assert!(said.contains(&gone.of(place)), "the export lacks {place}");
    }
    assert!(!said.contains("canary-kept"), "the export holds another's data");
    caused_by(&hub, &tenant, &gone.of("message-id-2"), &kept).await;
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
    let caused = hub.store.event(&Scope::of(tenant.id), "caused").await.expect("a store").expect("it is kept's");
    let erased = hub.store.event(&Scope::of(tenant.id), &caused.cause.expect("a mark")).await.expect("a store");
    assert_eq!(erased.expect("the mark is that of the cause").kind, EventKind::Erased);
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

/// Who is erased and not suppressed comes back as somebody new; what was sent before is still a duplicate.
#[tokio::test]
async fn a_forgotten_customer_comes_back_as_a_new_one() {
    let hub = Hub::start().await;
    let tenant = setting(&hub).await;
    let gone = Canaries { name: "gone" };
    plant(&hub, &tenant, &gone).await;
    let identity = format!("user_id:{}", gone.user());
    let id = customer(&hub, &tenant, &identity).await.expect("the customer")["id"].clone();
    let path = format!("/api/v1/customers/{}", id.as_str().expect("an id"));
    assert_eq!(hub.call("DELETE", &path, &tenant.api_key, None).await.status, 200);
    let again = json!({"type": "track", "event": gone.of("event"), "userId": gone.user(),
        "messageId": gone.of("message-id-2"), "properties": {"note": gone.of("property")}});
    let answer = hub.post("/v1/batch", &tenant.write_key, json!({"batch": [again]})).await;
    assert_eq!((answer.status, answer.body), (200, json!({"success": true})));
    ping(&hub, &tenant).await;
    assert_eq!(customer(&hub, &tenant, &identity).await, None, "a copy of an erased event is a duplicate");
    assert_eq!(count(&hub.database(), "canary-gone"), 0);
    let new = json!({"type": "identify", "userId": gone.user(), "messageId": "new", "traits": {"plan": "free"}});
    hub.send_events(&tenant, json!([new])).await;
    let back = customer(&hub, &tenant, &identity).await.expect("a new customer");
    assert_eq!(back["attributes"], json!({"plan": "free"}));
    assert_eq!(back["identities"].as_array().expect("identities").len(), 1);
    assert_eq!(back["tags"], json!([]));
    let timeline = hub.get(&format!("{path}/timeline"), &tenant.api_key).await.body;
    assert_eq!(timeline["items"].as_array().expect("items").len(), 1, "{timeline}");
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body;
    let erased = events["events"].as_array().expect("events").iter().filter(|event| event["type"] == "erased");
    for event in erased {
        let left = (&event["name"], &event["customer"], &event["body"]);
        assert_eq!(left, (&json!(""), &Value::Null, &json!({})), "{event}");
    }
}

/// A page's event under a server's id stays where it is when the customer of the server's event is erased.
#[tokio::test]
async fn an_erased_event_stays_erased_beside_a_page_that_took_its_id() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let order = |user: &str| json!({"type": "track", "event": "Order", "userId": user, "messageId": "order-1"});
    let say = async |key: &str, user: &str| {
        let answer = hub.post("/v1/batch", key, json!({"batch": [order(user)]})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        hub.settle(&tenant).await;
    };
    say(&tenant.write_key, "mallory").await;
    say(&tenant.api_key, "ada").await;
    let ada = customer(&hub, &tenant, "user_id:ada").await.expect("the server's order stands beside the page's");
    let path = format!("/api/v1/customers/{}", ada["id"].as_str().expect("an id"));
    assert_eq!(hub.call("DELETE", &path, &tenant.api_key, None).await.status, 200);
    say(&tenant.api_key, "ada").await;
    assert_eq!(customer(&hub, &tenant, "user_id:ada").await, None, "a copy of an erased event is a duplicate");
    assert!(customer(&hub, &tenant, "user_id:mallory").await.is_some());
}

/// A page that took a server's id and was erased has taken nothing.
#[tokio::test]
async fn c10_an_erased_page_takes_no_id_of_a_server() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let say = async |noise: &Value| {
        let answer = hub.post("/v1/batch", &tenant.write_key, json!({"batch": [noise]})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        hub.settle(&tenant).await;
    };
    for path in ["/v1/batch", "/v1/import"] {
        let id = format!("order-of{path}");
        let noise = json!({"type": "track", "event": "noise", "anonymousId": "mallory", "messageId": id});
        let order = json!({"type": "track", "event": "Order Completed", "userId": "ada", "messageId": id});
        say(&noise).await;
        let visitor = customer(&hub, &tenant, "anonymous_id:mallory").await.expect("the visitor");
        let erased = format!("/api/v1/customers/{}", visitor["id"].as_str().expect("an id"));
        assert_eq!(hub.call("DELETE", &erased, &tenant.api_key, None).await.status, 200);
        for _ in 0..2 {
            let answer = hub.post(path, &tenant.api_key, json!({"batch": [order]})).await;
            assert_eq!((answer.status, &answer.body["success"]), (200, &json!(true)), "{path}: {answer:?}");
        }
        say(&noise).await;
        assert_eq!(customer(&hub, &tenant, "anonymous_id:mallory").await, None, "a copy of an erased event");
    }
    let orders = hub.get("/api/v1/events?name=Order%20Completed", &tenant.api_key).await.body;
    assert_eq!(orders["events"].as_array().map(Vec::len), Some(2), "{orders}");
}

#[tokio::test]
async fn a_suppressed_identity_is_refused_at_every_door() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let policy = json!({"kinds": {}, "erasure": {"suppress": true}});
    assert_eq!(hub.call("PUT", "/api/v1/identity-kinds", key, Some(policy)).await.status, 200);
    let server = hub.key(tenant.id, openhub_api::KeyScopes::SERVER).await;
    let ada = json!({"userId": "ada", "anonymousId": "v1", "messageId": "m1", "traits": {"email": "Ada@Example.com"}});
    assert_eq!(hub.post("/v1/identify", &server, ada.clone()).await.status, 200);
    hub.settle(&tenant).await;
    // Somebody else claimed the address, and was refused: the hub's own record of that names Ada.
    let rival = json!({"userId": "bob", "messageId": "m2", "traits": {"email": "ada@example.com"}});
    assert_eq!(hub.post("/v1/identify", &server, rival).await.status, 200);
    hub.settle(&tenant).await;
    let path = format!(
        "/api/v1/customers/{}",
        customer(&hub, &tenant, "user_id:ada").await.expect("Ada")["id"].as_str().unwrap()
    );
    let receipt = hub.call("DELETE", &path, key, None).await;
    assert_eq!((receipt.status, &receipt.body["identities"]), (200, &json!("suppressed")));
    let places = receipt.body["places"].as_array().expect("places").iter();
    let of = |place: &str| places.clone().find(|one| one["place"] == place).expect("a place")["count"].clone();
    assert_eq!((of("claims_of_others"), of("events_of_others")), (json!(1), json!(1)));
    let refusals = hub.get("/api/v1/events?name=Identity%20Refused", key).await.body;
    assert_eq!(refusals["events"], json!([]));
    assert_eq!(hub.get("/api/v1/suppressions", key).await.body, json!({"count": 3}));

    for (call, body, pointer) in [
        ("identify", json!({"userId": "ada"}), "/userId"),
        ("page", json!({"anonymousId": "v1"}), "/anonymousId"),
        ("track", json!({"userId": "eve", "anonymousId": "v1", "event": "E"}), "/anonymousId"),
        ("identify", json!({"userId": "eve", "traits": {"email": " ADA@example.com"}}), "/traits/email"),
        ("alias", json!({"userId": "eve", "previousId": "v1"}), "/previousId"),
        (
            "track",
            json!({"userId": "eve", "event": "E", "identities": [{"kind": "email", "value": "ada@example.com"}]}),
            "/identities",
        ),
    ] {
        let answer = hub.post(&format!("/v1/{call}"), &tenant.write_key, body).await;
        let fault = &answer.body["faults"][0];
        assert_eq!((answer.status, &fault["code"]), (400, &json!("suppressed-identity")), "{call}: {answer:?}");
        assert_eq!(fault["pointer"], pointer, "{call}");
    }
    let batch = json!({"batch": [
        {"type": "track", "event": "E", "userId": "eve", "messageId": "b1"},
        {"type": "track", "event": "E", "userId": "ada", "messageId": "b2"},
        {"type": "track", "event": "E"},
        {"type": "track", "event": "E", "userId": "eve", "messageId": "b3"},
    ]});
    for path in ["/v1/batch", "/v1/import"] {
        let answer = hub.post(path, &tenant.write_key, batch.clone()).await;
        let refused = answer.body["refused"].as_array().expect("refused events").iter();
        let refused: Vec<(u64, &str)> =
            refused.map(|one| (one["index"].as_u64().unwrap(), one["code"].as_str().unwrap())).collect();
        assert_eq!(
            (answer.status, refused),
            (200, vec![(1, "suppressed-identity"), (2, "missing-identity")]),
            "{path}"
        );
    }
    let by_hand =
        json!({"identities": [{"kind": "user_id", "value": "new"}, {"kind": "email", "value": "ADA@example.com"}]});
    let answer = hub.post("/api/v1/customers", key, by_hand).await;
    let fault = &answer.body["faults"][0];
    assert_eq!(
        (answer.status, &fault["code"], &fault["pointer"]),
        (400, &json!("suppressed-identity"), &json!("/identities/1/value"))
    );
    ping(&hub, &tenant).await;
    assert_eq!(customer(&hub, &tenant, "user_id:ada").await, None);
    assert!(customer(&hub, &tenant, "user_id:eve").await.is_some());

    let email = json!({"kind": "email", "value": "Ada@example.com"});
    let check = hub.post("/api/v1/suppressions/check", key, email.clone()).await;
    assert_eq!((check.status, check.body), (200, json!({"suppressed": true})));
    let removed = hub.post("/api/v1/suppressions/remove", key, email.clone()).await;
    assert_eq!((removed.status, removed.body), (200, json!({"suppressed": false})));
    assert_eq!(hub.post("/api/v1/suppressions/remove", key, email.clone()).await.status, 404);
    assert_eq!(hub.post("/api/v1/suppressions/check", key, email).await.body, json!({"suppressed": false}));
    let eve = json!({"userId": "eve", "traits": {"email": "ada@example.com"}});
    assert_eq!(hub.post("/v1/identify", &tenant.write_key, eve).await.status, 200);
}

/// What comes into the log past the door (from a rule, or while the erasure was under way) is stopped by the engine.
#[tokio::test]
async fn the_engine_stops_what_passed_the_door() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let event = json!([{"type": "track", "event": "E", "userId": "ada", "messageId": "m1"}]);
    hub.send_events(&tenant, event).await;
    let path = format!(
        "/api/v1/customers/{}",
        customer(&hub, &tenant, "user_id:ada").await.expect("Ada")["id"].as_str().unwrap()
    );
    assert_eq!(hub.call("DELETE", &format!("{path}?suppress=true"), &tenant.api_key, None).await.status, 200);
    let ada = Identity::new(Identity::USER_ID, "ada");
    let late = |id: &str, subject: &Identity, body: Value| openhub_model::NewEvent {
        message_id: id.to_owned(),
        kind: openhub_model::EventKind::Identify,
        name: String::new(),
        part: Some(subject.part(tenant.id)),
        occurred_at: hub.now(),
        received_at: hub.now(),
        historical: false,
        authority: openhub_model::identity::Authority::Server,
        cause: None,
        body: body.to_string(),
    };
    let eve = Identity::new(Identity::USER_ID, "eve");
    let events = vec![
        late("late-canary-1", &ada, json!({"userId": "ada", "traits": {"name": "late-canary-2"}})),
        late("late-canary-3", &eve, json!({"userId": "eve", "identities": [ada], "traits": {"name": "late-canary-4"}})),
        late("fine", &eve, json!({"userId": "eve", "traits": {"name": "Eve"}})),
    ];
    hub.store.append(&Scope::of(tenant.id), events).await.expect("they are appended");
    hub.settle(&tenant).await;
    assert_eq!(customer(&hub, &tenant, "user_id:ada").await, None);
    assert_eq!(customer(&hub, &tenant, "user_id:eve").await.expect("Eve")["attributes"], json!({"name": "Eve"}));
    let (scope, filter) = (Scope::of(tenant.id), EventFilter { limit: 100, ..EventFilter::default() });
    let stored = format!("{:?}", hub.store.events(&scope, &filter).await.expect("events"));
    assert!(!stored.contains("late-canary"), "{stored}");
}

/// Of customers who were joined, each part goes; who was joined to nobody stays.
#[tokio::test]
async fn all_parts_of_a_joined_customer_go() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, openhub_api::KeyScopes::SERVER).await;
    for body in [
        json!({"anonymousId": "v1", "messageId": "m1", "traits": {"a": "joined-canary-1"}}),
        json!({"anonymousId": "v2", "messageId": "m2", "traits": {"b": "joined-canary-2"}}),
        json!({"userId": "ada", "anonymousId": "v1", "messageId": "m3", "traits": {"email": "joined-canary-3@b.cd"}}),
        json!({"userId": "ada", "anonymousId": "v2", "messageId": "m4", "traits": {"d": "joined-canary-4"}}),
        json!({"userId": "bob", "messageId": "m5", "traits": {"d": "kept-canary"}}),
    ] {
        assert_eq!(hub.post("/v1/identify", &server, body).await.status, 200);
    }
    hub.settle(&tenant).await;
    let ada = customer(&hub, &tenant, "email:joined-canary-3@b.cd").await.expect("Ada");
    assert_eq!(ada["identities"].as_array().expect("identities").len(), 4);
    let part = Identity::new(Identity::USER_ID, "ada").part(tenant.id);
    let receipt = hub.call("DELETE", &format!("/api/v1/customers/{part}"), &tenant.api_key, None).await;
    assert_eq!((receipt.status, &receipt.body["places"][1]["count"]), (200, &json!(4)), "by any of its ids");
    for identity in ["anonymous_id:v1", "anonymous_id:v2", "user_id:ada", "email:joined-canary-3@b.cd"] {
        assert_eq!(customer(&hub, &tenant, identity).await, None, "{identity}");
    }
    let bytes = hub.database();
    assert_eq!(count(&bytes, "joined-canary"), 0, "{}", near(&bytes, "joined-canary"));
    assert!(customer(&hub, &tenant, "user_id:bob").await.is_some() && count(&bytes, "kept-canary") > 0);
    let again = hub.call("DELETE", &format!("/api/v1/customers/{part}"), &tenant.api_key, None).await;
    assert_eq!(again.status, 404);
}

/// What takes longer than a caller waits is answered with a receipt that is not done, and is done all the same.
#[tokio::test]
async fn a_long_erasure_is_answered_before_it_is_done() {
    let limits = Limits { write_wait: Duration::ZERO, ..limits() };
    let hub = Hub::with_limits(limits).await;
    let tenant = hub.tenant("shop").await;
    hub.send_events(&tenant, json!([{"type": "track", "event": "E", "userId": "ada", "messageId": "m1"}])).await;
    let id = Identity::new(Identity::USER_ID, "ada").part(tenant.id);
    let receipt = hub.call("DELETE", &format!("/api/v1/customers/{id}"), &tenant.api_key, None).await;
    assert_eq!((receipt.status, &receipt.body["done_at"]), (202, &Value::Null), "{receipt:?}");
    hub.settle(&tenant).await;
    let path = format!("/api/v1/erasures/{}", receipt.body["id"].as_str().expect("an id"));
    let done = hub.get(&path, &tenant.api_key).await.body;
    assert!(done["done_at"].is_string() && done["scrubbed_at"].is_string(), "{done}");
}

/// Exporting and erasing are rights of their own.
#[tokio::test]
async fn who_may_write_customers_may_not_erase_them() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    hub.send_events(&tenant, json!([{"type": "track", "event": "E", "userId": "ada", "messageId": "m1"}])).await;
    let path = format!("/api/v1/customers/{}", Identity::new(Identity::USER_ID, "ada").part(tenant.id));
    let marketer = hub.key(tenant.id, &["customers:read", "customers:write", "identities:write"]).await;
    let auditor = hub.key(tenant.id, &["privacy:read"]).await;
    for key in [&marketer, &auditor] {
        assert_eq!(hub.call("DELETE", &path, key, None).await.status, 403);
        let remove = json!({"kind": "user_id", "value": "ada"});
        assert_eq!(hub.post("/api/v1/suppressions/remove", key, remove).await.status, 403);
    }
    assert_eq!(hub.get(&format!("{path}/data"), &marketer).await.status, 403);
    assert_eq!(hub.get(&format!("{path}/data"), &auditor).await.status, 200);
}

/// A match that was accepted, by hand or by the policy, names the other one in the log of whom it was proposed for.
#[tokio::test]
async fn what_was_decided_of_somebody_else_goes_too() {
    for accept_from in [Value::Null, json!(0.9)] {
        let hub = Hub::start().await;
        let tenant = hub.tenant("shop").await;
        let key = tenant.api_key.as_str();
        let policy = json!({"kinds": {}, "matches": {"accept_from": accept_from}});
        assert_eq!(hub.call("PUT", "/api/v1/identity-kinds", key, Some(policy)).await.status, 200);
        let proposed = json!({"kind": "email", "value": "canary@example.com", "score": 0.95});
        let batch = json!([
            {"type": "identify", "userId": "anna"},
            {"type": "identify", "userId": "bob", "traits": {"email": "canary@example.com"}},
            {"type": "track", "userId": "anna", "event": "Match Proposed", "properties": proposed},
        ]);
        assert_eq!(hub.post("/v1/batch", &tenant.server_key, json!({"batch": batch})).await.status, 200);
        // A change by the API waits for the engine.
        let ping = json!({"identities": [{"kind": "user_id", "value": "ping"}]});
        assert_eq!(hub.post("/api/v1/customers", key, ping.clone()).await.status, 201);
        if accept_from.is_null() {
            let accept = json!({"decision": "accept"});
            assert_eq!(hub.post("/api/v1/matches", key, accept).await.status, 200);
        }
        assert_eq!(hub.post("/api/v1/customers", key, ping).await.status, 200);
        let log = async || hub.get("/api/v1/events?limit=100", key).await.body.to_string();
        assert!(log().await.matches("canary").count() >= 3, "{}", log().await);
        let bob = hub.get("/api/v1/customers?identity=user_id:bob", key).await.body["customers"][0]["id"].clone();
        let path = format!("/api/v1/customers/{}?suppress=true", bob.as_str().expect("an id"));
        assert_eq!(hub.call("DELETE", &path, key, None).await.status, 200);
        assert!(!log().await.contains("canary"), "{}", log().await);
    }
}
