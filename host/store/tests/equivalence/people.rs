//! People as raw data: everything that a condition may look at, as it was delivered.

use openhub_model::condition::{EventFact, History, MessageFact, ObjectFact, RunFact};
use openhub_model::message::MessageStatus;
use openhub_model::run::RunStatus;
use openhub_model::{Attribute, Cause, Customer, Identity, Origin, PartId, TenantId, Timestamp};
use openhub_store::CustomerFacts;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::dice::Dice;

pub const DAY: i64 = 86_400_000_000;
pub const SEGMENTS: [&str; 2] = ["s1", "s2"];
pub const JOURNEYS: [&str; 2] = ["j1", "j2"];
pub const CHANNELS: [&str; 2] = ["email", "sms"];
pub const KINDS: [&str; 3] = ["user_id", "email", "phone"];

/// A person, of one or several parts; the first gives the id.
#[derive(Clone, Debug)]
pub struct Person {
    pub parts: Vec<Identity>,
    pub attributes: BTreeMap<String, Value>,
    pub tags: BTreeMap<String, Value>,
    pub consents: BTreeMap<String, Value>,
    pub segments: BTreeSet<String>,
    /// In order of arrival.
    pub deliveries: Vec<Delivery>,
    pub runs: Vec<RawRun>,
    pub messages: Vec<RawMessage>,
    pub objects: Vec<RawObject>,
}

/// One arrival of an event; another with the same id is its duplicate.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: String,
    pub part: usize,
    pub name: String,
    pub at: i64,
    pub body: String,
    pub caused: bool,
    pub erased: bool,
    /// Its COMPUTE failed.
    pub aside: bool,
}

#[derive(Clone, Debug)]
pub struct RawRun {
    pub part: usize,
    pub journey: String,
    pub status: RunStatus,
    /// Where it ended: `good` is an exit whose reason is `converted`.
    pub node: String,
}

#[derive(Clone, Debug)]
pub struct RawMessage {
    pub part: usize,
    pub at: i64,
    pub channel: String,
    pub journey: String,
    pub status: MessageStatus,
    pub attempts: i64,
}

#[derive(Clone, Debug)]
pub struct RawObject {
    pub part: usize,
    pub kind: String,
    pub fields: Value,
}

/// Texts that write an instant, and some that only look so.
pub const INSTANTS: [(&str, Option<i64>); 14] = [
    ("1970-01-11T00:00:00Z", Some(10 * DAY)),
    ("1970-01-11T00:00:00.000Z", Some(10 * DAY)),
    ("1970-01-11T00:00:00.000000999Z", Some(10 * DAY)),
    ("1970-01-11T08:00:00+08:00", Some(10 * DAY)),
    ("1970-01-10 18:30:00-0530", Some(10 * DAY)),
    ("1970-01-11t02:00:00+02", Some(10 * DAY)),
    ("1970-01-11T00:00:00.000001Z", Some(10 * DAY + 1)),
    ("1970-01-10T23:59:59.999999z", Some(10 * DAY - 1)),
    ("1970-01-14T00:00:00Z", Some(13 * DAY)),
    ("1969-12-31T23:59:59.5Z", Some(-500_000)),
    ("1970-02-29T00:00:00Z", None),
    ("1970-01-11T00:00:00", None),
    ("1970-01-11T24:00:00Z", None),
    ("1970-01-11T00:00:00+8:00", None),
];

/// Texts that write a day.
pub const DAYS: [&str; 3] = ["1970-01-11", "1972-02-29", "1970-12-31"];
/// Texts that only look so.
const NO_DAYS: [&str; 4] = ["1970-02-29", "1970-1-11", "11.01.1970", "0000-01-01"];

/// The seventh and the eighth are no integers of 63 bits.
const LARGE: [&str; 8] = [
    "9007199254740993",
    "-9007199254740993",
    "1610521604143693812",
    "1610521604143693813",
    "9223372036854775807",
    "9223372036854774784.0",
    "9223372036854775809",
    "18446744073709551615",
];

/// As programs write the doubles that need all of their 17 digits, and beside each the next one: read one digit wrong, it is equal.
const FINE: [&str; 6] =
    ["0.30000000000000004", "0.3", "59.970000000000006", "59.97", "1.7976931348623157e308", "-5.551115123125783e-17"];

