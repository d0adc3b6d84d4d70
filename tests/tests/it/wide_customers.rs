//! Many visitors of many attributes turn out to be one person, by the word of a page whose key anybody reads: the customer has a
//! bound, whatever the batch and the database, and the tenant goes on.

use openhub_model::identity::Authority;
use openhub_model::{EventKind, Identity, NewEvent, limits};
use openhub_store::{FaultFilter, FaultKind, RunFilter};
use openhub_test_postgres::Server;
use openhub_tests::house::{HOST_NOW, House};
use serde_json::{Map, Value, json};

const VISITORS: usize = 60;
/// What each of them has: fewer than one may.
const EACH: usize = 150;

fn said(house: &House, id: String, subject: &Identity, authority: Authority, mut body: Value) -> NewEvent {
    body["type"] = "identify".into();
    NewEvent { authority, ..house.call(EventKind::Identify, &id, subject, HOST_NOW, body) }
}

fn many(prefix: &str, value: &Value) -> Map<String, Value> {
    (0..EACH).map(|n| (format!("{prefix}_{n}"), value.clone())).collect()
}

/// Everyone says what they are, then who, then a server says something, and everyone once more.
fn events(house: &House) -> Vec<NewEvent> {
    let user = Identity::new(Identity::USER_ID, "ada");
    let visitor = |n: usize| Identity::new(Identity::ANONYMOUS_ID, format!("v{n}"));
    let page = |id: String, subject: &Identity, body: Value| said(house, id, subject, Authority::Browser, body);
    let of = |n: usize| format!("v{}", (n * 7) % VISITORS);
    let denied = json!({"state": "denied"});
    let mut events: Vec<NewEvent> = Vec::new();
    events.extend((0..VISITORS).map(|n| {
        let traits = many(&of(n), &json!("x"));
        let consents =
            Map::from_iter((0..limits::PAGE_CONSENTS + 9).map(|k| (format!("{}_{k}", of(n)), denied.clone())));
        page(format!("trait-{n}"), &visitor(n), json!({"anonymousId": of(n), "traits": traits, "consents": consents}))
    }));
    let agreed =
        json!({"userId": "ada", "traits": many("server", &json!(1)), "consents": {"news": {"state": "granted"}}});
    events.push(said(house, "agreed".into(), &user, Authority::Server, agreed));
    events.extend((0..VISITORS).map(|n| {
        page(format!("join-{n}"), &user, json!({"userId": "ada", "anonymousId": format!("v{n}"), "traits": {}}))
    }));
    events.extend((0..VISITORS).map(|n| {
        let traits = json!({format!("server_{n}"): "page", "late": n, format!("null_{n}"): null});
        page(format!("again-{n}"), &visitor(n), json!({"anonymousId": format!("v{n}"), "traits": traits}))
    }));
    let long = "x".repeat(limits::PAGE_VALUE - 9);
    events.extend((0..40).map(|n| {
        let body = json!({"anonymousId": "heavy", "traits": {format!("heavy_{n}"): long}});
        page(format!("heavy-{n}"), &Identity::new(Identity::ANONYMOUS_ID, "heavy"), body)
    }));
    // As long as what it takes the place of.
    let instead = json!({"anonymousId": "heavy", "traits": {"heavy_0": "y".repeat(long.len())}});
    events.push(page("instead".into(), &Identity::new(Identity::ANONYMOUS_ID, "heavy"), instead));
    let withdrawn = json!({"userId": "ada", "consents": {"news/email": denied}, "traits": {}});
    events.push(page("withdrawn".into(), &user, withdrawn));
    events
}

