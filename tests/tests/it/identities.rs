//! Identities through the whole engine: joins in the middle of a batch, and customers that come apart again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openhub_model::identity::{self, Authority, Policies, Retraction, live, resolve};
use openhub_model::{ClockKind, EventKind, Identity, NewEvent, PartId, Timestamp};
use openhub_store::{ClaimStatus, CustomerFilter, Scope};
use openhub_test_postgres::Server;
use openhub_tests::house::{HOST_NOW, House, control};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000_000;

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn user(number: u64) -> Identity {
    Identity::new(Identity::USER_ID, format!("u{number}"))
}

fn visitor(number: u64) -> Identity {
    Identity::new(Identity::ANONYMOUS_ID, format!("a{number}"))
}

fn card(number: u64) -> Identity {
    Identity::new("card", format!("c{number}"))
}

/// Three months of a shop with shared devices and cards: visitors who log in, users who say who they were, groups,
/// consents, refused claims, and now and then somebody who is taken apart again.
fn shop(house: &House) -> Vec<NewEvent> {
    let mut random = Random(3);
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let events = (0..1_000u64).map(|row| {
        let late = if random.below(10) == 0 { random.below(5_000) } else { 0 };
        let at = Timestamp::from_micros(start.micros() + (row as i64 * 130 - late as i64) * MINUTE);
        let (who, device) = (random.below(30), random.below(60));
        let id = format!("call-{row}");
        let order = |total: u64| json!({"type": "track", "event": "Order Completed", "properties": {"total": total}});
        let (kind, subject, mut body) = match random.below(20) {
            0..=6 => (EventKind::Track, user(who), order(random.below(90))),
            7..=10 => (EventKind::Track, visitor(device), order(random.below(90))),
            11..=14 => {
                let granted = if random.below(3) == 0 { "denied" } else { "granted" };
                let body = json!({
                    "traits": {"email": format!("e{}@example.com", random.below(25)), "plan": row},
                    "consents": {"news": {"state": granted}}, "tags": {"vip": random.below(2) == 0},
                });
                (EventKind::Identify, user(who), body)
            }
            15 => (EventKind::Alias, user(who), json!({"previousId": visitor(device).value})),
            16 => (EventKind::Alias, user(who), json!({"previousId": user(random.below(30)).value})),
            17 => (EventKind::Group, user(who), json!({"groupId": format!("g{who}"), "traits": {"email": "x@y.z"}})),
            18 => (EventKind::Track, visitor(device), json!({"identities": [card(random.below(20))]})),
            _ => {
                let undone = [visitor(device), card(random.below(20))][random.below(2) as usize].clone();
                return control("identity.undone", &id, json!({ "identity": undone }));
            }
        };
        match subject.kind.as_str() {
            Identity::USER_ID => body["userId"] = subject.value.clone().into(),
            _ => body["anonymousId"] = subject.value.clone().into(),
        }
        if subject.kind == Identity::USER_ID && random.below(2) == 0 {
            body["anonymousId"] = visitor(device).value.into();
        }
        let mut event = house.call(kind, &id, &subject, at, body);
        if random.below(4) == 0 {
            event.authority = Authority::Browser;
        }
        event
    });
    events.collect()
}

