//! Customers who change the same objects: operations of one key are answered in the order of the log, chains of causes
//! end, and a long time is taken in steps, at any batch size.

use openhub_engine::objects::{self, Fate, Importing, NewObject, Trial, WriteContext};
use openhub_model::{EventKind, Id, Identity, Principal, Timestamp};
use openhub_store::{EventFilter, ObjectFilter};
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{HOST_NOW, House};
use openhub_tests::patience::until;
use serde_json::{Value, json};

const START: i64 = 1_735_732_800_000_000;
const MINUTE: i64 = 60_000_000;
const PAGE: usize = 100_000;

fn user(number: u64) -> Identity {
    Identity::new(Identity::USER_ID, number.to_string())
}

fn crowd() -> &'static openhub_sdk_build::Assembled {
    static CROWD: std::sync::OnceLock<openhub_sdk_build::Assembled> = std::sync::OnceLock::new();
    CROWD.get_or_init(|| guests::build("tests/hostile/crowd"))
}

/// `Work` of these customers, each with what it says, run in batches of one size.
async fn worked(works: &[(u64, Value)], batch: usize) -> House {
    worked_in(House::open(None).await, works, batch).await
}

async fn worked_in(house: House, works: &[(u64, Value)], batch: usize) -> House {
    house.install(crowd(), json!({})).await;
    let events = works.iter().enumerate().map(|(row, (who, properties))| {
        let body = json!({"type": "track", "event": "Work", "userId": who.to_string(), "properties": properties});
        let at = Timestamp::from_micros(START + row as i64 * MINUTE);
        house.call(EventKind::Track, &format!("work-{row}"), &user(*who), at, body)
    });
    let events = events.collect();
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run_to_the_end(batch, 2, position).await;
    house
}

async fn tallies(house: &House) -> Vec<openhub_model::Object> {
    let filter = ObjectFilter { kind: "tally".into(), limit: PAGE, ..ObjectFilter::default() };
    house.store.objects(&house.scope, &filter).await.expect("objects")
}

/// How many events of a name the log has.
async fn count(house: &House, name: &str) -> usize {
    let filter = EventFilter { name: Some(name.into()), limit: PAGE, ..EventFilter::default() };
    house.store.events(&house.scope, &filter).await.expect("events").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b2_twenty_customers_add_up_and_one_redeems() {
    let mut works = vec![(0, json!({"op": "create", "key": "k", "add": 0}))];
    works.extend((1..=20).map(|who| (who, json!({"op": "merge", "key": "k", "add": 1}))));
    works.extend((1..=5).map(|who| (who, json!({"op": "redeem", "key": "k"}))));
    for batch in [1, 3, 5_000] {
        let house = worked(&works, batch).await;
        let found = tallies(&house).await;
        assert_eq!(
            (found.len(), &found[0].fields["count"], found[0].version),
            (1, &json!(20), 22),
            "batches of {batch}"
        );
        assert_eq!(found[0].part, Some(user(0).part(house.tenant)), "it stays with whom it was made for");
        assert_eq!(count(&house, "Tally Redeemed").await, 1, "batches of {batch}");
    }
}

/// Nothing happens to the owner but that others change what is theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_an_object_enters_a_segment_when_somebody_else_changes_it() {
    let counted = json!({"field": "count", "is": "ge", "value": 3});
    let counted = json!({"object": {"kind": "tally", "quantifier": "any", "where": [counted]}});
    let redeemed = json!({"field": "redeemed", "is": "eq", "value": true});
    let open = json!({"not": {"object": {"kind": "tally", "quantifier": "any", "where": [redeemed]}}});
    let open = json!({"all": [open, {"segment": "counted"}]});
    let mut works = vec![(0, json!({"op": "create", "key": "k", "add": 0}))];
    works.extend((1..=3).map(|who| (who, json!({"op": "merge", "key": "k", "add": 1}))));
    for (batch, redeems) in [(1, false), (1, true), (2, false), (2, true), (5_000, false), (5_000, true)] {
        let mut works = works.clone();
        works.extend(redeems.then(|| (4, json!({"op": "redeem", "key": "k"}))));
        let house = House::open(None).await;
        house.publish_segment("counted", &counted).await;
        house.publish_segment("open", &open).await;
        let house = worked_in(house, &works, batch).await;
        for (segment, is_in) in [("counted", true), ("open", !redeems)] {
            let members = house.store.members(&house.scope, segment, None, 9).await.expect("members");
            let members: Vec<_> = members.into_iter().map(|(customer, _)| customer).collect();
            let owner = is_in.then(|| user(0).part(house.tenant));
            assert_eq!(members, owner.into_iter().collect::<Vec<_>>(), "`{segment}`, batches of {batch}, {redeems}");
        }
    }
}

