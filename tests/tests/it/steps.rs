//! Steps and functions of plugins in journeys: the same state however runs are cut into calls, and who breaks off does so alone.

use std::collections::BTreeMap;

use openhub_model::run::RunStatus;
use openhub_model::{EventKind, Identity, NewEvent, Timestamp};
use openhub_runtime::Recording;
use openhub_store::{FaultFilter, MessageFilter, RunFilter};
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{House, control};
use serde_json::{Value, json};

const PEOPLE: i64 = 48;
const DAY: i64 = 86_400_000_000;
const PAGE: usize = 10_000;

fn at(micros: i64) -> Timestamp {
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    Timestamp::from_micros(start.micros() + micros)
}

/// Carried, then told by webhook in words, and routed by a plugin of ours.
fn journey() -> Value {
    let weight = "{{ trigger.properties.weight }}";
    let text = "{{ hostile_steps.in_words(trigger.properties.weight) }}{% if hostile_steps.in_words(1, 'g') is startingwith('1g') %}, \
                {{ local_format.money(trigger.properties.total, 'EUR') }} {{ local_format.date(trigger.at) }}{% endif %}";
    json!({
        "trigger": {"event": "Order Completed"}, "reentry": "always", "start": "carry",
        "nodes": {
            "carry": {"type": "step", "plugin": "hostile-steps", "step": "carry", "with": {"weight": weight},
                "outlets": {"heads": "say", "tails": "say", "twice": "route"}},
            "say": {"type": "send", "channel": "webhook", "purpose": "transactional", "content": {"text": text}, "next": "route"},
            "route": {"type": "step", "plugin": "lead-router", "step": "route",
                "with": {"score": "{{ customer.attributes.score | default('') }}", "people": 3, "patience": 60},
                "outlets": {"first": "sold", "second": "sold", "third": "sold", "fourth": "sold", "fifth": "sold",
                    "sixth": "sold", "nurture": "cold"}},
            "sold": {"type": "exit", "reason": "converted"},
            "cold": {"type": "exit"},
        },
    })
}

fn event(house: &House, person: i64, name: &str, micros: i64, properties: Value) -> NewEvent {
    let subject = Identity::new(Identity::USER_ID, format!("person-{person}"));
    let body = json!({"type": "track", "event": name, "userId": subject.value, "properties": properties});
    house.call(EventKind::Track, &format!("{name}-{person}-{micros}"), &subject, at(micros), body)
}

/// Everybody is known, then orders, then things happen while some runs wait.
fn events(house: &House) -> Vec<NewEvent> {
    let mut events = Vec::new();
    for person in 0..PEOPLE {
        let subject = Identity::new(Identity::USER_ID, format!("person-{person}"));
        let locale = ["en", "de", "zh-CN"][(person % 3) as usize];
        let mut traits = json!({"locale": locale, "timezone": "Asia/Shanghai"});
        if person % 4 < 2 {
            traits["score"] = json!(person * 3);
        }
        let body = json!({"type": "identify", "userId": subject.value, "traits": traits});
        events.push(house.call(EventKind::Identify, &format!("identify-{person}"), &subject, at(0), body));
    }
    for person in 0..PEOPLE {
        let properties = json!({"weight": person % 16, "total": format!("{}.50", 1_000 + person)});
        events.push(event(house, person, "Order Completed", DAY + person, properties));
    }
    for person in 0..PEOPLE {
        if person % 3 != 0 {
            events.push(event(house, person, "Again", DAY + 3_600_000_000 + person, json!({})));
        }
        if person % 5 == 0 {
            events.push(event(house, person, "Other", DAY + 2 * 3_600_000_000, json!({})));
        }
        if person % 3 == 2 {
            events.push(event(house, person, "Again", DAY + 3 * 3_600_000_000, json!({})));
        }
        if person % 4 == 3 {
            events.push(event(
                house,
                person,
                "Lead Scored",
                2 * DAY + 1_800_000_000 + person,
                json!({"score": person * 3}),
            ));
        }
    }
    events.sort_by_key(|event| event.occurred_at);
    events
}

