//! When an answer changes by time alone: the exact moments.

use openhub_model::condition::{MessageFact, Truth};
use openhub_model::message::MessageStatus;
use openhub_model::{Condition, Timestamp};
use serde_json::{Value, json};

use super::leaves::{DAY, Known, at};
use super::read;
use Truth::{False, True, Unknown};

/// Days at which `condition` changes, from `now` on, as `until` names them; each step is a new evaluation.
fn turns(known: &Known, condition: &Condition, mut now: Timestamp) -> Vec<(Truth, Option<i64>)> {
    let mut turns = Vec::new();
    loop {
        let evaluation = condition.evaluate(&known.facts(now));
        turns.push((evaluation.truth, evaluation.until.map(|until| until.micros() / DAY)));
        let Some(until) = evaluation.until else { return turns };
        assert!(until > now, "{condition:?}");
        let before = condition.evaluate(&known.facts(Timestamp::from_micros(until.micros() - 1)));
        assert_eq!(before.truth, evaluation.truth, "{condition:?}");
        now = until;
    }
}

fn count(is: &str, value: Value, within: &str) -> Value {
    json!({"event": {"name": "Order", "is": is, "value": value, "within": within}})
}

fn orders(days: &[i64]) -> Known {
    let events: Vec<_> = days.iter().map(|day| ("Order", *day, json!({"total": day}))).collect();
    Known::with_events(&events)
}

#[track_caller]
fn expect(known: &Known, now: i64, condition: Value, expected: &[(Truth, Option<i64>)]) {
    assert_eq!(turns(known, &read(condition.clone()), at(now * DAY)), expected, "{condition}");
}

#[test]
fn no_order_for_180_days() {
    let quiet = json!({"not": count("ge", json!(1), "180d")});
    expect(&orders(&[10, 20]), 20, quiet.clone(), &[(False, Some(200)), (True, None)]);
    let (known, quiet) = (orders(&[10]), read(quiet));
    let due = at(190 * DAY);
    assert_eq!(quiet.evaluate(&known.facts(due)).truth, True);
    assert_eq!(quiet.evaluate(&known.facts(at(due.micros() - 1))).truth, False);
    assert_eq!(quiet.evaluate(&known.facts(at(10 * DAY))).until, Some(due));
}

#[test]
fn a_window_slides() {
    let known = orders(&[1, 2, 2, 5]);
    expect(&known, 5, count("ge", json!(2), "10d"), &[(True, Some(12)), (False, None)]);
    expect(&known, 5, count("gt", json!(3), "10d"), &[(True, Some(11)), (False, None)]);
    expect(&known, 5, count("ge", json!(5), "10d"), &[(False, None)]);
    expect(&known, 5, count("le", json!(1), "10d"), &[(False, Some(12)), (True, None)]);
    expect(&known, 5, count("lt", json!(9), "10d"), &[(True, None)]);
    expect(&known, 5, count("eq", json!(3), "10d"), &[(False, Some(11)), (True, Some(12)), (False, None)]);
    expect(&known, 5, count("ne", json!(0), "10d"), &[(True, Some(15)), (False, None)]);
    // Two leave at once: the moment is named, and nothing changes at it.
    expect(&known, 5, count("eq", json!(2), "10d"), &[(False, Some(12)), (False, None)]);
    expect(&known, 5, count("in", json!([0, 1]), "10d"), &[(False, Some(12)), (True, None)]);
    let sum =
        json!({"event": {"name": "Order", "aggregate": "sum", "of": "total", "is": "ge", "value": 7, "within": "10d"}});
    expect(&known, 5, sum, &[(True, Some(11)), (True, Some(12)), (False, Some(15)), (False, None)]);
    let last = json!({"event": {"name": "Order", "aggregate": "last", "of": "total", "is": "eq", "value": 5, "within": "10d"}});
    expect(&known, 5, last, &[(True, Some(15)), (Unknown, None)]);
}