/// Nothing happens to who gives it away but that it is given away, through the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_an_object_away_leaves_the_segment_of_those_who_have_one() {
    let server = Server::start().await.expect("PostgreSQL starts");
    for url in [None, Some(server.database().await.expect("a database"))] {
        let house = House::open(url).await;
        let any = json!({"object": {"kind": "trinket", "quantifier": "count", "is": "ge", "value": 1}});
        house.install(crowd(), json!({})).await;
        house.publish_segment("owners", &any).await;
        let house = worked_in(house, &[(0, json!({"op": "none"})), (1, json!({"op": "none"}))], 10).await;
        let (ada, bob) = (user(0).part(house.tenant), user(1).part(house.tenant));
        let engine = house.start(10, 1);
        let context = |random| WriteContext { by: Principal::Operator, now: HOST_NOW, random, once: None };
        let owner = |part: Id| json!({"owner": part.to_string()}).as_object().expect("fields").clone();
        let members = async || {
            let behind = async || house.store.standing(&house.scope).await.expect("a standing").arrived_behind;
            until("the engine has done what arrived", || async { (behind().await == 0).then_some(()) }).await;
            let members = house.store.members(&house.scope, "owners", None, 9).await.expect("members");
            members.into_iter().map(|(customer, _)| customer).collect::<Vec<_>>()
        };
        let made = objects::create(&engine, &house.scope, "trinket", owner(ada), context(1)).await.expect("it is made");
        assert_eq!(members().await, [ada]);
        let given = objects::update(&engine, &house.scope, "trinket", &made.0.key, &owner(bob), None, context(2)).await;
        assert_eq!(given.expect("it is given away").0.part, Some(bob));
        assert_eq!(members().await, [bob]);
        objects::delete(&engine, &house.scope, "trinket", &made.0.key, None, context(3)).await.expect("it is gone");
        assert_eq!(members().await, []);
        engine.stop().await;
        house.store.close().await;
    }
}

