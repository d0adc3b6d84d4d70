//! Why a condition holds for a customer or not: the tree with the truth of each part and what was found at each leaf.
//!
//! For a person who asks, not for the engine: it evaluates every part, also those that no longer matter.

use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::bucket::BucketHash;
use super::compare::fields_match;
use super::window::{Window, earlier};
use super::{Condition, EventTest, Facts, MessageTest, ObjectTest, SequenceTest, Truth};
use crate::customer::Attribute;
use crate::time::Timestamp;

/// Facts that are named at a leaf, the newest ones.
const NAMED: usize = 5;
/// How deep segments of segments are explained.
pub const NESTED_DEPTH: usize = 3;
/// So many leaves of one condition are explained by their segment's own condition, the first ones.
pub const NESTED: usize = 20;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// `all`, `any`, `not`, or the leaf's tag.
    pub kind: &'static str,
    pub truth: Truth,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of `all`, `any` and `not`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
    /// The leaf itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Condition>,
    /// What was found at the leaf: a JSON object.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub evidence: Value,
    /// Of a segment: the same of its own condition. Its truth may differ from the membership while the segment is filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Box<Explanation>>,
    /// When a membership in it may change by time alone.
    #[serde(skip)]
    of_segments: Option<Timestamp>,
}

/// Conditions of segments that are left to explain.
struct Nested<'a> {
    segments: &'a BTreeMap<String, Condition>,
    left: usize,
}

impl Condition {
    /// `segments` are the conditions of segments that it mentions, and of those that they mention, as far as they are to be
    /// explained: up to [`NESTED_DEPTH`] deep and [`NESTED`] in all.
    pub fn explain(&self, facts: &Facts<'_>, segments: &BTreeMap<String, Condition>) -> Explanation {
        self.explained(facts, &mut Nested { segments, left: NESTED }, 0)
    }

    fn explained(&self, facts: &Facts<'_>, nested: &mut Nested<'_>, depth: usize) -> Explanation {
        let evaluation = self.evaluate(facts);
        let (parts, leaf) = match self {
            Condition::All(parts) | Condition::Any(parts) => (parts.as_slice(), false),
            Condition::Not(part) => (std::slice::from_ref(&**part), false),
            _ => (&[][..], true),
        };
        let parts: Vec<Explanation> = parts.iter().map(|part| part.explained(facts, nested, depth)).collect();
        let because = self.because(facts, nested, depth).map(Box::new);
        // A membership changes when its segment's condition does.
        let of_segments = match &because {
            Some(because) => because.until,
            None => parts.iter().filter_map(|part| part.of_segments).min(),
        };
        Explanation {
            kind: self.kind(),
            truth: evaluation.truth,
            until: earlier(evaluation.until, of_segments),
            parts,
            test: leaf.then(|| self.clone()),
            evidence: self.evidence(facts),
            because,
            of_segments,
        }
    }

    fn because(&self, facts: &Facts<'_>, nested: &mut Nested<'_>, depth: usize) -> Option<Explanation> {
        let Condition::Segment(name) = self else { return None };
        let condition = nested.segments.get(name).filter(|_| depth < NESTED_DEPTH)?;
        nested.left = nested.left.checked_sub(1)?;
        Some(condition.explained(facts, nested, depth + 1))
    }

