//! The truth of each leaf that looks beyond the profile.

use openhub_model::condition::{EventFact, Facts, History, MessageFact, ObjectFact, RunFact, Truth};
use openhub_model::message::MessageStatus;
use openhub_model::run::RunStatus;
use openhub_model::{Customer, Identity, Origin, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::read;
use crate::{cause, somebody};
use Truth::{False, True, Unknown};

pub(super) const DAY: i64 = 86_400_000_000;

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A customer with what was loaded of it.
pub(super) struct Known {
    customer: Customer,
    identities: Vec<Identity>,
    pub(super) history: History,
    segments: BTreeSet<String>,
    runs: Vec<RunFact>,
    pub(super) messages: Vec<MessageFact>,
    objects: Vec<ObjectFact>,
}

impl Known {
    pub(super) fn new() -> Known {
        Known {
            customer: somebody(),
            identities: Vec::new(),
            history: History::default(),
            segments: BTreeSet::new(),
            runs: Vec::new(),
            messages: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// Events at days, by name, with properties.
    pub(super) fn with_events(events: &[(&str, i64, Value)]) -> Known {
        let events = events.iter().enumerate().map(|(position, (name, day, properties))| EventFact {
            name: (*name).into(),
            at: at(day * DAY),
            origin: Origin::Arrived,
            position: position as i64,
            properties: properties.clone(),
        });
        Known { history: History::of(events.collect()), ..Known::new() }
    }

    pub(super) fn facts(&self, now: Timestamp) -> Facts<'_> {
        Facts {
            identities: &self.identities,
            history: &self.history,
            segments: &self.segments,
            runs: &self.runs,
            messages: &self.messages,
            objects: &self.objects,
            ..Facts::of(&self.customer, now)
        }
    }

    pub(super) fn truth(&self, condition: Value, now: Timestamp) -> Truth {
        read(condition).evaluate(&self.facts(now)).truth
    }
}

fn each(known: &Known, now: i64, cases: &[(Value, Truth)]) {
    for (condition, truth) in cases {
        assert_eq!(read(condition.clone()).faults(""), [], "{condition}");
        assert_eq!(known.truth(condition.clone(), at(now * DAY)), *truth, "{condition}");
    }
}

#[test]
fn identities() {
    let mut known = Known::new();
    known.identities = vec![
        Identity::new("email", "a@example.com"),
        Identity::new("email", "b@example.org"),
        Identity::new("user_id", "7"),
    ];
    let test = |kind: &str, is: &str, value: Value| json!({"identity": {"kind": kind, "is": is, "value": value}});
    let cases = [
        (test("email", "exists", Value::Null), True),
        (test("phone", "exists", Value::Null), False),
        (test("phone", "missing", Value::Null), True),
        (test("email", "eq", json!("b@example.org")), True),
        (test("email", "eq", json!("c")), False),
        (test("email", "ne", json!("b@example.org")), False),
        (test("email", "ne", json!("c")), True),
        (test("phone", "ne", json!("c")), Unknown),
        (test("email", "in", json!(["x", "a@example.com"])), True),
        (test("email", "prefix", json!("b@")), True),
        (test("email", "contains", json!("@example.")), True),
        (test("user_id", "contains", json!("8")), False),
        (test("phone", "prefix", json!("+")), Unknown),
    ];
    each(&known, 0, &cases);
}

#[test]
fn texts_inside_texts() {
    let mut known = Known::new();
    known.customer.set("city", json!("São Paulo"), cause(1));
    known.customer.set("age", json!(5), cause(1));
    let test = |name: &str, is: &str, value: &str| json!({"attribute": {"name": name, "is": is, "value": value}});
    let cases = [
        (test("city", "prefix", "São"), True),
        (test("city", "prefix", "são"), False),
        (test("city", "contains", "o P"), True),
        (test("age", "prefix", "5"), Unknown),
        (test("none", "contains", "5"), Unknown),
    ];
    each(&known, 0, &cases);
}

#[test]
fn consents() {
    let mut known = Known::new();
    let attribute = |value: Value| openhub_model::Attribute { value, cause: cause(1) };
    known.customer.consents.insert("marketing".into(), attribute(json!({"state": "granted", "source": "form"})));
    known.customer.consents.insert("marketing/sms".into(), attribute(json!({"state": "denied"})));
    known.customer.consents.insert("research".into(), attribute(Value::Null));
    let test = |purpose: &str, channel: Option<&str>, is: &str| match channel {
        Some(channel) => json!({"consent": {"purpose": purpose, "channel": channel, "is": is}}),
        None => json!({"consent": {"purpose": purpose, "is": is}}),
    };
    let cases = [
        (test("marketing", None, "granted"), True),
        (test("marketing", None, "denied"), False),
        (test("marketing", Some("email"), "granted"), True),
        (test("marketing", Some("sms"), "denied"), True),
        (test("marketing", Some("sms"), "unset"), False),
        (test("research", None, "unset"), True),
        (test("other", Some("sms"), "unset"), True),
    ];
    each(&known, 0, &cases);
}

#[test]
fn segments_and_journeys() {
    let mut known = Known::new();
    known.segments.insert("vip".into());
    let run = |journey: &str, status, converted| RunFact { journey: journey.into(), status, converted };
    known.runs = vec![
        run("a", RunStatus::Waiting, false),
        run("b", RunStatus::Done, false),
        run("c", RunStatus::Done, true),
        run("c", RunStatus::Failed, false),
    ];
    let journey = |name: &str, is: &str| json!({"journey": {"name": name, "is": is}});
    let cases = [
        (json!({"segment": "vip"}), True),
        (json!({"segment": "other"}), False),
        (journey("a", "in"), True),
        (journey("a", "was-in"), True),
        (journey("b", "in"), False),
        (journey("b", "was-in"), True),
        (journey("b", "converted"), False),
        (journey("c", "converted"), True),
        (journey("d", "was-in"), False),
    ];
    each(&known, 0, &cases);
}

#[test]
fn buckets_are_uniform_and_differ_by_seed() {
    let id = |user: usize| Identity::new(Identity::USER_ID, user.to_string()).part(openhub_model::TenantId(1));
    let bucket = |seed: &str, user| openhub_model::condition::BucketHash::of(seed).bucket(id(user));
    let (mut ten, mut both) = ([0; 10], 0);
    for user in 0..20_000 {
        let (a, b) = (bucket("a", user), bucket("b", user));
        ten[a as usize / 1_000] += 1;
        both += usize::from(a < 1_000 && b < 1_000);
    }
    // Chi-square with 9 degrees of freedom lies above 27.9 once in a thousand; the ids do not change.
    let chi: f64 = ten.iter().map(|count| (f64::from(*count) - 2_000.0).powi(2) / 2_000.0).sum();
    assert!(chi < 27.9, "{ten:?}");
    assert!((140..260).contains(&both), "{both}");
    let mut known = Known::new();
    known.customer.customer = id(1);
    let mine = bucket("a", 1);
    let test = |from: u32, to: u32| json!({"bucket": {"seed": "a", "from": from, "to": to}});
    each(&known, 0, &[(test(mine, mine + 1), True), (test(0, 10_000), True), (test(mine + 1, 10_000), False)]);
}

#[test]
fn messages() {
    let mut known = Known::new();
    for (day, channel, status, attempts) in [
        (1, "email", MessageStatus::Accepted, 1),
        (2, "email", MessageStatus::Failed, 3),
        (3, "sms", MessageStatus::Pending, 0),
        (4, "sms", MessageStatus::Failed, 1),
    ] {
        known.messages.push(MessageFact {
            at: at(day * DAY),
            channel: channel.into(),
            journey: "win-back".into(),
            status,
            attempts,
        });
    }
    let cases = [
        (json!({"message": {"is": "delivered"}}), True),
        (json!({"message": {"is": "delivered", "channel": "sms"}}), False),
        (json!({"message": {"is": "delivered", "within": "3d"}}), False),
        (json!({"message": {"is": "failed", "count": {"is": "eq", "value": 2}}}), True),
        (json!({"message": {"is": "failed", "within": "2d", "count": {"is": "ge", "value": 2}}}), False),
        (json!({"message": {"is": "sent", "count": {"is": "in", "value": [1, 3]}, "journey": "win-back"}}), True),
        (json!({"message": {"is": "sent", "journey": "other"}}), False),
    ];
    each(&known, 4, &cases);
}

#[test]
fn aggregates() {
    let known = Known::with_events(&[
        ("Order", 1, json!({"total": 0.1, "kind": "a"})),
        ("Order", 2, json!({"total": 0.2, "kind": "b"})),
        ("Visit", 3, json!({"total": 9})),
        ("Order", 4, json!({"total": "x", "kind": "a"})),
        ("Order", 5, json!({"total": null, "kind": 1})),
        ("Order", 6, json!({"total": 3, "kind": 1.0})),
        ("Order", 7, Value::Null),
    ]);
    let test = |aggregate: &str, of: &str, is: &str, value: Value| json!({"event": {"name": "Order", "aggregate": aggregate, "of": of, "is": is, "value": value}});
    let never = |aggregate: &str, of: &str, value: Value| json!({"event": {"name": "Never", "aggregate": aggregate, "of": of, "is": "eq", "value": value}});
    let count = |tests: Value, is: &str, value: i64| json!({"event": {"name": "Order", "where": tests, "is": is, "value": value}});
    let cases = [
        (count(json!([]), "eq", 6), True),
        (count(json!([{"property": "total", "is": "gt", "value": 0.1}]), "eq", 2), True),
        (count(json!([{"property": "total", "is": "missing"}]), "eq", 2), True),
        (
            count(
                json!([{"property": "kind", "is": "eq", "value": "a"}, {"property": "total", "is": "exists"}]),
                "lt",
                2,
            ),
            False,
        ),
        (test("sum", "total", "eq", json!(3.3)), True),
        (test("sum", "total", "gt", json!(3.3)), False),
        (test("avg", "total", "eq", json!(1.1)), True),
        (test("min", "total", "eq", json!(0.1)), True),
        (test("max", "total", "in", json!([2, 3])), True),
        (test("first", "kind", "eq", json!("a")), True),
        (test("first", "kind", "eq", json!(1)), Unknown),
        (test("last", "kind", "eq", json!("a")), Unknown),
        (test("last", "kind", "missing", Value::Null), True),
        (test("distinct", "kind", "eq", json!(3)), True),
        (test("sum", "other", "eq", json!(0)), True),
        (test("avg", "other", "ge", json!(0)), Unknown),
        (never("sum", "total", json!(0)), True),
        (never("avg", "total", json!(0)), Unknown),
        (never("max", "total", json!(0)), Unknown),
        (never("first", "total", json!(0)), Unknown),
        (never("distinct", "total", json!(0)), True),
    ];
    each(&known, 9, &cases);
}

#[test]
fn sums_do_not_depend_on_order() {
    let terms = [0.1, 0.2, 0.3, 1e9, -1e9, 29.33, 1e-7];
    let test = json!({"event": {"name": "E", "aggregate": "sum", "of": "x", "is": "eq", "value": 29.93}});
    for turn in 0..terms.len() {
        let mut terms = terms;
        terms.rotate_left(turn);
        let events: Vec<_> = (1..).zip(terms).map(|(day, x)| ("E", day, json!({ "x": x }))).collect();
        assert_eq!(Known::with_events(&events).truth(test.clone(), at(99 * DAY)), True, "{terms:?}");
    }
}

#[test]
fn a_number_too_great_for_a_sum_makes_it_unknown_and_not_another_number() {
    let with = |terms: &[f64]| {
        let events: Vec<_> = (1..).zip(terms).map(|(day, x)| ("E", day, json!({ "x": x }))).collect();
        Known::with_events(&events)
    };
    let test = |aggregate: &str, is: &str, value: f64| json!({"event": {"name": "E", "aggregate": aggregate, "of": "x", "is": is, "value": value}});
    for (terms, test, truth) in [
        (&[9.5e12][..], test("sum", "ge", 4e13), Unknown),
        (&[9.5e12], test("sum", "lt", 4e13), Unknown),
        (&[1.0, -1e300], test("avg", "lt", 0.0), Unknown),
        (&[9.5e12], test("max", "eq", 9.5e12), True),
        (&[9e12], test("sum", "ge", 9.1e12), False),
        (&[9e12, 9e12], test("sum", "ge", 1.7e13), True),
        (&[9e12, 9e12], test("sum", "eq", 1.8e13), True),
        (&[9e12, 9e12], test("sum", "ge", 4e13), False),
        (&[9e12], test("avg", "lt", 1e300), True),
    ] {
        assert_eq!(with(terms).truth(test.clone(), at(99 * DAY)), truth, "{terms:?} {test}");
    }
    let why = read(test("sum", "ge", 4e13)).explain(&with(&[9.5e12, 2.0]).facts(at(99 * DAY)), &Default::default());
    assert_eq!((&why.evidence["value"], &why.evidence["beyond"]), (&Value::Null, &json!(1)));
}

#[test]
fn sequences() {
    let known = Known::with_events(&[
        ("A", 1, json!({})),
        ("C", 2, json!({})),
        ("B", 3, json!({"x": 1})),
        ("A", 5, json!({})),
        ("B", 5, json!({"x": 2})),
        ("A", 20, json!({})),
        ("C", 21, json!({"soft": true})),
        ("B", 29, json!({"x": 3})),
    ]);
    let steps = |names: &[&str]| names.iter().map(|name| json!({ "name": name })).collect::<Value>();
    let test = |steps: Value, more: Value| {
        let mut sequence = json!({ "steps": steps });
        sequence.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "sequence": sequence })
    };
    let cases = [
        (test(steps(&["A", "B"]), json!({})), True),
        (test(steps(&["B", "A", "C"]), json!({})), True),
        (test(steps(&["C", "C", "C"]), json!({})), False),
        (test(steps(&["A", "A", "A", "B"]), json!({})), True),
        // At the same moment, whichever came first.
        (test(steps(&["A", "B"]), json!({"within": "1s"})), True),
        (test(steps(&["B", "A"]), json!({"within": "1s"})), True),
        (test(steps(&["A", "C"]), json!({"within": "1h"})), False),
        (test(steps(&["A", "C", "B"]), json!({"within": "2d"})), True),
        (test(steps(&["A", "C", "B"]), json!({"within": "47h"})), False),
        (test(steps(&["A", "B"]), json!({"during": "10d"})), True),
        (test(steps(&["A", "B"]), json!({"during": "10d", "within": "9d"})), True),
        (test(steps(&["A", "B"]), json!({"during": "10d", "within": "8d"})), False),
        (test(steps(&["A", "B"]), json!({"during": "10d", "without": {"name": "C"}})), False),
        (
            test(
                steps(&["A", "B"]),
                json!({"during": "10d", "without": {"name": "C", "where": [{"property": "soft", "is": "missing"}]}}),
            ),
            True,
        ),
        (
            test(
                json!([{"name": "A"}, {"name": "B", "where": [{"property": "x", "is": "eq", "value": 1}]}]),
                json!({"without": {"name": "C"}}),
            ),
            False,
        ),
        // The first and the last step do not lie between themselves.
        (test(steps(&["A", "B"]), json!({"without": {"name": "B"}})), True),
        (test(steps(&["A", "A"]), json!({"without": {"name": "A"}})), True),
        (test(steps(&["A", "A", "A"]), json!({"without": {"name": "A"}})), False),
    ];
    each(&known, 29, &cases);
}

#[test]
fn objects() {
    let mut known = Known::new();
    for (key, fields) in
        [("1", json!({"status": "open", "percent": 10})), ("2", json!({"status": "used"})), ("3", Value::Null)]
    {
        known.objects.push(ObjectFact { kind: "coupon".into(), key: key.into(), fields });
    }
    let test = |kind: &str, quantifier: &str, status: &str| json!({"object": {"kind": kind, "quantifier": quantifier, "where": [{"field": "status", "is": "eq", "value": status}]}});
    let cases = [
        (test("coupon", "any", "open"), True),
        (test("coupon", "any", "lost"), False),
        (test("coupon", "none", "lost"), True),
        (test("coupon", "none", "open"), False),
        (test("coupon", "all", "open"), False),
        (test("ticket", "all", "open"), True),
        (test("ticket", "any", "open"), False),
        (json!({"object": {"kind": "coupon", "quantifier": "count", "is": "eq", "value": 3}}), True),
        (
            json!({"object": {"kind": "coupon", "quantifier": "count", "is": "lt", "value": 2,
                "where": [{"field": "percent", "is": "ge", "value": 10}]}}),
            True,
        ),
    ];
    each(&known, 0, &cases);
}