async fn ends(url: Option<String>, batch: usize) -> Value {
    let house = House::open(url).await;
    let position = house.store.append(&house.scope, events(&house)).await.expect("events are appended").position;
    house.run(batch, 2, position).await;
    let part = Identity::new(Identity::USER_ID, "ada").part(house.tenant);
    let ada = house.store.customer(&house.scope, part).await.expect("a read").expect("a customer");
    let named = |prefix: &str| ada.attributes.keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!(named("server_"), EACH, "what servers say stands before what pages say");
    assert_eq!(ada.attributes.len(), limits::PAGE_VALUES);
    assert_eq!(ada.attribute("server_3"), Some(&json!(1)));
    assert!(ada.consents.len() <= limits::VALUES && ada.consents.contains_key("news"));
    let email = ada.consent("news", Some("email"));
    assert_eq!(email, openhub_model::customer::Consent::Denied, "a withdrawal is taken");
    let heavy = Identity::new(Identity::ANONYMOUS_ID, "heavy").part(house.tenant);
    let heavy = house.store.customer(&house.scope, heavy).await.expect("a read").expect("a customer");
    let first = heavy.attribute("heavy_0").and_then(Value::as_str);
    assert!(first.is_some_and(|first| first.starts_with('y')), "a page that is full changes what it has said");
    let bytes: usize = heavy.attributes.values().map(|held| limits::size(&held.value)).sum();
    assert!((limits::PAGE_BYTES - limits::PAGE_VALUE..=limits::PAGE_BYTES).contains(&bytes), "{bytes}");
    let (parts, _) = house.identities().await;
    let of_ada: Vec<_> = parts.iter().filter(|part| part.customer == ada.customer).collect();
    assert_eq!(of_ada.len(), VISITORS + 1);
    let states = of_ada.iter().filter_map(|part| part.state.as_deref());
    for state in states {
        assert!(state.attributes.len() <= limits::PAGE_VALUES && state.consents.len() <= limits::PAGE_CONSENTS + 2);
    }
    let mut state = house.state().await;
    state["parts"] = parts.iter().map(|part| format!("{part:?}")).collect();
    house.store.close().await;
    state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_d_visitors_of_many_attributes_make_no_customer_endless() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let one = ends(None, 1).await;
    for (database, batch) in [("SQLite", 7), ("SQLite", 5_000), ("PostgreSQL", 5_000)] {
        let url = if database == "SQLite" { None } else { Some(server.database().await.expect("a database")) };
        let other = ends(url, batch).await;
        for (name, list) in one.as_object().expect("an object") {
            assert_eq!(list, &other[name], "{database}, batches of {batch}: {name}");
        }
    }
}

/// Each event of a customer looks at all of their runs that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_d_a_page_starts_no_runs_without_end() {
    let journey = json!({
        "trigger": {"event": "Clicked"}, "reentry": "always", "start": "wait", "nodes": {
            "wait": {"type": "wait", "duration": "7d", "next": "end"},
            "end": {"type": "exit"}
        }
    });
    for batch in [37, 5_000] {
        let house = House::open(None).await;
        house.publish("slow", journey.clone()).await;
        let visitor = Identity::new(Identity::ANONYMOUS_ID, "v");
        let clicks = (0..limits::PAGE_RUNS + 5).map(|n| {
            let body = json!({"type": "track", "event": "Clicked", "anonymousId": "v", "properties": {}});
            let authority = if n == limits::PAGE_RUNS + 2 { Authority::Server } else { Authority::Browser };
            NewEvent { authority, ..house.call(EventKind::Track, &format!("click-{n}"), &visitor, HOST_NOW, body) }
        });
        let position = house.store.append(&house.scope, clicks.collect()).await.expect("events are appended").position;
        house.run(batch, 2, position).await;
        let runs = RunFilter { limit: 9_999, ..RunFilter::default() };
        let runs = house.store.runs(&house.scope, &runs).await.expect("runs").len();
        assert_eq!(runs, limits::PAGE_RUNS + 1, "a server starts one more, in batches of {batch}");
        let faults = FaultFilter { kind: Some(FaultKind::Run), limit: 9, ..FaultFilter::default() };
        let faults = house.store.faults(&house.scope, &faults).await.expect("faults");
        assert_eq!(
            faults.iter().map(|known| (known.fault.code.as_str(), known.fault.count)).collect::<Vec<_>>(),
            [("too-many", 4)]
        );
        house.store.close().await;
    }
}