async fn state(url: Option<String>, batch: usize, workers: usize) -> Value {
    let house = House::furnished(url).await;
    house.publish_segments().await;
    house.store.append(&house.scope, shop(&house)).await.expect("events are appended");
    let position = house.advance("2025-12-31T12:00:00Z").await;
    house.run_to_the_end(batch, workers, position).await;
    house.state().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_batch_size_changes_nothing() {
    let one = state(None, 1, 1).await;
    let count = |list: &str, text: &str| {
        let rows = one[list].as_array().expect("a list").iter();
        rows.filter(|row| row.as_str().is_some_and(|row| row.contains(text))).count()
    };
    assert!(count("parts", "state: Some") > 60, "hardly a customer of several parts: the test proves nothing");
    assert!(count("claims", "Refused") > 60 && count("claims", "Undone") > 20, "{}", one["claims"]);
    assert!(one["runs"].as_array().expect("runs").len() > 100 && count("customers", "Denied") == 0);
    for (batch, workers) in [(7, 1), (37, 2), (5_000, 2)] {
        assert_same(&one, &state(None, batch, workers).await, &format!("batches of {batch}"));
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    let url = server.database().await.expect("a database");
    assert_same(&one, &state(Some(url), 37, 2).await, "PostgreSQL, batches of 37");
}

fn assert_same(one: &Value, other: &Value, what: &str) {
    for (name, list) in one.as_object().expect("an object") {
        let (Some(rows), Some(others)) = (list.as_array(), other[name].as_array()) else {
            assert_eq!(list, &other[name], "{what}: {name}");
            continue;
        };
        for (row, other) in rows.iter().zip(others) {
            assert_eq!(row, other, "{what}: {name}");
        }
        assert_eq!(rows.len(), others.len(), "{what}: {name}");
    }
}

const HISTORIES: u64 = 500;

/// A tenant with events and retractions of its own, and what the pure function makes of them.
struct History {
    events: Vec<NewEvent>,
    claims: BTreeSet<identity::Claim>,
    retractions: BTreeSet<Retraction>,
}

/// Events whose positions are 1, 2, 3, …
fn history(house: &House, random: &mut Random) -> History {
    let one = |random: &mut Random| match random.below(10) {
        0 => Identity::new(Identity::ANONYMOUS_ID, "null"),
        1..=3 => user(random.below(3)),
        4..=6 => visitor(random.below(4)),
        _ => card(random.below(3)),
    };
    let mut history = History { events: Vec::new(), claims: BTreeSet::new(), retractions: BTreeSet::new() };
    let mut seen = BTreeSet::new();
    for position in 1..=3 + random.below(10) as i64 {
        let id = position.to_string();
        let pairs: Vec<_> = history.claims.iter().filter(|claim| !claim.is_sighting()).collect();
        if random.below(6) == 0 && !pairs.is_empty() {
            let (subject, identity) = pairs[random.below(pairs.len() as u64) as usize].pair();
            let body = json!({ "part": subject.part(house.tenant), "identity": identity });
            history.events.push(control("identity.undone", &id, body));
            history.retractions.insert(Retraction { position, subject, identity });
            continue;
        }
        let subject = one(random);
        let named: Vec<Identity> =
            (0..random.below(4)).map(|_| one(random)).filter(|named| *named != subject).collect();
        let body = json!({ "identity": subject, "identities": named, "attributes": { "at": position } });
        let mut event = house.call(EventKind::Update, &id, &subject, HOST_NOW, body);
        event.authority = if random.below(4) == 0 { Authority::Browser } else { Authority::Server };
        let claim =
            |identity| identity::Claim { position, subject: subject.clone(), identity, authority: event.authority };
        if seen.insert(subject.clone()) {
            history.claims.insert(claim(subject.clone()));
        }
        history.claims.extend(named.into_iter().map(claim));
        history.events.push(event);
    }
    history
}

/// Who belongs to whom, by the database.
async fn stored(house: &House) -> BTreeMap<PartId, (PartId, i64, bool, bool)> {
    let parts = house.identities().await.0;
    parts.iter().map(|part| (part.id(), (part.customer, part.age.position, part.age.claimed, part.seen))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_histories_are_what_the_pure_function_says() {
    let server = Server::start().await.expect("PostgreSQL starts");
    for url in [None, Some(server.database().await.expect("a database"))] {
        let mut house = House::open(url).await;
        let mut random = Random(11);
        let mut histories = Vec::new();
        for number in 0..HISTORIES {
            let name = format!("history {number}");
            let tenant = house.store.create_tenant(&name, ClockKind::Live, HOST_NOW).await.expect("a tenant").id;
            (house.tenant, house.scope) = (tenant, Scope::of(tenant));
            let history = history(&house, &mut random);
            house.store.append(&house.scope, history.events.clone()).await.expect("events are appended");
            histories.push((tenant, history));
        }
        let engine = house.start(4, 2);
        let (mut joined, mut undone) = (0, 0);
        for (number, (tenant, history)) in histories.iter().enumerate() {
            (house.tenant, house.scope) = (*tenant, Scope::of(*tenant));
            let last = history.events.len() as i64;
            assert!(engine.reached(*tenant, last, Duration::from_secs(120)).await, "history {number}");
            let standing = live(&history.claims, &history.retractions);
            let expected = resolve(*tenant, &Policies::default(), standing);
            let expected: BTreeMap<PartId, _> = expected
                .parts
                .iter()
                .map(|(id, placed)| (*id, (placed.customer, placed.age.position, placed.age.claimed, placed.seen)))
                .collect();
            assert_eq!(stored(&house).await, expected, "history {number}: {:?}", history.events);
            joined += expected.iter().filter(|(part, (customer, ..))| *part != customer).count();
            undone += house.identities().await.1.iter().filter(|one| one.status == ClaimStatus::Undone).count();
            let filter = CustomerFilter { limit: 100, ..CustomerFilter::default() };
            let customers = house.store.customers(&house.scope, &filter).await.expect("customers");
            let ids: BTreeSet<PartId> = expected.values().map(|(customer, ..)| *customer).collect();
            assert_eq!(customers.iter().map(|customer| customer.customer).collect::<BTreeSet<_>>(), ids);
        }
        engine.stop().await;
        assert!(joined > 500 && undone > 100, "{joined} joined, {undone} undone: the test proves little");
    }
}