/// A key that its plugin would have made at random stays what it was in the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_object_keeps_its_key_and_is_made_once() {
    let house = worked(&[(0, json!({"op": "none"})), (1, json!({"op": "none"}))], 10).await;
    let engine = house.start(10, 1);
    let import = async |id: &str, who: u64| {
        let fields = json!({"owner": user(who).part(house.tenant).to_string()});
        let fields = fields.as_object().expect("fields").clone();
        let row = NewObject { id: id.into(), key: Some("mine".into()), fields };
        let context = WriteContext { by: Principal::Operator, now: HOST_NOW, random: 1, once: None };
        let how = Importing { context, trial: Trial::Commit, historical: true };
        let fates = objects::import(&engine, &house.scope, "trinket", &[row], how).await.expect("it is imported");
        fates.into_iter().next().expect("a fate")
    };
    assert_eq!(import("first", 0).await, Fate::Made);
    let made = house.store.object(&house.scope, "trinket", "mine").await.expect("the store answers");
    assert_eq!(made.expect("it has its key").part, Some(user(0).part(house.tenant)));
    assert_eq!(import("first", 1).await, Fate::Known, "the row is known by its id");
    assert_eq!(import("second", 0).await, Fate::Known, "the object is there as the row says");
    let Fate::RefusedKey(fault) = import("third", 1).await else { panic!("the key is taken") };
    assert_eq!(fault.code, "not-unique");
    engine.stop().await;
    house.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_a_value_or_a_key_that_is_taken_is_tried_three_times_and_then_refused() {
    let create = |who, key: &str, code: &str| (who, json!({"op": "create", "key": key, "code": code}));
    let mut works = vec![create(1, "a", "taken"), create(2, "b", "free")];
    works.push((3, json!({"op": "merge", "key": "b", "code": "taken"})));
    works.push((4, json!({"op": "merge", "key": "new", "add": 1})));
    works.push((5, json!({"op": "create", "key": "new", "add": 2})));
    works.push((6, json!({"op": "merge", "key": "new", "add": 3})));
    for batch in [1, 5_000] {
        let house = worked(&works, batch).await;
        let found = tallies(&house).await;
        let codes: Vec<&Value> = found.iter().map(|tally| &tally.fields["code"]).collect();
        assert_eq!(codes, [&json!("taken"), &json!("free"), &Value::Null], "batches of {batch}");
        assert_eq!(found[2].fields["count"], json!(5), "batches of {batch}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_a_chain_ends_at_depth_8_through_objects_and_through_the_log() {
    for batch in [1, 5_000] {
        let house = worked(&[(1, json!({"op": "spawn"}))], batch).await;
        assert_eq!((tallies(&house).await.len(), count(&house, "Work").await), (9, 9), "objects, batches of {batch}");
        // Each tells the next in the log; two of each would be 511, if nothing else ended them.
        let own = |who: u64| (who, json!({"op": "own", "key": who.to_string()}));
        let tells = [own(1), own(2), (1, json!({"op": "tell", "to": "2"})), (2, json!({"op": "tell", "to": "2"}))];
        let house = worked(&tells, batch).await;
        assert_eq!(count(&house, "Work").await, 4, "batches of {batch}");
        let told = count(&house, "Work Told").await;
        assert!((16..=18).contains(&told), "{told} events, batches of {batch}");
        let house = worked(&[(1, json!({"op": "fan", "fan": 16}))], batch).await;
        assert_eq!(count(&house, "Work").await, 1_001, "one item causes 1,000 at most, batches of {batch}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_a_long_time_over_short_waits_is_taken_in_steps_and_can_be_stopped() {
    let house = House::open(None).await;
    let rounds = json!({
        "trigger": { "event": "Begun" }, "start": "wait", "nodes": {
            "wait": { "type": "wait", "duration": "1s", "next": "note" },
            "note": { "type": "update", "tags": { "seen": true }, "next": "wait" }
        }
    });
    house.publish("rounds", rounds).await;
    let at = Timestamp::from_micros(START);
    let body = json!({"type": "track", "event": "Begun", "userId": "1"});
    let begun = house.call(EventKind::Track, "begun", &user(1), at, body);
    house.store.append(&house.scope, vec![begun]).await.expect("an event");
    let far = house.advance("2035-01-02T12:00:00Z").await;
    let engine = house.start(5_000, 2);
    let due = || async {
        let timers = house.store.due_timers(&house.scope, Timestamp::MAX, 2).await.expect("timers");
        timers.first().map_or(0, |timer| timer.due.micros() - START)
    };
    openhub_tests::patience::until("an attempt has been committed", || async {
        (due().await > 50 * MINUTE).then_some(())
    })
    .await;
    engine.stop().await;
    assert!(house.store.standing(&house.scope).await.expect("a standing").checkpoint < far, "ten years are not over");
    let reached = due().await;
    let engine = house.start(5_000, 2);
    openhub_tests::patience::until("it goes on where it was", || async { (due().await > reached).then_some(()) }).await;
    engine.stop().await;
}