    /// The tag of its JSON form.
    pub fn kind(&self) -> &'static str {
        match self {
            Condition::All(_) => "all",
            Condition::Any(_) => "any",
            Condition::Not(_) => "not",
            Condition::Attribute(_) => "attribute",
            Condition::Tag(_) => "tag",
            Condition::Identity(_) => "identity",
            Condition::Consent(_) => "consent",
            Condition::Segment(_) => "segment",
            Condition::Bucket(_) => "bucket",
            Condition::Journey(_) => "journey",
            Condition::Message(_) => "message",
            Condition::Event(_) => "event",
            Condition::Sequence(_) => "sequence",
            Condition::Object(_) => "object",
        }
    }

    fn evidence(&self, facts: &Facts<'_>) -> Value {
        let customer = facts.customer;
        match self {
            Condition::All(_) | Condition::Any(_) | Condition::Not(_) => Value::Null,
            Condition::Attribute(test) => stored(customer.attributes.get(&test.name)),
            Condition::Tag(name) => stored(customer.tags.get(name)),
            Condition::Identity(test) => {
                let of_kind = facts.identities.iter().filter(|identity| identity.kind == test.kind);
                json!({ "identities": of_kind.map(|identity| identity.value.as_str()).collect::<Vec<_>>() })
            }
            Condition::Consent(test) => {
                let special = test.channel.as_ref().map(|channel| format!("{}/{channel}", test.purpose));
                let special = special.and_then(|key| customer.consents.get(&key));
                let mut evidence = stored(special.or_else(|| customer.consents.get(&test.purpose)));
                evidence["state"] = json!(test.state(customer));
                evidence
            }
            Condition::Segment(name) => json!({ "member": facts.segments.contains(name) }),
            Condition::Bucket(test) => json!({ "bucket": BucketHash::of(&test.seed).bucket(customer.customer) }),
            Condition::Journey(test) => {
                let runs = facts.runs.iter().filter(|run| *run.journey == *test.name);
                let runs = runs.map(|run| json!({ "status": run.status, "converted": run.converted }));
                json!({ "runs": runs.collect::<Vec<_>>() })
            }
            Condition::Message(test) => messages(test, facts),
            Condition::Event(test) => events(test, facts),
            Condition::Sequence(test) => sequence(test, facts),
            Condition::Object(test) => objects(test, facts),
        }
    }
}

fn stored(attribute: Option<&Attribute>) -> Value {
    match attribute {
        Some(Attribute { value, cause }) => json!({ "value": value, "cause": cause }),
        None => json!({}),
    }
}

fn messages(test: &MessageTest, facts: &Facts<'_>) -> Value {
    let (present, _) = Window::sliding(facts.now, test.within).split(facts.messages, |message| message.at);
    let counted = present.iter().filter(|message| test.matches(message));
    let newest = counted.clone().rev().take(NAMED).map(|message| {
        let (channel, journey) = (&*message.channel, &*message.journey);
        json!({ "at": message.at, "channel": channel, "journey": journey, "status": message.status })
    });
    json!({ "count": counted.clone().count(), "newest": newest.collect::<Vec<_>>() })
}

fn events(test: &EventTest, facts: &Facts<'_>) -> Value {
    let (present, _) = test.window(facts.now).split(facts.history.events(), |event| event.at);
    let matching = present.iter().filter(|event| test.matches(event));
    let newest = matching.clone().rev().take(NAMED).map(|event| {
        let mut named = json!({ "at": event.at, "position": event.position });
        if let Some(value) = test.of.as_ref().and_then(|of| event.properties.get(of)) {
            named["value"] = value.clone();
        }
        named
    });
    let mut evidence = json!({
        "count": matching.clone().count(),
        "value": test.value_of(matching.clone()),
        "newest": newest.collect::<Vec<_>>(),
    });
    // Why there is no value.
    let beyond = test.beyond(matching);
    if beyond > 0 {
        evidence["beyond"] = beyond.into();
    }
    evidence
}

fn sequence(test: &SequenceTest, facts: &Facts<'_>) -> Value {
    let (present, _) = Window::sliding(facts.now, test.during).split(facts.history.events(), |event| event.at);
    match (!test.steps.is_empty() && test.steps.len() <= super::MAX_STEPS).then(|| test.latest(present)).flatten() {
        Some((first, last)) => json!({ "first": first, "last": last }),
        None => json!({}),
    }
}

fn objects(test: &ObjectTest, facts: &Facts<'_>) -> Value {
    let of_kind = facts.objects.iter().filter(|object| *object.kind == *test.kind);
    let matching = of_kind.clone().filter(|object| fields_match(&test.tests, &object.fields, facts.now).0);
    let keys: Vec<&str> = matching.clone().take(NAMED).map(|object| object.key.as_str()).collect();
    json!({ "count": of_kind.count(), "matching": matching.count(), "keys": keys })
}