pub fn text(dice: &mut Dice) -> Value {
    if dice.once_in(3) {
        return json!(dice.pick(&INSTANTS).0);
    }
    if dice.once_in(4) {
        let days = [&DAYS[..], &NO_DAYS[..]].concat();
        return json!(*dice.pick(&days));
    }
    json!(*dice.pick(&["", "a", "ab", "b", "Ab", "é"]))
}

fn large(dice: &mut Dice, of: usize) -> Value {
    let text = dice.pick(&LARGE[..of]);
    serde_json::from_str(text).expect("a number")
}

/// Also those that are more than 63 bits.
pub fn any_number(dice: &mut Dice) -> Value {
    if dice.once_in(6) { large(dice, 8) } else { number(dice) }
}

pub fn number(dice: &mut Dice) -> Value {
    if dice.once_in(8) {
        return large(dice, 6);
    }
    if dice.once_in(8) {
        return serde_json::from_str::<Value>(dice.pick::<&str>(&FINE)).expect("a number");
    }
    match dice.below(4) {
        0 => json!(dice.between(-2, 4)),
        1 => json!(dice.between(-2, 4) as f64),
        2 => json!(dice.between(-20, 40) as f64 / 10.0),
        _ => json!(dice.between(0, 10_000) as f64 / 100.0),
    }
}

fn value(dice: &mut Dice, number: fn(&mut Dice) -> Value) -> Value {
    match dice.below(12) {
        0..6 => number(dice),
        6..9 => text(dice),
        9 => json!(dice.once_in(2)),
        10 => Value::Null,
        _ => dice.pick(&[json!([1]), json!({"a": 1}), json!(9_007_199_254_740_993_i64)]).clone(),
    }
}

fn members(dice: &mut Dice, names: &[&str], number: fn(&mut Dice) -> Value) -> BTreeMap<String, Value> {
    let mut members = BTreeMap::new();
    for name in names {
        if !dice.once_in(4) {
            members.insert((*name).to_owned(), value(dice, number));
        }
    }
    members
}

/// An instant on the grid of days, or beside it.
pub fn instant(dice: &mut Dice, from: i64, to: i64) -> i64 {
    dice.between(from, to) * DAY + *dice.pick(&[0, 0, 0, 0, 1, -1])
}

pub fn person(dice: &mut Dice, number: usize) -> Person {
    let mut parts = vec![Identity::new("user_id", format!("u{number}"))];
    for kind in ["email", "email", "phone"] {
        if dice.once_in(2) {
            parts.push(Identity::new(kind, format!("{}{number}-{}", dice.pick(&["a", "b"]), parts.len())));
        }
    }
    let part = |dice: &mut Dice| dice.below(parts.len());
    let mut deliveries = dice.list(0, 15, |dice| delivery(dice, parts.len()));
    for (index, delivery) in deliveries.iter_mut().enumerate() {
        delivery.id = format!("{number}-{index}");
    }
    // A duplicate may differ in all but its id: the first one counts.
    for _ in 0..dice.below(3) {
        if !deliveries.is_empty() {
            let id = dice.pick(&deliveries).id.clone();
            deliveries.push(Delivery { id, caused: false, erased: false, aside: false, ..delivery(dice, parts.len()) });
        }
    }
    let consent = |dice: &mut Dice| {
        dice.pick(&[json!({"state": "granted"}), json!({"state": "denied", "source": "form"}), Value::Null]).clone()
    };
    let mut consents = BTreeMap::new();
    for key in ["news", "news/sms", "ads/email"] {
        if dice.once_in(2) {
            consents.insert(key.to_owned(), consent(dice));
        }
    }
    Person {
        attributes: members(dice, &["a", "b", "c"], any_number),
        tags: ["t1", "t2"].into_iter().filter(|_| dice.once_in(2)).map(|tag| (tag.to_owned(), json!(true))).collect(),
        consents,
        segments: SEGMENTS.into_iter().filter(|_| dice.once_in(2)).map(str::to_owned).collect(),
        runs: dice.list(0, 3, |dice| {
            let status = *dice.pick(&[RunStatus::Waiting, RunStatus::Done, RunStatus::Failed]);
            let node = (*dice.pick(&["good", "bad"])).to_owned();
            RawRun { part: part(dice), journey: (*dice.pick(&JOURNEYS)).to_owned(), status, node }
        }),
        messages: dice.list(0, 4, |dice| RawMessage {
            part: part(dice),
            at: instant(dice, 0, 25),
            channel: (*dice.pick(&CHANNELS)).to_owned(),
            journey: (*dice.pick(&JOURNEYS)).to_owned(),
            status: *dice.pick(&[MessageStatus::Pending, MessageStatus::Accepted, MessageStatus::Failed]),
            attempts: dice.between(0, 3),
        }),
        objects: dice.list(0, 4, |dice| {
            let kind = (*dice.pick(&["coupon", "ticket"])).to_owned();
            RawObject { part: part(dice), kind, fields: json!(members(dice, &["x", "y"], any_number)) }
        }),
        deliveries,
        parts,
    }
}

