//! What is counted, and what becomes of it: statements, as partner and provider see them.

use std::collections::BTreeMap;
use std::time::Duration;

use openhub_engine::statements::make_due;
use openhub_model::offering::Document;
use openhub_model::price::Meter;
use openhub_model::statement::{LineKind, State, Statement, UsageRow, verify};
use openhub_model::subscription::Contract;
use openhub_model::{Id, TenantId, Timestamp};
use openhub_store::{Agreement, EventFilter, Offering, OfferingVersion, Op, Scope, Subscription};
use openhub_test_postgres::Server;
use serde_json::{Value, json};

use crate::hub::{Hub, Tenant};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A partner in Shanghai that is subscribed since January.
async fn subscribed(hub: &Hub, provider: &Tenant, partner: &Tenant, more: &[Value], cap: Option<&str>) -> Id {
    let care = Care { provider: provider.id, partner: partner.id, name: "care", since: "2026-01-10T08:07:00Z" };
    care.subscribed(hub, more, cap).await
}

/// An offering with one subscription to it.
pub struct Care<'a> {
    pub provider: TenantId,
    pub partner: TenantId,
    pub name: &'a str,
    pub since: &'a str,
}

impl Care<'_> {
    pub async fn subscribed(&self, hub: &Hub, more: &[Value], cap: Option<&str>) -> Id {
        let price = json!({"currency": "CNY", "fee": "100", "prices": [
            {"meter": "events", "included": 1, "tiers": [{"up_to": 2, "price": "0.5"}, {"price": "0.25"}]},
            {"meter": "reported:seats", "tiers": [{"price": "10"}]},
        ]});
        self.offered(hub, price, more, cap).await
    }

    pub async fn priced(&self, hub: &Hub, price: Value) -> Id {
        self.offered(hub, price, &[], None).await
    }

    async fn offered(&self, hub: &Hub, price: Value, more: &[Value], cap: Option<&str>) -> Id {
        let items = [&[json!({"price": price})], more].concat();
        let document: Document = serde_json::from_value(json!({"items": items})).expect("a document");
        let since = at(self.since);
        let offering = Offering {
            name: self.name.to_owned(),
            title: BTreeMap::new(),
            description: BTreeMap::new(),
            latest: 0,
            version: 1,
            created_at: since,
            updated_at: since,
        };
        let digest = document.digest();
        let version = OfferingVersion {
            offering: self.name.to_owned(),
            version: 1,
            digest: digest.clone(),
            document,
            created_by: "{}".to_owned(),
            created_at: since,
            active_at: Some(since),
            archived_at: None,
        };
        let ops = vec![Op::PutOffering(Box::new(offering)), Op::PutOfferingVersion(Box::new(version))];
        hub.store.transact(&Scope::of(self.provider), ops).await.expect("it is offered");
        let id = Id::named(&[b"subscription", self.name.as_bytes()]);
        let subscription = Subscription {
            id,
            partner: self.partner,
            provider: self.provider,
            offering: self.name.to_owned(),
            version: 1,
            digest,
            key: "k".to_owned(),
            request: String::new(),
            contract: Contract::Active,
            parameters: serde_json::Map::new(),
            agreed: BTreeMap::new(),
            time_zone: "Asia/Shanghai".to_owned(),
            cap: cap.map(str::to_owned),
            reason: None,
            requested_at: since,
            expires_at: since,
            active_at: Some(since),
            ended_at: None,
            export_until: None,
            removed_at: None,
            offered: None,
        };
        let agreement = Agreement::Request(Box::new(subscription));
        hub.store.agree(&Scope::of(self.partner), vec![agreement], Vec::new()).await.expect("it is agreed");
        id
    }
}

async fn statements(hub: &Hub, key: &str) -> Vec<Value> {
    let listed = hub.get("/api/v1/statements", key).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.body["statements"].as_array().expect("statements").clone()
}

