//! Objects of a type that an admin declares, which lead to objects of a plugin: made by a journey and deleted from under it by a
//! rule, in the order of the log at any batch size, on both databases.

use openhub_model::{EventKind, Identity, Object, Timestamp};
use openhub_store::{FaultFilter, ObjectFilter};
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{House, control};
use serde_json::{Value, json};

const START: i64 = 1_735_732_800_000_000;
const MINUTE: i64 = 60_000_000;

fn crowd() -> &'static openhub_sdk_build::Assembled {
    static CROWD: std::sync::OnceLock<openhub_sdk_build::Assembled> = std::sync::OnceLock::new();
    CROWD.get_or_init(|| guests::build("tests/hostile/crowd"))
}

fn declared(on_delete: &str) -> Value {
    json!({"owner": "who", "fields": [
        {"name": "who", "type": "customer"},
        {"name": "of", "type": {"object": "tally"}, "on_delete": on_delete},
        {"name": "all", "type": {"object": "tally"}, "list": true, "on_delete": on_delete},
    ]})
}

/// Whoever notes something makes an object that leads to a tally.
fn journey() -> Value {
    let key = "{{ trigger.properties.key }}";
    json!({
        "trigger": {"event": "Noted"}, "reentry": "always", "start": "note",
        "nodes": {
            "note": {"type": "object", "action": "create", "kind": "note", "fields": {"of": key, "all": [key]}, "next": "end"},
            "end": {"type": "exit"},
        },
    })
}

async fn objects(house: &House, kind: &str) -> Vec<Object> {
    let filter = ObjectFilter { kind: kind.into(), limit: 1_000, ..ObjectFilter::default() };
    house.store.objects(&house.scope, &filter).await.expect("objects")
}

/// What each customer does, an event a minute: `note`, or what the rule is to do with a tally.
async fn done(url: Option<String>, on_delete: &str, deeds: &[(u64, &str, &str)], batch: usize) -> House {
    let house = House::open(url).await;
    house.install(crowd(), json!({})).await;
    let declaration = json!({"type": "note", "declaration": declared(on_delete)});
    let declaration = control("object-type.declared", "note", declaration);
    house.store.append(&house.scope, vec![declaration]).await.expect("the type is declared");
    house.publish("notes", journey()).await;
    // Who owns a note that leads somewhere.
    let leads = json!({"object": {"kind": "note", "quantifier": "any", "where": [{"field": "of", "is": "exists"}]}});
    house.publish_segment("leading", &leads).await;
    let events = deeds.iter().enumerate().map(|(row, (who, op, key))| {
        let subject = Identity::new(Identity::USER_ID, who.to_string());
        let name = if *op == "note" { "Noted" } else { "Work" };
        let body =
            json!({"type": "track", "event": name, "userId": who.to_string(), "properties": {"op": op, "key": key}});
        let at = Timestamp::from_micros(START + row as i64 * MINUTE);
        house.call(EventKind::Track, &format!("deed-{row}"), &subject, at, body)
    });
    let events = events.collect();
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run_to_the_end(batch, 2, position).await;
    house
}

/// The keys of the tallies, the fields of the notes, who is in the segment, and what was refused.
async fn found(house: &House) -> Value {
    let tallies: Vec<String> = objects(house, "tally").await.into_iter().map(|tally| tally.key).collect();
    let mut notes: Vec<Value> = objects(house, "note")
        .await
        .into_iter()
        .map(|note| json!([note.fields["who"], note.fields["of"], note.fields["all"], note.version]))
        .collect();
    notes.sort_by_key(Value::to_string);
    let members = house.store.members(&house.scope, "leading", None, 100).await.expect("members");
    let mut members: Vec<String> = members.into_iter().map(|(customer, _)| customer.to_string()).collect();
    members.sort();
    let filter = FaultFilter { limit: 100, ..FaultFilter::default() };
    let faults = house.store.faults(&house.scope, &filter).await.expect("faults");
    let mut faults: Vec<String> =
        faults.into_iter().map(|fault| format!("{} {}", fault.fault.code, fault.fault.text)).collect();
    faults.sort();
    json!({"tallies": tallies, "notes": notes, "members": members, "faults": faults})
}

async fn the_same_at_any_size(on_delete: &str, deeds: &[(u64, &str, &str)]) -> Value {
    let server = Server::start().await.expect("PostgreSQL starts");
    let one = found(&done(None, on_delete, deeds, 1).await).await;
    for batch in [2, 3, 5_000] {
        assert_eq!(found(&done(None, on_delete, deeds, batch).await).await, one, "batches of {batch}");
    }
    let database = server.database().await.expect("a database");
    assert_eq!(found(&done(Some(database), on_delete, deeds, 5_000).await).await, one, "on PostgreSQL");
    one
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_led_to_is_there_and_stays() {
    let deeds = [
        (1, "note", "k"),
        (0, "create", "k"),
        (2, "note", "k"),
        (3, "note", "k"),
        (4, "delete", "k"),
        (5, "create", "free"),
        (6, "delete", "free"),
        (7, "note", "free"),
    ];
    let found = the_same_at_any_size("refuse", &deeds).await;
    assert_eq!(found["tallies"], json!(["k"]), "{found}");
    assert_eq!(found["notes"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!(found["members"].as_array().map(Vec::len), Some(2), "{found}");
    let faults = found["faults"].to_string();
    assert!(faults.contains("in-use") && faults.contains("There is no object `free`"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gives_up_what_it_led_to_is_changed_with_it() {
    let deeds = [
        (0, "create", "k"),
        (1, "note", "k"),
        (2, "create", "other"),
        (3, "note", "other"),
        (1, "note", "other"),
        (4, "delete", "k"),
        (5, "note", "k"),
        (3, "delete", "other"),
        (6, "create", "other"),
        (7, "note", "other"),
    ];
    let found = the_same_at_any_size("clear", &deeds).await;
    assert_eq!(found["tallies"], json!(["other"]), "{found}");
    let notes = found["notes"].as_array().expect("notes");
    let cleared: Vec<&Value> = notes.iter().filter(|note| note[1].is_null()).collect();
    assert_eq!((notes.len(), cleared.len()), (4, 3), "{found}");
    assert!(cleared.iter().all(|note| note[2] == json!([]) && note[3] != json!(1)), "{found}");
    assert_eq!(found["members"].as_array().map(Vec::len), Some(1), "{found}");
}