fn delivery(dice: &mut Dice, parts: usize) -> Delivery {
    let body = match dice.below(20) {
        0 => r#"{"type":"track"}"#.to_owned(),
        1 => r#"{"properties":"x"}"#.to_owned(),
        2 => r#"{"properties":[1,{"x":1}]}"#.to_owned(),
        3 => r#"{"properties":{"x":1,"y":"a","x":2.5,"y":null}}"#.to_owned(),
        4 => r#"{"properties":{"x":1e-400,"y":"\u00e9"}}"#.to_owned(),
        _ => json!({"type": "track", "properties": members(dice, &["x", "y", "z"], number)}).to_string(),
    };
    let caused = dice.once_in(10);
    Delivery {
        id: String::new(),
        part: dice.below(parts),
        name: (*dice.pick(&["A", "A", "B", "C"])).to_owned(),
        at: instant(dice, 0, 25),
        body,
        caused,
        erased: dice.once_in(20),
        aside: !caused && dice.once_in(15),
    }
}

impl Person {
    pub fn id(&self, tenant: TenantId) -> PartId {
        self.parts[0].part(tenant)
    }

    pub fn customer(&self, tenant: TenantId) -> Customer {
        let at = Timestamp::from_micros(0);
        let mut customer = Customer::new(self.id(tenant), self.parts[0].clone(), at);
        let cause = Cause { at, event: "m".into(), plugin: None, rule: None };
        let with_cause = |values: &BTreeMap<String, Value>| {
            let attribute = |value: &Value| Attribute { value: value.clone(), cause: cause.clone() };
            values.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
        };
        customer.attributes = with_cause(&self.attributes);
        customer.tags = with_cause(&self.tags);
        customer.consents = with_cause(&self.consents);
        customer
    }

    /// What a loader makes of the raw data, when the first `done` deliveries are done.
    pub fn facts(&self, done: usize) -> CustomerFacts {
        let (mut seen, mut events) = (BTreeSet::new(), Vec::new());
        let mut facts = CustomerFacts {
            identities: self.parts.clone(),
            segments: self.segments.clone(),
            ..CustomerFacts::default()
        };
        for (index, delivery) in self.deliveries.iter().enumerate() {
            if !seen.insert(&delivery.id) || delivery.aside || !(delivery.caused || index < done) {
                continue;
            }
            let body: Value = serde_json::from_str(&delivery.body).expect("a body is JSON");
            events.push(EventFact {
                name: delivery.name.as_str().into(),
                at: Timestamp::from_micros(delivery.at),
                origin: if delivery.caused { Origin::Caused } else { Origin::Arrived },
                position: index as i64,
                properties: if delivery.erased { Value::Null } else { body["properties"].clone() },
            });
        }
        facts.history = History::of(events);
        for run in &self.runs {
            let converted = run.status == RunStatus::Done && run.node == "good";
            facts.runs.push(RunFact { journey: run.journey.as_str().into(), status: run.status, converted });
        }
        for message in &self.messages {
            facts.messages.push(MessageFact {
                at: Timestamp::from_micros(message.at),
                channel: message.channel.as_str().into(),
                journey: message.journey.as_str().into(),
                status: message.status,
                attempts: message.attempts,
            });
        }
        facts.messages.sort_by_key(|message| message.at);
        for (index, object) in self.objects.iter().enumerate() {
            let (kind, fields) = (object.kind.as_str().into(), object.fields.clone());
            facts.objects.push(ObjectFact { kind, key: index.to_string(), fields });
        }
        facts
    }
}