#[test]
fn an_event_counts_from_its_own_time_on() {
    let known = orders(&[1, 8]);
    expect(&known, 2, count("ge", json!(2), "30d"), &[(False, Some(8)), (True, Some(31)), (False, None)]);
    let ever = json!({"event": {"name": "Order", "is": "ge", "value": 2}});
    expect(&known, 2, ever, &[(False, Some(8)), (True, None)]);
    let between = |from: i64, to: i64| json!({"event": {"name": "Order", "is": "ge", "value": 1, "from": at(from * DAY), "to": at(to * DAY)}});
    expect(&known, 0, between(1, 8), &[(False, Some(1)), (True, None)]);
    expect(&known, 2, between(2, 8), &[(False, None)]);
    expect(&known, 2, between(8, 9), &[(False, Some(8)), (True, None)]);
    expect(&known, 2, between(9, 20), &[(False, None)]);
}

#[test]
fn sequences_leave_with_their_first_step() {
    let known = Known::with_events(&[
        ("A", 1, json!({})),
        ("B", 2, json!({})),
        ("A", 5, json!({})),
        ("B", 6, json!({})),
        ("A", 7, json!({})),
    ]);
    let test = |during: &str| json!({"sequence": {"steps": [{"name": "A"}, {"name": "B"}], "during": during}});
    expect(&known, 7, test("10d"), &[(True, Some(15)), (False, None)]);
    expect(&known, 5, test("2d"), &[(False, Some(6)), (True, Some(7)), (False, None)]);
    expect(
        &known,
        3,
        json!({"sequence": {"steps": [{"name": "B"}, {"name": "B"}]}}),
        &[(False, Some(6)), (True, None)],
    );
}

#[test]
fn messages_leave_too() {
    let mut known = Known::new();
    for day in [1, 3] {
        known.messages.push(MessageFact {
            at: at(day * DAY),
            channel: "email".into(),
            journey: "j".into(),
            status: MessageStatus::Failed,
            attempts: 1,
        });
    }
    expect(&known, 3, json!({"message": {"is": "failed", "within": "7d"}}), &[(True, Some(10)), (False, None)]);
    let twice = json!({"message": {"is": "failed", "within": "7d", "count": {"is": "ge", "value": 2}}});
    expect(&known, 3, twice, &[(True, Some(8)), (False, None)]);
}

#[test]
fn a_tree_holds_as_long_as_what_decides_it() {
    let known = orders(&[1, 5]);
    let (short, long) = (count("ge", json!(1), "2d"), count("ge", json!(1), "20d"));
    let (never, unknown) = (json!({"any": []}), json!({"attribute": {"name": "a", "is": "eq", "value": 1}}));
    expect(&known, 5, json!({"all": [short, long]}), &[(True, Some(7)), (False, None)]);
    expect(&known, 5, json!({"any": [short, long]}), &[(True, Some(25)), (False, None)]);
    expect(&known, 5, json!({"all": [short, never]}), &[(False, None)]);
    expect(&known, 5, json!({"all": [unknown, short]}), &[(Unknown, Some(7)), (False, None)]);
    expect(&known, 5, json!({"all": [{"not": short}, {"not": long}]}), &[(False, Some(25)), (True, None)]);
}

/// Whichever was delivered first: at the same time is in order.
#[test]
fn report_12_events_of_one_instant_follow_one_another_in_any_order() {
    let sequence = |steps: &[&str], without: Option<&str>| {
        let steps: Vec<Value> = steps.iter().map(|name| json!({ "name": name })).collect();
        let mut sequence = json!({ "steps": steps });
        if let Some(without) = without {
            sequence["without"] = json!({ "name": without });
        }
        read(json!({ "sequence": sequence }))
    };
    let known = Known::with_events(&[("B", 1, json!({})), ("C", 1, json!({})), ("A", 1, json!({}))]);
    let holds = |condition: Condition| condition.evaluate(&known.facts(at(DAY))).truth == True;
    assert!(holds(sequence(&["A", "B"], None)) && holds(sequence(&["B", "A"], None)));
    assert!(holds(sequence(&["A", "B", "C"], None)) && holds(sequence(&["C", "B", "A"], None)));
    assert!(holds(sequence(&["A", "B"], Some("C"))), "at the same time is not between");
    assert!(!holds(sequence(&["A", "A"], None)), "one event is not two");
}
