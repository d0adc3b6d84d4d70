//! The reference: what a condition means, said once more and without thought of speed, over the raw data.
//!
//! Shares no code with the evaluator. `None` is unknown.

use openhub_model::condition::{
    Aggregate, Comparison, ConsentState, EventTest, JourneyState, MessageState, Quantifier, SequenceTest, Step,
};
use openhub_model::message::MessageStatus;
use openhub_model::run::RunStatus;
use openhub_model::{Condition, Id, TenantId};
use serde_json::Value;
use std::collections::BTreeMap;

use super::people::{DAY, DAYS, INSTANTS, Person};

/// A fault that is put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// `<` for `<=` at the end of a window: what happens at `now` does not count.
    OpenEnd,
    /// `<=` for `<` at the start of a window: what happened exactly then counts.
    ClosedStart,
    /// `<` for `<=` in comparisons of numbers.
    StrictNumbers,
}

#[derive(Clone, Copy)]
pub struct Reference<'a> {
    pub person: &'a Person,
    pub tenant: TenantId,
    pub now: i64,
    /// Deliveries that are done.
    pub done: usize,
    pub planted: Planted,
}

struct Happened {
    name: String,
    at: i64,
    properties: BTreeMap<String, Value>,
}

impl Reference<'_> {
    pub fn truth(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::All(parts) => {
                let truths: Vec<_> = parts.iter().map(|part| self.truth(part)).collect();
                if truths.contains(&Some(false)) {
                    Some(false)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(true)
                }
            }
            Condition::Any(parts) => {
                let truths: Vec<_> = parts.iter().map(|part| self.truth(part)).collect();
                if truths.contains(&Some(true)) {
                    Some(true)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
            Condition::Not(part) => self.truth(part).map(|truth| !truth),
            Condition::Attribute(test) => self.test(self.person.attributes.get(&test.name), test.is, &test.value),
            Condition::Tag(tag) => Some(self.person.tags.get(tag) == Some(&Value::Bool(true))),
            Condition::Identity(test) => {
                let values: Vec<Value> = self
                    .person
                    .parts
                    .iter()
                    .filter(|part| part.kind == test.kind)
                    .map(|part| part.value.clone().into())
                    .collect();
                match test.is {
                    Comparison::Exists => Some(!values.is_empty()),
                    Comparison::Missing => Some(values.is_empty()),
                    _ if values.is_empty() => None,
                    Comparison::Ne => Some(values.iter().all(|value| *value != test.value)),
                    is => Some(values.iter().any(|value| self.test(Some(value), is, &test.value) == Some(true))),
                }
            }
            Condition::Consent(test) => {
                let stored = |key: &str| self.person.consents.get(key)?.get("state")?.as_str().map(str::to_owned);
                let special = test.channel.as_ref().and_then(|channel| stored(&format!("{}/{channel}", test.purpose)));
                let state = special.or_else(|| stored(&test.purpose)).unwrap_or("unset".to_owned());
                let wanted = match test.is {
                    ConsentState::Granted => "granted",
                    ConsentState::Denied => "denied",
                    ConsentState::Unset => "unset",
                };
                Some(state == wanted)
            }
            Condition::Segment(name) => Some(self.person.segments.contains(name)),
            Condition::Bucket(test) => {
                let bucket = bucket(&test.seed, self.person.id(self.tenant));
                Some(bucket >= u128::from(test.from) && bucket < u128::from(test.to))
            }
            Condition::Journey(test) => {
                let mut runs = self.person.runs.iter().filter(|run| run.journey == test.name);
                Some(match test.is {
                    JourneyState::In => runs.any(|run| run.status == RunStatus::Waiting),
                    JourneyState::WasIn => runs.count() > 0,
                    JourneyState::Converted => runs.any(|run| run.status == RunStatus::Done && run.node == "good"),
                })
            }
            Condition::Message(test) => {
                let mut count = 0;
                for message in &self.person.messages {
                    let fits = match test.is {
                        MessageState::Sent => message.attempts > 0,
                        MessageState::Delivered => message.status == MessageStatus::Accepted,
                        MessageState::Failed => message.status == MessageStatus::Failed,
                    };
                    let through = test.channel.as_ref().is_none_or(|channel| *channel == message.channel);
                    let from = test.journey.as_ref().is_none_or(|journey| *journey == message.journey);
                    let within = test.within.map(|within| within.micros());
                    if fits && through && from && self.lies_in(message.at, within) {
                        count += 1;
                    }
                }
                match &test.count {
                    None => Some(count >= 1),
                    Some(test) => self.test(Some(&count.into()), test.is, &test.value),
                }
            }
            Condition::Event(test) => self.event(test),
            Condition::Sequence(test) => Some(self.sequence(test)),
            Condition::Object(test) => {
                let of_kind = || self.person.objects.iter().filter(|object| object.kind == test.kind);
                let matching = of_kind()
                    .filter(|object| {
                        test.tests
                            .iter()
                            .all(|each| self.test(object.fields.get(&each.field), each.is, &each.value) == Some(true))
                    })
                    .count();
                match test.quantifier {
                    Quantifier::Any => Some(matching > 0),
                    Quantifier::None => Some(matching == 0),
                    Quantifier::All => Some(matching == of_kind().count()),
                    Quantifier::Count => {
                        self.test(Some(&matching.into()), test.is.expect("a count is compared"), &test.value)
                    }
                }
            }
        }
    }

    fn lies_in(&self, at: i64, within: Option<i64>) -> bool {
        let ended = if self.planted == Planted::OpenEnd { at < self.now } else { at <= self.now };
        let begun = within.is_none_or(|within| match self.planted {
            Planted::ClosedStart => at >= self.now - within,
            _ => at > self.now - within,
        });
        ended && begun
    }

    /// By time, those that arrived before those that were caused, then by arrival; each id once.
    fn happened(&self) -> Vec<Happened> {
        let mut seen = Vec::new();
        let mut happened = Vec::new();
        for (index, delivery) in self.person.deliveries.iter().enumerate() {
            if seen.contains(&&delivery.id) {
                continue;
            }
            seen.push(&delivery.id);
            if delivery.aside || !delivery.caused && index >= self.done {
                continue;
            }
            let body: Value = serde_json::from_str(&delivery.body).expect("a body is JSON");
            let properties = match body.get("properties") {
                Some(Value::Object(properties)) if !delivery.erased => properties.clone().into_iter().collect(),
                _ => BTreeMap::new(),
            };
            let caused = delivery.caused;
            happened.push((caused, Happened { name: delivery.name.clone(), at: delivery.at, properties }));
        }
        // A stable sort keeps the order of arrival.
        happened.sort_by_key(|(caused, event)| (event.at, *caused));
        happened.into_iter().map(|(_, event)| event).collect()
    }

    fn fits(&self, event: &Happened, step: &Step) -> bool {
        event.name == step.name
            && step
                .tests
                .iter()
                .all(|test| self.test(event.properties.get(&test.property), test.is, &test.value) == Some(true))
    }

    fn event(&self, test: &EventTest) -> Option<bool> {
        let step = Step { name: test.name.clone(), tests: test.tests.clone() };
        let mut events = self.happened();
        events.retain(|event| {
            self.fits(event, &step)
                && self.lies_in(event.at, test.within.map(|within| within.micros()))
                && test.from.is_none_or(|from| event.at >= from.micros())
                && test.to.is_none_or(|to| event.at < to.micros())
        });
        let of = test.of.clone().unwrap_or_default();
        let values: Vec<Value> = events.iter().filter_map(|event| event.properties.get(&of).cloned()).collect();
        let numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
        let against = |number: f64| self.test(Some(&number.into()), test.is, &test.value);
        let exact = || values.iter().filter(|value| value.is_number());
        let found = |value: &Value| self.test(Some(value), test.is, &test.value);
        match test.aggregate {
            Aggregate::Count => against(events.len() as f64),
            Aggregate::Sum | Aggregate::Avg if numbers.iter().any(|number| number.abs() > 9e12) => None,
            Aggregate::Sum => self.millionths(numbers.iter().map(|number| millionths(*number)).sum(), 1, test),
            Aggregate::Avg if numbers.is_empty() => None,
            Aggregate::Avg => {
                let sum = numbers.iter().map(|number| millionths(*number)).sum();
                self.millionths(sum, numbers.len() as i128, test)
            }
            Aggregate::Min => exact().min_by(|left, right| numeric(left, right).expect("numbers")).and_then(found),
            Aggregate::Max => exact().max_by(|left, right| numeric(left, right).expect("numbers")).and_then(found),
            Aggregate::First if events.is_empty() => None,
            Aggregate::Last if events.is_empty() => None,
            Aggregate::First => self.test(events[0].properties.get(&of), test.is, &test.value),
            Aggregate::Last => self.test(events[events.len() - 1].properties.get(&of), test.is, &test.value),
            Aggregate::Distinct => {
                let mut different: Vec<&Value> = Vec::new();
                for value in &values {
                    let scalar = value.is_number() || value.is_string() || value.is_boolean();
                    if scalar && !different.iter().any(|other| equal(other, value)) {
                        different.push(value);
                    }
                }
                against(different.len() as f64)
            }
        }
    }

    /// `sum / terms` against the condition's value, in whole millionths.
    fn millionths(&self, sum: i128, terms: i128, test: &EventTest) -> Option<bool> {
        let against = |is: Comparison, value: &Value| {
            self.ordered(is, sum.cmp(&millionths(value.as_f64().expect("a number")).saturating_mul(terms)))
        };
        match test.is {
            Comparison::In => {
                let values = test.value.as_array().expect("a list");
                Some(values.iter().any(|value| against(Comparison::Eq, value) == Some(true)))
            }
            is => against(is, &test.value),
        }
    }

    fn sequence(&self, test: &SequenceTest) -> bool {
        let mut events = self.happened();
        events.retain(|event| self.lies_in(event.at, test.during.map(|during| during.micros())));
        let mut chosen = Vec::new();
        self.chain(test, &events, &mut chosen)
    }

    /// Tries every choice of events for the steps; those of one instant stand in any order.
    fn chain(&self, test: &SequenceTest, events: &[Happened], chosen: &mut Vec<usize>) -> bool {
        if chosen.len() == test.steps.len() {
            let (first, last) = (chosen[0], chosen[chosen.len() - 1]);
            let near = test.within.is_none_or(|within| events[last].at - events[first].at <= within.micros());
            let between = |event: &&Happened| events[first].at < event.at && event.at < events[last].at;
            let free = test
                .without
                .as_ref()
                .is_none_or(|without| !events.iter().filter(between).any(|event| self.fits(event, without)));
            return near && free;
        }
        let from = chosen.last().map_or(i64::MIN, |last| events[*last].at);
        for index in 0..events.len() {
            if events[index].at >= from
                && !chosen.contains(&index)
                && self.fits(&events[index], &test.steps[chosen.len()])
            {
                chosen.push(index);
                if self.chain(test, events, chosen) {
                    return true;
                }
                chosen.pop();
            }
        }
        false
    }

    fn test(&self, found: Option<&Value>, is: Comparison, value: &Value) -> Option<bool> {
        let found = found.filter(|found| **found != Value::Null);
        match (is, found) {
            (Comparison::Exists, found) => Some(found.is_some()),
            (Comparison::Missing, found) => Some(found.is_none()),
            (_, None) => None,
            (Comparison::In, Some(found)) => {
                let values = value.as_array().expect("a list");
                let truths: Vec<_> = values.iter().map(|value| self.test(Some(found), Comparison::Eq, value)).collect();
                if truths.contains(&Some(true)) {
                    Some(true)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
            (is, Some(Value::String(left))) if value.is_object() => {
                let span = value["now"].as_str().expect("a span");
                let days: i64 = span[1..span.len() - 1].parse().expect("days");
                let moment = self.now + days * DAY * if span.starts_with('-') { -1 } else { 1 };
                self.ordered_texts(is, written(left)?.cmp(&moment))
            }
            (is, Some(left @ Value::Number(_))) => self.ordered(is, numeric(left, value)?),
            (Comparison::Prefix, Some(Value::String(left))) => Some(left.strip_prefix(value.as_str()?).is_some()),
            (Comparison::Contains, Some(Value::String(left))) => Some(left.find(value.as_str()?).is_some()),
            (is, Some(Value::String(left))) => {
                let right = value.as_str()?;
                let dated = |text: &str| written(text).is_some() || DAYS.contains(&text);
                let orders = !matches!(is, Comparison::Eq | Comparison::Ne);
                if orders && dated(right) && !dated(left) {
                    return None;
                }
                self.ordered_texts(
                    is,
                    match written(left).zip(written(right)) {
                        Some((left, right)) => left.cmp(&right),
                        None => left.as_bytes().cmp(right.as_bytes()),
                    },
                )
            }
            (Comparison::Eq, Some(Value::Bool(left))) => Some(*left == value.as_bool()?),
            (Comparison::Ne, Some(Value::Bool(left))) => Some(*left != value.as_bool()?),
            _ => None,
        }
    }

    fn ordered(&self, is: Comparison, order: std::cmp::Ordering) -> Option<bool> {
        match is {
            Comparison::Le if self.planted == Planted::StrictNumbers => Some(order.is_lt()),
            is => self.ordered_texts(is, order),
        }
    }

    fn ordered_texts(&self, is: Comparison, order: std::cmp::Ordering) -> Option<bool> {
        match is {
            Comparison::Eq => Some(order.is_eq()),
            Comparison::Ne => Some(order.is_ne()),
            Comparison::Lt => Some(order.is_lt()),
            Comparison::Le => Some(order.is_le()),
            Comparison::Gt => Some(order.is_gt()),
            Comparison::Ge => Some(order.is_ge()),
            _ => None,
        }
    }
}

/// The instant that a text writes, from the table.
fn written(text: &str) -> Option<i64> {
    INSTANTS.iter().find(|(known, _)| *known == text)?.1
}

fn equal(left: &Value, right: &Value) -> bool {
    numeric(left, right).map_or(left == right, |order| order.is_eq())
}

/// The order of two numbers: as whole ones if both are, else one has a fraction, and doubles with one are small.
fn numeric(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    let whole = |number: &Value| {
        let text = number.to_string();
        text.parse::<i128>().ok().or_else(|| {
            let double = number.as_f64()?;
            (double.fract() == 0.0 && double.abs() < 1e30).then_some(double as i128)
        })
    };
    if !left.is_number() || !right.is_number() {
        return None;
    }
    match whole(left).zip(whole(right)) {
        Some((left, right)) => Some(left.cmp(&right)),
        None => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn millionths(number: f64) -> i128 {
    (number * 1_000_000.0).round() as i128
}

/// Written from the documentation of `BucketHash`.
fn bucket(seed: &str, customer: Id) -> u128 {
    let hash = Id::named(&[b"bucket", seed.as_bytes()]);
    let word = |bytes: &[u8]| bytes.iter().fold(0_u128, |word, byte| word * 256 + u128::from(*byte));
    let (seed, id) = (hash.as_bytes(), customer.as_bytes());
    let prime = (1_u128 << 31) - 1;
    let low = 1 + word(&seed[0..4]) % (prime - 1);
    let high = 1 + word(&seed[4..8]) % (prime - 1);
    (low * word(&id[0..3]) + high * word(&id[10..13]) + word(&seed[12..16]) % prime) % prime % 10_000
}
