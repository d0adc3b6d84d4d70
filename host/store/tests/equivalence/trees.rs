//! Random conditions without faults.

use openhub_model::condition::{
    Aggregate, AttributeTest, BucketTest, Comparison, ConsentState, ConsentTest, CountTest, EventTest, FieldTest,
    IdentityTest, JourneyState, JourneyTest, MessageState, MessageTest, ObjectTest, PropertyTest, Quantifier,
    SequenceTest, Step,
};
use openhub_model::{Condition, Span, Timestamp};
use serde_json::{Value, json};

use super::dice::Dice;
use super::people::{CHANNELS, DAY, JOURNEYS, KINDS, SEGMENTS, any_number, instant, number, text};
use Comparison::{Contains, Eq, Exists, Ge, Gt, In, Le, Lt, Missing, Ne, Prefix};

pub fn condition(dice: &mut Dice) -> Condition {
    let depth = dice.below(4);
    let condition = tree(dice, depth);
    assert_eq!(condition.faults(""), [], "{condition:?}");
    condition
}

fn tree(dice: &mut Dice, depth: usize) -> Condition {
    if depth == 0 {
        return leaf(dice);
    }
    match dice.below(5) {
        0 | 1 => Condition::All(dice.list(0, 4, |dice| tree(dice, depth - 1))),
        2 | 3 => Condition::Any(dice.list(0, 4, |dice| tree(dice, depth - 1))),
        _ => Condition::Not(Box::new(tree(dice, depth - 1))),
    }
}

pub fn leaf(dice: &mut Dice) -> Condition {
    match dice.below(22) {
        0..4 => {
            let (is, value) = timed(dice);
            Condition::Attribute(AttributeTest { name: name(dice, &["a", "b", "c", "d"]), is, value })
        }
        4 => Condition::Tag(name(dice, &["t1", "t2", "t3"])),
        5 => Condition::Identity(identity(dice)),
        6 => Condition::Consent(ConsentTest {
            purpose: name(dice, &["news", "ads"]),
            channel: dice.once_in(2).then(|| name(dice, &CHANNELS)),
            is: *dice.pick(&[ConsentState::Granted, ConsentState::Denied, ConsentState::Unset]),
        }),
        7 => Condition::Segment(name(dice, &SEGMENTS)),
        8 => {
            let from = dice.below(9_999) as u32;
            let to = from + 1 + dice.below(10_000 - from as usize) as u32;
            Condition::Bucket(BucketTest { seed: name(dice, &["x", "y", "z"]), from, to })
        }
        9 => Condition::Journey(JourneyTest {
            name: name(dice, &JOURNEYS),
            is: *dice.pick(&[JourneyState::In, JourneyState::WasIn, JourneyState::Converted]),
        }),
        10 | 11 => Condition::Message(Box::new(message(dice))),
        12 | 13 => Condition::Object(Box::new(object(dice))),
        14 | 15 => Condition::Sequence(Box::new(sequence(dice))),
        _ => Condition::Event(Box::new(event(dice))),
    }
}

fn name(dice: &mut Dice, names: &[&str]) -> String {
    (*dice.pick(names)).to_owned()
}

/// A comparison of something that may be large, or a time beside now.
fn timed(dice: &mut Dice) -> (Comparison, Value) {
    match dice.below(8) {
        0 => {
            let span = format!("{}{}d", dice.pick(&["+", "-"]), dice.between(0, 12));
            (*dice.pick(&[Lt, Le, Gt, Ge]), json!({ "now": span }))
        }
        1 => (In, dice.list(1, 4, any_number).into()),
        2 => (*dice.pick(&[Eq, Ne, Lt, Le, Gt, Ge]), any_number(dice)),
        _ => comparison(dice),
    }
}

/// A comparison of something of any type.
fn comparison(dice: &mut Dice) -> (Comparison, Value) {
    match dice.below(12) {
        0..5 => numeric(dice),
        5..8 => (*dice.pick(&[Eq, Ne, Lt, Le, Gt, Ge, Prefix, Contains]), text(dice)),
        8 => (In, dice.list(1, 4, text).into()),
        9 => (*dice.pick(&[Eq, Ne]), json!(dice.once_in(2))),
        10 => (In, json!([dice.once_in(2)])),
        _ => (*dice.pick(&[Exists, Missing]), Value::Null),
    }
}