async fn house(url: Option<String>, batch: usize, workers: usize) -> House {
    let house = House::open(url).await;
    for plugin in ["webhook", "lead-router", "local-format"] {
        house.install(&guests::build(&format!("plugins/{plugin}")), json!({"url": "http://127.0.0.1:9/"})).await;
    }
    house.install(&guests::build("tests/hostile/steps"), json!({})).await;
    house.publish("carrying", journey()).await;
    let until = at(400 * DAY);
    let wanted = json!({"plugin": "hostile-steps", "per_million": 250_000, "customer": null, "until": until});
    let wanted = control("plugin.recording-set", "1", wanted);
    house.store.append(&house.scope, vec![wanted]).await.expect("calls are to be recorded");
    house.store.append(&house.scope, events(&house)).await.expect("events are appended");
    let position = house.advance("2025-02-01T12:00:00Z").await;
    house.run(batch, workers, position).await;
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_go_the_same_way_at_any_batch_size_and_who_breaks_off_does_so_alone() {
    let first = house(None, 5_000, 2).await;
    let whole = first.state().await;
    let runs = first.store.runs(&first.scope, &RunFilter { limit: PAGE, ..RunFilter::default() }).await.expect("runs");
    assert_eq!(runs.len() as i64, PEOPLE);
    let versions = first.store.plugins(&first.scope).await.expect("plugins");
    let digest = |name: &str| versions.iter().find(|plugin| plugin.name == name).map(|plugin| plugin.digest.as_str());
    for run in &runs {
        // Who was routed was served by the router last.
        let last = if ["sold", "cold", "route"].contains(&run.node.as_str()) { "lead-router" } else { "hostile-steps" };
        assert_eq!(run.served_by.as_deref(), digest(last), "{run:?}");
    }
    let failed: Vec<&str> = runs.iter().filter_map(|run| run.fault.as_deref()).collect();
    let of = |text: &str| failed.iter().filter(|fault| fault.contains(text)).count();
    // Three persons a weight.
    assert_eq!(of("this load is cursed"), 3, "{failed:#?}");
    assert_eq!(of("(fuel)"), 3, "{failed:#?}");
    assert_eq!(of("heavy: nobody carries this"), 3, "{failed:#?}");
    assert_eq!(of("this weight is cursed"), 3, "{failed:#?}");
    assert_eq!(of("wordless: there are no words for this"), 3, "{failed:#?}");
    assert_eq!(failed.len(), 15, "{failed:#?}");
    let ended = |node: &str| runs.iter().filter(|run| run.status == RunStatus::Done && run.node == node).count();
    assert_eq!(ended("sold") + ended("cold"), runs.len() - failed.len(), "{runs:#?}");
    assert!(ended("sold") > 5 && ended("cold") > 5, "{} {}", ended("sold"), ended("cold"));
    let filter = MessageFilter { limit: PAGE, ..MessageFilter::default() };
    let messages = first.store.messages(&first.scope, &filter).await.expect("messages");
    let texts: Vec<&str> = messages.iter().map(|row| row.message.content.as_str()).collect();
    // Whom two events met says nothing.
    assert!(texts.len() < runs.len() - failed.len() && texts.len() > 10, "{texts:#?}");
    let expected = json!({"text": "0kg <en Asia/Shanghai>, €1,000.50 January 2, 2025"}).to_string();
    assert!(texts.contains(&expected.as_str()), "{texts:#?}");
    let expected = json!({"text": "4kg <de Asia/Shanghai>, 1.004,50\u{a0}€ 2. Januar 2025"}).to_string();
    assert!(texts.contains(&expected.as_str()), "{texts:#?}");
    let faults = first.store.faults(&first.scope, &FaultFilter { limit: PAGE, ..FaultFilter::default() }).await;
    let faults = faults.expect("faults");
    assert_eq!(faults.iter().filter(|fault| fault.fault.subject.starts_with("carrying/")).count(), 15, "{faults:#?}");
    let mut recorded = Vec::new();
    for fault in &faults {
        recorded.extend(first.store.fault_recording(&first.scope, fault.fault.id).await.expect("it can be asked"));
    }
    // Who says no has not broken off.
    assert_eq!(recorded.len(), 9, "{recorded:#?}");
    let plugin = first.runtime.prepare(&guests::build("tests/hostile/steps").bytes).await.expect("a plugin");
    for text in recorded {
        let recording: Recording = serde_json::from_str(&text).expect("a recording");
        let again = plugin.replay(&recording).err().expect("it fails again");
        let same = (again.kind.as_str(), again.message.as_str(), again.receipt);
        let fault = recording.fault.as_ref().expect("it failed");
        assert_eq!(same, (fault.kind.as_str(), fault.message.as_str(), recording.receipt));
    }
    let drawn = drawn(&first).await;
    let mut kinds = BTreeMap::new();
    for text in drawn.values() {
        let recording: Recording = serde_json::from_str(text).expect("a recording");
        let again = plugin.replay(&recording);
        let fuel = again.as_ref().map_or_else(|fault| fault.receipt.fuel, |again| again.receipt().fuel);
        assert!(recording.is_met_by(&again) && fuel == recording.receipt.fuel, "{text}");
        assert!(!recording.depends_on_others, "{text}");
        *kinds.entry(recording.call.kind().to_owned()).or_insert(0) += 1;
    }
    assert!(kinds.len() == 2 && kinds.values().all(|count| (3..60).contains(count)), "steps and functions: {kinds:?}");
    for (batch, workers) in [(1, 1), (7, 2)] {
        let house = house(None, batch, workers).await;
        assert_same(&whole, &house.state().await, &format!("batches of {batch}"));
        assert_eq!(self::drawn(&house).await, drawn, "batches of {batch}");
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    let other = house(Some(server.database().await.expect("a database")), 13, 2).await.state().await;
    assert_same(&whole, &other, "PostgreSQL");
}

/// The calls that are recorded without their having failed, too.
async fn drawn(house: &House) -> BTreeMap<String, String> {
    let listed = house.store.plugin_recordings(&house.scope, "hostile-steps", None, PAGE).await.expect("a list");
    let mut drawn = BTreeMap::new();
    for one in listed {
        let text = house.store.plugin_recording(&house.scope, "hostile-steps", one.id).await.expect("a read");
        drawn.insert(one.id.to_string(), text.expect("it is kept"));
    }
    drawn
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