/// A statement, and the usage that it was made of.
async fn whole(hub: &Hub, key: &str, id: &str) -> (Statement, Vec<UsageRow>) {
    let statement = hub.get(&format!("/api/v1/statements/{id}"), key).await;
    assert_eq!(statement.status, 200, "{statement:?}");
    let usage = hub.get(&format!("/api/v1/statements/{id}/usage"), key).await;
    assert_eq!(usage.status, 200, "{usage:?}");
    let text = match usage.body {
        Value::String(text) => text,
        one => one.to_string(),
    };
    let rows = text.lines().map(|line| serde_json::from_str(line).expect("a row"));
    (serde_json::from_value(statement.body).expect("a statement"), rows.collect())
}

fn told(statement: &Statement) -> Vec<(LineKind, i64, &str)> {
    statement.lines.iter().map(|line| (line.kind, line.quantity, &*line.amount)).collect()
}

async fn a_statement_is_a_draft_then_frozen_and_corrected_on_the_next(hub: Hub) {
    use LineKind::{Correction, Fee, Included, Usage};
    let (provider, partner) = (hub.tenant("brand").await, hub.tenant("dealer").await);
    let stranger = hub.tenant("stranger").await;
    let subscription = subscribed(&hub, &provider, &partner, &[], None).await;
    let track = |user: &str| json!({"type": "track", "event": "Visited", "userId": user});
    hub.send_events(&partner, json!([track("ada"), track("bob"), track("ada"), track("cleo")])).await;
    make_due(&hub.store, hub.now()).await.expect("made");
    assert_eq!(statements(&hub, &partner.api_key).await, Vec::<Value>::new(), "January is not over in Shanghai");

    // Midnight in Shanghai. What comes later in January's evening of Greenwich is February's.
    hub.advance(Duration::from_secs(4 * 3_600));
    assert_eq!(hub.now(), at("2026-01-31T16:00:00Z"));
    hub.send_events(&partner, json!([track("dora")])).await;
    hub.advance(Duration::from_secs(3_600));
    for _ in 0..2 {
        make_due(&hub.store, hub.now()).await.expect("made");
        // The tenant is looked at again within the hour.
        hub.advance(Duration::from_secs(3_600));
    }
    let listed = statements(&hub, &partner.api_key).await;
    let [draft] = &listed[..] else { panic!("one period is one statement: {listed:?}") };
    assert_eq!((&draft["state"], &draft["total"]), (&json!("draft"), &Value::Null));
    assert_eq!(draft["subscription"], json!(subscription));
    let id = draft["id"].as_str().expect("an id").to_owned();
    let (draft, _) = whole(&hub, &partner.api_key, &id).await;
    assert_eq!((draft.from, draft.to), (at("2026-01-10T08:00:00Z"), at("2026-01-31T16:00:00Z")));
    let lines = [(Fee, 1, "100.00"), (Included, 1, "0.00"), (Usage, 2, "1.00"), (Usage, 1, "0.25")];
    assert_eq!(told(&draft), lines);

    // The grace is over. Both hear of it, and read the same; a stranger does not.
    hub.advance(Duration::from_secs(3 * 86_400));
    make_due(&hub.store, hub.now()).await.expect("made");
    let (frozen, usage) = whole(&hub, &provider.api_key, &id).await;
    assert_eq!((frozen.state, &*frozen.total, told(&frozen)), (State::Frozen, "101.25", lines.to_vec()));
    assert_eq!(verify(&frozen, &usage), Ok(Vec::new()));
    assert_eq!(whole(&hub, &partner.api_key, &id).await, (frozen.clone(), usage));
    for path in [format!("/api/v1/statements/{id}"), format!("/api/v1/statements/{id}/usage")] {
        assert_eq!(hub.get(&path, &stranger.api_key).await.status, 404);
    }
    assert_eq!(statements(&hub, &stranger.api_key).await, Vec::<Value>::new());
    for tenant in [&provider, &partner, &stranger] {
        let named = EventFilter { name: Some("statement.frozen".to_owned()), limit: 9, ..EventFilter::default() };
        let events = hub.store.events(&Scope::of(tenant.id), &named).await.expect("events");
        assert_eq!(events.len(), usize::from(tenant.id != stranger.id));
    }

    // The log comes to the same.
    let log = hub.store.events(&Scope::of(partner.id), &EventFilter { limit: 99, ..EventFilter::default() }).await;
    let log = log.expect("the log").into_iter();
    let counted = log.filter(|event| event.kind.code() < 9 && event.received_at < frozen.to).count() as i64;
    assert_eq!(lines[1..].iter().map(|(_, quantity, _)| quantity).sum::<i64>(), counted);

    // Usage of January that comes in February leaves January as it is, and is corrected on February's statement.
    let report = json!({"subscription": subscription, "usage": [
        {"key": "seats-january", "meter": "seats", "quantity": 3, "at": "2026-01-31T15:59:59Z"},
        {"key": "seats-february", "meter": "seats", "quantity": 4},
    ]});
    let reported = hub.post("/api/v1/usage", &provider.api_key, report).await;
    assert_eq!((reported.status, &reported.body["counted"]), (200, &json!(2)), "{reported:?}");
    hub.settle(&partner).await;
    hub.advance(Duration::from_secs(28 * 86_400));
    make_due(&hub.store, hub.now()).await.expect("made");
    assert_eq!(whole(&hub, &partner.api_key, &id).await.0, frozen);
    let listed = statements(&hub, &partner.api_key).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let next = listed[0]["id"].as_str().expect("an id");
    let (february, usage) = whole(&hub, &partner.api_key, next).await;
    assert_eq!((february.state, february.from, february.to), (State::Frozen, frozen.to, at("2026-02-28T16:00:00Z")));
    let lines = [(Fee, 1, "100.00"), (Included, 1, "0.00"), (Usage, 4, "40.00"), (Correction, 3, "30.00")];
    assert_eq!((told(&february), &*february.total), (lines.to_vec(), "170.00"));
    assert_eq!(february.lines[3].corrects.as_ref(), Some(&id));
    assert_eq!(verify(&february, &usage), Ok(Vec::new()));
    let mut forged = february;
    forged.lines[2].quantity = 5;
    let found = verify(&forged, &usage).expect("it is computed");
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(3)]);
}