fn numeric(dice: &mut Dice) -> (Comparison, Value) {
    match dice.below(6) {
        0 => (In, dice.list(1, 4, number).into()),
        _ => (*dice.pick(&[Eq, Ne, Lt, Le, Gt, Ge]), number(dice)),
    }
}

fn counted(dice: &mut Dice) -> (Comparison, Value) {
    match dice.below(6) {
        0 => (In, dice.list(1, 4, |dice| dice.between(0, 4)).into()),
        _ => (*dice.pick(&[Eq, Ne, Lt, Le, Gt, Ge]), json!(dice.between(0, 4))),
    }
}

fn identity(dice: &mut Dice) -> IdentityTest {
    let value = |dice: &mut Dice| json!(format!("{}{}-1", dice.pick(&["a", "b"]), dice.below(10)));
    let (is, value) = match dice.below(6) {
        0 | 1 => (*dice.pick(&[Eq, Ne]), value(dice)),
        2 => (In, dice.list(1, 4, value).into()),
        3 | 4 => (*dice.pick(&[Prefix, Contains]), json!(*dice.pick(&["a", "b", "1", "-2", "u"]))),
        _ => (*dice.pick(&[Exists, Missing]), Value::Null),
    };
    IdentityTest { kind: name(dice, &KINDS), is, value }
}

fn span(dice: &mut Dice) -> Span {
    Span::from_micros(dice.between(1, 9) * DAY)
}

fn message(dice: &mut Dice) -> MessageTest {
    MessageTest {
        is: *dice.pick(&[MessageState::Sent, MessageState::Delivered, MessageState::Failed]),
        channel: dice.once_in(3).then(|| name(dice, &CHANNELS)),
        journey: dice.once_in(3).then(|| name(dice, &JOURNEYS)),
        count: dice.once_in(2).then(|| {
            let (is, value) = counted(dice);
            CountTest { is, value }
        }),
        within: dice.once_in(2).then(|| span(dice)),
    }
}

fn object(dice: &mut Dice) -> ObjectTest {
    let quantifier = *dice.pick(&[Quantifier::Any, Quantifier::All, Quantifier::None, Quantifier::Count]);
    let compared = (quantifier == Quantifier::Count).then(|| counted(dice));
    let tests = dice.list(0, 3, |dice| {
        let (is, value) = timed(dice);
        FieldTest { field: name(dice, &["x", "y"]), is, value }
    });
    let (is, value) = compared.map_or((None, Value::Null), |(is, value)| (Some(is), value));
    ObjectTest { kind: name(dice, &["coupon", "ticket"]), quantifier, tests, is, value }
}

fn properties(dice: &mut Dice) -> Vec<PropertyTest> {
    if !dice.once_in(3) {
        return Vec::new();
    }
    dice.list(1, 3, |dice| {
        let (is, value) = comparison(dice);
        PropertyTest { property: name(dice, &["x", "y", "z"]), is, value }
    })
}

fn step(dice: &mut Dice) -> Step {
    Step { name: name(dice, &["A", "B", "C"]), tests: properties(dice) }
}

fn sequence(dice: &mut Dice) -> SequenceTest {
    SequenceTest {
        steps: dice.list(2, 4, step),
        within: dice.once_in(2).then(|| span(dice)),
        without: dice.once_in(2).then(|| step(dice)),
        during: dice.once_in(2).then(|| span(dice)),
    }
}

fn event(dice: &mut Dice) -> EventTest {
    use Aggregate::{Avg, Count, Distinct, First, Last, Max, Min, Sum};
    let aggregate = *dice.pick(&[Count, Count, Count, Sum, Avg, Min, Max, First, Last, Distinct]);
    let (is, value) = match aggregate {
        Count | Distinct => counted(dice),
        Sum | Avg | Min | Max => numeric(dice),
        First | Last => comparison(dice),
    };
    let (mut within, mut from, mut to) = (None, None, None);
    match dice.below(5) {
        0..3 => within = Some(span(dice)),
        3 => {
            let start = instant(dice, 0, 20);
            from = (!dice.once_in(3)).then_some(Timestamp::from_micros(start));
            to = (!dice.once_in(3)).then(|| Timestamp::from_micros(start + dice.between(1, 10) * DAY));
        }
        _ => {}
    }
    EventTest {
        name: name(dice, &["A", "B", "C"]),
        tests: properties(dice),
        within,
        from,
        to,
        aggregate,
        of: (aggregate != Count).then(|| name(dice, &["x", "x", "y", "z"])),
        is,
        value,
        series: None,
    }
}
