//! From a failing case to a small one: as long as some smaller case fails too, take that.

use openhub_model::Condition;
use openhub_model::condition::{EventTest, PropertyTest};
use serde_json::Value;

use super::people::Person;

/// One condition for one person at one moment.
#[derive(Clone, Debug)]
pub struct Case {
    pub person: Person,
    pub condition: Condition,
    pub now: i64,
    /// Deliveries that are done.
    pub done: usize,
}

/// The smallest case that is reached from `case` in steps of which each still `fails`.
pub async fn shrink(mut case: Case, fails: impl AsyncFn(&Case) -> anyhow::Result<bool>) -> anyhow::Result<Case> {
    let mut tries = 0;
    'smaller: loop {
        for candidate in smaller(&case) {
            tries += 1;
            if tries > 3_000 {
                return Ok(case);
            }
            if candidate.condition.faults("").is_empty() && fails(&candidate).await? {
                case = candidate;
                continue 'smaller;
            }
        }
        return Ok(case);
    }
}

fn smaller(case: &Case) -> Vec<Case> {
    let mut cases: Vec<Case> =
        smaller_conditions(&case.condition).into_iter().map(|condition| Case { condition, ..case.clone() }).collect();
    let mut person = |change: &dyn Fn(&mut Case)| {
        let mut smaller = case.clone();
        change(&mut smaller);
        cases.push(smaller);
    };
    for index in 0..case.person.deliveries.len() {
        person(&|case| {
            case.person.deliveries.remove(index);
            case.done -= usize::from(index < case.done);
        });
    }
    for (index, delivery) in case.person.deliveries.iter().enumerate() {
        if delivery.caused || delivery.erased || delivery.aside {
            person(&|case| {
                case.person.deliveries[index].caused = false;
                case.person.deliveries[index].erased = false;
                case.person.deliveries[index].aside = false;
            });
        }
        let body: Value = serde_json::from_str(&delivery.body).expect("a body is JSON");
        for name in body["properties"].as_object().into_iter().flat_map(|properties| properties.keys()) {
            person(&|case| {
                let mut body = body.clone();
                body["properties"].as_object_mut().map(|properties| properties.remove(name));
                case.person.deliveries[index].body = body.to_string();
            });
        }
    }
    for index in 0..case.person.messages.len() {
        person(&|case| drop(case.person.messages.remove(index)));
    }
    for index in 0..case.person.runs.len() {
        person(&|case| drop(case.person.runs.remove(index)));
    }
    for index in 0..case.person.objects.len() {
        person(&|case| drop(case.person.objects.remove(index)));
    }
    for name in case.person.attributes.keys() {
        person(&|case| drop(case.person.attributes.remove(name)));
    }
    for name in case.person.tags.keys() {
        person(&|case| drop(case.person.tags.remove(name)));
    }
    for name in case.person.consents.keys() {
        person(&|case| drop(case.person.consents.remove(name)));
    }
    for name in &case.person.segments {
        person(&|case| case.person.segments.retain(|other| other != name));
    }
    if case.done < case.person.deliveries.len() {
        person(&|case| case.done = case.person.deliveries.len());
    }
    cases
}

fn smaller_conditions(condition: &Condition) -> Vec<Condition> {
    match condition {
        Condition::All(parts) => smaller_parts(parts, Condition::All),
        Condition::Any(parts) => smaller_parts(parts, Condition::Any),
        Condition::Not(part) => {
            let mut smaller = vec![(**part).clone()];
            smaller.extend(smaller_conditions(part).into_iter().map(|part| Condition::Not(Box::new(part))));
            smaller
        }
        Condition::Event(test) => smaller_events(test),
        Condition::Sequence(test) => {
            let mut smaller = Vec::new();
            let mut with = |change: &dyn Fn(&mut openhub_model::condition::SequenceTest)| {
                let mut test = test.clone();
                change(&mut test);
                smaller.push(Condition::Sequence(test));
            };
            for index in 0..test.steps.len() {
                with(&|test| drop(test.steps.remove(index)));
                if !test.steps[index].tests.is_empty() {
                    with(&|test| test.steps[index].tests.clear());
                }
            }
            if test.without.is_some() {
                with(&|test| test.without = None);
            }
            if test.within.is_some() {
                with(&|test| test.within = None);
            }
            if test.during.is_some() {
                with(&|test| test.during = None);
            }
            smaller
        }
        Condition::Object(test) => (0..test.tests.len())
            .map(|index| {
                let mut test = test.clone();
                test.tests.remove(index);
                Condition::Object(test)
            })
            .collect(),
        Condition::Message(test) => {
            let mut smaller = Vec::new();
            if test.channel.is_some() || test.journey.is_some() {
                let mut test = test.clone();
                (test.channel, test.journey) = (None, None);
                smaller.push(Condition::Message(test));
            }
            smaller
        }
        _ => Vec::new(),
    }
}

fn smaller_parts(parts: &[Condition], join: fn(Vec<Condition>) -> Condition) -> Vec<Condition> {
    let mut smaller: Vec<Condition> = parts.to_vec();
    for (index, part) in parts.iter().enumerate() {
        let mut fewer = parts.to_vec();
        fewer.remove(index);
        smaller.push(join(fewer));
        for part in smaller_conditions(part) {
            let mut parts = parts.to_vec();
            parts[index] = part;
            smaller.push(join(parts));
        }
    }
    smaller
}

fn smaller_events(test: &EventTest) -> Vec<Condition> {
    let mut smaller = Vec::new();
    let mut with = |tests: Vec<PropertyTest>, window: bool| {
        let mut test = test.clone();
        test.tests = tests;
        if !window {
            (test.within, test.from, test.to) = (None, None, None);
        }
        smaller.push(Condition::Event(Box::new(test)));
    };
    for index in 0..test.tests.len() {
        let mut tests = test.tests.clone();
        tests.remove(index);
        with(tests, true);
    }
    if test.within.is_some() || test.from.is_some() || test.to.is_some() {
        with(test.tests.clone(), false);
    }
    smaller
}