/// What is used while a block on billing is in force is told, and costs nothing; the cap counts what is charged.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_under_a_block_on_billing_is_not_charged() {
    use LineKind::{Fee, Included, Unbilled, Usage};
    let hub = Hub::start().await;
    let (provider, partner) = (hub.tenant("brand").await, hub.tenant("dealer").await);
    let subscription = subscribed(&hub, &provider, &partner, &[], Some("200")).await;
    let track = |user: &str| json!({"type": "track", "event": "Visited", "userId": user});
    hub.send_events(&partner, json!([track("ada"), track("bob")])).await;
    hub.advance(Duration::from_secs(3_600));
    let path = format!("/api/v1/subscribers/{subscription}/blocks");
    let block = hub.post(&path, &provider.api_key, json!({"reason": "our fault", "stops": ["billing"]})).await;
    assert_eq!(block.status, 201, "{block:?}");
    hub.send_events(&partner, json!([track("ada"), track("bob"), track("cyd")])).await;
    let cap = |quotas: &Value| {
        let all = quotas["quotas"].as_array().expect("quotas");
        all.iter().find(|quota| quota["limit"] == "200.00").cloned().expect("the cap")
    };
    let used = cap(&hub.get("/api/v1/quotas", &partner.api_key).await.body);
    assert!(used.to_string().contains("100.50"), "the fee, and one event beyond what is included: {used}");
    let lift = format!("{path}/{}/lift", block.body["id"].as_str().expect("an id"));
    assert_eq!(hub.call("POST", &lift, &provider.api_key, None).await.status, 200);
    hub.advance(Duration::from_secs(900));
    hub.send_events(&partner, json!([track("dan")])).await;
    hub.advance(Duration::from_secs(5 * 86_400));
    for _ in 0..2 {
        make_due(&hub.store, hub.now()).await.expect("made");
        hub.advance(Duration::from_secs(3_600));
    }
    let listed = statements(&hub, &partner.api_key).await;
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    let (frozen, usage) = whole(&hub, &partner.api_key, &id).await;
    let lines = [(Fee, 1, "100.00"), (Included, 1, "0.00"), (Usage, 2, "1.00"), (Unbilled, 3, "0.00")];
    assert_eq!((frozen.state, told(&frozen), &*frozen.total), (State::Frozen, lines.to_vec(), "101.00"));
    assert_eq!(frozen.unbilled.len(), 1);
    assert_eq!(verify(&frozen, &usage), Ok(Vec::new()));
    let charged = Statement { unbilled: Vec::new(), ..frozen };
    assert_ne!(verify(&charged, &usage), Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_a_draft_then_frozen_and_corrected_on_the_next_on_sqlite() {
    a_statement_is_a_draft_then_frozen_and_corrected_on_the_next(Hub::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_a_draft_then_frozen_and_corrected_on_the_next_on_postgres() {
    let server = Server::start().await.expect("a server");
    let database = server.database().await.expect("a database");
    a_statement_is_a_draft_then_frozen_and_corrected_on_the_next(Hub::on_postgres(database).await).await;
}

#[tokio::test]
async fn a_key_of_usage_says_one_thing_for_good() {
    let hub = Hub::start().await;
    let (tenant, other) = (hub.tenant("shop").await, hub.tenant("other").await);
    let report = async |key: &str, quantity: i64| {
        let body = json!({"usage": [{"key": "a", "meter": "seats", "quantity": quantity}]});
        hub.post("/api/v1/usage", key, body).await
    };
    let first = report(&tenant.api_key, 3).await;
    assert_eq!((first.status, first.body), (200, json!({"counted": 1, "known": 0})));
    hub.advance(Duration::from_secs(86_400));
    let again = report(&tenant.api_key, 3).await;
    assert_eq!((again.status, again.body), (200, json!({"counted": 0, "known": 1})));
    let changed = report(&tenant.api_key, 4).await;
    assert_eq!((changed.status, &changed.body["code"]), (409, &json!("usage-key-reused")), "{changed:?}");
    assert_eq!(changed.body["faults"][0]["pointer"], "/usage/0/key");
    let early = json!({"usage": [{"key": "a", "meter": "seats", "quantity": 3, "at": hub.now()}]});
    let moved = hub.post("/api/v1/usage", &tenant.api_key, early).await;
    assert_eq!((moved.status, &moved.body["code"]), (409, &json!("usage-key-reused")), "another time: {moved:?}");
    let counted = async |key: &str| {
        let mut meters = hub.get("/api/v1/meters", key).await.body["meters"].as_array().expect("meters").clone();
        meters.retain(|meter| meter["meter"] != "api-calls");
        json!(meters)
    };
    assert_eq!(counted(&tenant.api_key).await, json!([{"meter": "reported:seats", "of": null, "quantity": 3}]));
    // A key is one tenant's.
    assert_eq!(report(&other.api_key, 4).await.status, 200);

    // All faults at once, and nobody's subscription but one's own.
    let wrong = json!({"usage": [
        {"key": "", "meter": "Seats", "quantity": -1}, {"key": "b", "meter": "seats", "quantity": 1.5},
    ]});
    let refused = hub.post("/api/v1/usage", &tenant.api_key, wrong).await;
    let faults = refused.body["faults"].as_array().expect("faults").iter();
    let mut places: Vec<_> = faults.map(|fault| fault["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(
        (refused.status, &places[..]),
        (400, &["/usage/0/key", "/usage/0/meter", "/usage/0/quantity", "/usage/1/quantity"][..])
    );
    let one = json!([{"key": "c", "meter": "seats", "quantity": 1, "at": "2025-12-01T00:00:00Z"}]);
    let late = hub.post("/api/v1/usage", &tenant.api_key, json!({"usage": one})).await;
    assert_eq!((late.status, &late.body["faults"][0]["pointer"]), (400, &json!("/usage/0/at")), "{late:?}");
    let one = json!([{"key": "c", "meter": "seats", "quantity": 1}]);
    let foreign = json!({"subscription": Id::named(&[b"subscription"]), "usage": one});
    let refused = hub.post("/api/v1/usage", &tenant.api_key, foreign).await;
    assert_eq!((refused.status, &refused.body["faults"][0]["pointer"]), (400, &json!("/subscription")), "{refused:?}");
    assert_eq!(hub.post("/api/v1/usage", &tenant.write_key, json!({"usage": one})).await.status, 403);
}

/// How often each warning was told to a tenant.
async fn warned(hub: &Hub, tenant: &Tenant) -> Vec<(String, i64)> {
    let named = EventFilter { name: Some("quota.warned".to_owned()), limit: 9, ..EventFilter::default() };
    let events = hub.store.events(&Scope::of(tenant.id), &named).await.expect("events").into_iter();
    let of = |body: Value| (body["quota"].as_str().unwrap().to_owned(), body["percent"].as_i64().unwrap());
    events.map(|event| of(serde_json::from_str(&event.body).unwrap())).collect()
}

fn events(count: usize) -> Value {
    json!({"batch": vec![json!({"type": "track", "event": "Visited", "userId": "ada"}); count]})
}

#[tokio::test]
async fn a_quota_warns_refuses_at_the_door_and_begins_anew() {
    let hub = Hub::start().await;
    let (provider, partner) = (hub.tenant("brand").await, hub.tenant("dealer").await);
    let quotas = [
        json!({"quota": {"meter": "events", "limit": 10, "then": "refuse"}}),
        json!({"quota": {"meter": "reported:seats", "limit": 2, "then": "overrun"}}),
    ];
    subscribed(&hub, &provider, &partner, &quotas, None).await;
    let send = async |count| hub.post("/v1/batch", &partner.server_key, events(count)).await;
    // What is let in between two looks at the database counts, too.
    assert_eq!(send(8).await.status, 200);
    let refused = send(3).await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("quota-exhausted")), "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "3600");
    assert_eq!(send(2).await.status, 200, "it is refused as a whole, and counts nowhere");
    assert_eq!(send(1).await.status, 429);
    hub.settle(&partner).await;
    let report = json!({"usage": [{"key": "k", "meter": "seats", "quantity": 3}]});
    assert_eq!(hub.post("/api/v1/usage", &partner.api_key, report).await.status, 200, "it overruns");
    let listed = hub.get("/api/v1/quotas", &partner.api_key).await.body;
    let used: Vec<_> =
        listed["quotas"].as_array().unwrap().iter().map(|quota| (&quota["limit"], &quota["used"])).collect();
    assert_eq!(used, [(&json!("10"), &json!("10")), (&json!("2"), &json!("3"))], "{listed}");

    // Both are told, once.
    for _ in 0..3 {
        hub.advance(Duration::from_secs(6));
        assert_eq!(send(1).await.status, 429);
    }
    for tenant in [&provider, &partner] {
        let of = |name: &str, percent| (name.to_owned(), percent);
        let all = [of("events", 80), of("events", 100), of("reported:seats", 80), of("reported:seats", 100)];
        assert_eq!(warned(&hub, tenant).await, all);
    }
    // February begins in Shanghai.
    hub.settle(&partner).await;
    hub.advance(Duration::from_secs(4 * 3_600));
    assert_eq!(send(10).await.status, 200);
    assert_eq!(send(1).await.status, 429);
    assert_eq!(hub.post("/v1/batch", &provider.server_key, events(20)).await.status, 200, "it is the partner's quota");
}

#[tokio::test]
async fn a_cap_holds_what_a_partner_pays() {
    let hub = Hub::start().await;
    let (provider, partner) = (hub.tenant("brand").await, hub.tenant("dealer").await);
    subscribed(&hub, &provider, &partner, &[], Some("101.25")).await;
    let send = async |count| hub.post("/v1/batch", &partner.server_key, events(count)).await.status;
    assert_eq!(send(3).await, 200);
    hub.settle(&partner).await;
    hub.advance(Duration::from_secs(6));
    assert_eq!(send(1).await, 200, "101.00 is not 101.25");
    hub.settle(&partner).await;
    hub.advance(Duration::from_secs(6));
    assert_eq!(send(1).await, 429);
    hub.settle(&partner).await;
    let quotas = hub.get("/api/v1/quotas", &partner.api_key).await.body;
    let cap = &quotas["quotas"][0];
    assert_eq!((&cap["currency"], &cap["used"], &cap["limit"]), (&json!("CNY"), &json!("101.25"), &json!("101.25")));
    assert_eq!(warned(&hub, &partner).await, [("cap".to_owned(), 80), ("cap".to_owned(), 100)]);
}

/// Of a meter and its division, as it stands now.
async fn metered(hub: &Hub, key: &str, meter: &str, of: Option<&str>) -> i64 {
    let listed = hub.get("/api/v1/meters?limit=1000", key).await;
    let meters = listed.body["meters"].as_array().expect("meters").iter();
    let mut is_it = meters.filter(|found| found["meter"] == meter && found["of"] == json!(of));
    is_it.next().map_or(0, |found| found["quantity"].as_i64().expect("a number"))
}

async fn each_meter_is_counted_and_its_statement_verifies(hub: Hub) {
    let (provider, partner) = (hub.tenant("brand").await, hub.tenant("dealer").await);
    let id = Care { provider: provider.id, partner: partner.id, name: "used", since: "2026-01-10T08:00:00Z" }
        .priced(
            &hub,
            json!({"currency": "CNY", "prices": [
                {"meter": "active-customers", "tiers": [{"price": "0.07"}]},
                {"meter": "object-rows", "of": "visit", "tiers": [{"price": "0.11"}]},
                {"meter": "storage-bytes", "per": 1000, "tiers": [{"price": "0.9"}]},
            ]}),
        )
        .await;
    let key = &partner.api_key;
    let track = |user: &str| json!({"type": "track", "event": "Visited", "userId": user});
    hub.send_events(&partner, json!([track("ada"), track("bob"), track("ada")])).await;
    // Once a month each, in whatever batches; history is no activity.
    hub.send_events(&partner, json!([track("ada"), track("cleo")])).await;
    let past = json!({"batch": [{"type": "track", "event": "Visited", "userId": "dora", "timestamp": "2025-01-01T00:00:00Z"}]});
    let imported = hub.post("/v1/import?historical=true", &partner.server_key, past).await;
    assert_eq!(imported.status, 200, "{imported:?}");
    hub.settle(&partner).await;
    assert_eq!(metered(&hub, key, "active-customers", None).await, 3);
    let visit = json!({"fields": [{"name": "code", "type": "text"}]});
    assert!(hub.call("PUT", "/api/v1/object-types/visit", key, Some(visit)).await.status < 202);
    for code in ["a", "b"] {
        let made = hub.post("/api/v1/objects/visit", key, json!({"fields": {"code": code}})).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    // A day is measured once, whoever looks.
    for _ in 0..2 {
        make_due(&hub.store, hub.now()).await.expect("measured");
        hub.advance(Duration::from_secs(3_600));
    }
    hub.settle(&partner).await;
    assert_eq!(metered(&hub, key, "object-rows", Some("visit")).await, 2);
    let named = EventFilter { name: Some("usage.measured".to_owned()), limit: 9, ..EventFilter::default() };
    let said = hub.store.events(&Scope::of(partner.id), &named).await.expect("events");
    let said: Vec<Value> = said.iter().map(|event| serde_json::from_str(&event.body).expect("JSON")).collect();
    let [said] = &said[..] else { panic!("one measure: {said:?}") };
    let bytes = said["storage_bytes"].as_i64().expect("bytes");
    assert_eq!((&said["object_rows"], bytes > 0), (&json!({"visit": 2}), true));
    assert_eq!(metered(&hub, key, "storage-bytes", None).await, bytes);

    // Calls are counted within a second, under whatever key.
    let mut calls = 0;
    while calls == 0 {
        calls = metered(&hub, key, "api-calls", None).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The next day, and the next month.
    hub.advance(Duration::from_secs(86_400));
    make_due(&hub.store, hub.now()).await.expect("measured");
    hub.settle(&partner).await;
    assert_eq!(metered(&hub, key, "object-rows", Some("visit")).await, 4);
    hub.send_events(&partner, json!([track("ada")])).await;
    assert_eq!(metered(&hub, key, "active-customers", None).await, 4, "February");

    // What was counted, and the statement of it, are the same to the cent.
    hub.advance(Duration::from_secs(4 * 86_400));
    make_due(&hub.store, hub.now()).await.expect("made");
    let listed = statements(&hub, key).await;
    let listed = listed.last().expect("January's")["id"].as_str().expect("an id").to_owned();
    let (statement, usage) = whole(&hub, key, &listed).await;
    assert_eq!((statement.state, &statement.subscription), (State::Frozen, &id.to_string()));
    assert_eq!(verify(&statement, &usage), Ok(Vec::new()));
    let of = |meter: Meter| statement.lines.iter().find(|line| line.meter.as_ref() == Some(&meter));
    let active = of(Meter::ActiveCustomers).expect("a line");
    assert_eq!((active.quantity, &*active.amount), (3, "0.21"));
    let objects = of(Meter::ObjectRows).expect("a line");
    assert!(objects.quantity == 2 || objects.quantity == 4, "{objects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_meter_is_counted_and_its_statement_verifies_on_sqlite() {
    each_meter_is_counted_and_its_statement_verifies(Hub::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_meter_is_counted_and_its_statement_verifies_on_postgres() {
    let server = Server::start().await.expect("a server");
    let database = server.database().await.expect("a database");
    each_meter_is_counted_and_its_statement_verifies(Hub::on_postgres(database).await).await;
}

#[tokio::test]
async fn calls_beyond_their_quota_are_refused_and_the_way_out_is_open() {
    let hub = Hub::start().await;
    let (provider, partner) = (hub.tenant("brand").await, hub.tenant("dealer").await);
    let quota = json!({"quota": {"meter": "api-calls", "limit": 3, "then": "refuse"}});
    let id = subscribed(&hub, &provider, &partner, &[quota], None).await;
    let key = &partner.api_key;
    let segments = async || hub.get("/api/v1/segments", key).await;
    for _ in 0..3 {
        assert_eq!(segments().await.status, 200);
    }
    let refused = segments().await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("quota-exhausted")), "{refused:?}");
    for path in ["quotas", "meters", "statements", "subscriptions", "catalog"] {
        assert_eq!(hub.get(&format!("/api/v1/{path}"), key).await.status, 200, "{path}");
    }
    let left = hub.call("POST", &format!("/api/v1/subscriptions/{id}/end"), key, None).await;
    assert_eq!(left.status, 200, "{left:?}");
    assert_eq!(hub.get("/api/v1/segments", &provider.api_key).await.status, 200, "it is the partner's quota");
}

#[tokio::test]
async fn a_partner_raises_its_own_cap_and_a_provider_only_lowers() {
    let hub = Hub::start().await;
    let (provider, partner) = (hub.tenant("brand").await, hub.tenant("dealer").await);
    let id = subscribed(&hub, &provider, &partner, &[], Some("101.25")).await;
    let send = async |count| hub.post("/v1/batch", &partner.server_key, events(count)).await.status;
    assert_eq!(send(4).await, 200);
    hub.settle(&partner).await;
    hub.advance(Duration::from_secs(6));
    assert_eq!(send(1).await, 429);
    let cap = async |cap: Value| {
        hub.post(&format!("/api/v1/subscriptions/{id}/cap"), &partner.api_key, json!({"cap": cap})).await
    };
    let raised = cap(json!("200")).await;
    assert_eq!((raised.status, &raised.body["cap"]), (200, &json!("200")), "{raised:?}");
    assert_eq!(send(1).await, 200, "it counts at once");
    let credit = async |credit: &str, key: &str| {
        hub.post(&format!("/api/v1/subscribers/{id}/credit"), key, json!({"credit": credit})).await
    };
    assert_eq!(credit("150", &partner.api_key).await.status, 404, "it is the provider's to say");
    assert_eq!(credit("150", &provider.api_key).await.status, 200);
    let refused = credit("151", &provider.api_key).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("conflict")), "{refused:?}");
    assert_eq!(credit("100", &provider.api_key).await.status, 200);
    assert_eq!(send(1).await, 429, "the lower one of the two holds");
    assert_eq!(cap(Value::Null).await.status, 200);
    assert_eq!(send(1).await, 429);
    let limits = hub.get("/api/v1/quotas", &partner.api_key).await.body;
    assert_eq!(limits["quotas"][0]["limit"], "100.00", "{limits}");
    let wrong = cap(json!("-1")).await;
    assert_eq!((wrong.status, &wrong.body["faults"][0]["pointer"]), (400, &json!("/cap")));
    for tenant in [&provider, &partner] {
        let of = |name: &str| EventFilter { name: Some(name.to_owned()), limit: 9, ..EventFilter::default() };
        for (name, times) in [("subscription.cap-set", 2), ("subscription.credit-set", 2)] {
            let told = hub.store.events(&Scope::of(tenant.id), &of(name)).await.expect("events");
            assert_eq!(told.len(), times, "{name}");
        }
    }
}
