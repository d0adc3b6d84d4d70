//! Evaluation in memory: the truth of a condition at a moment, and until when it holds still.
//!
//! This is the executable form of the parent's tables. It checks nothing and never fails.

use serde_json::Value;

use super::bucket::BucketHash;
use super::compare::{fields_match, test_at, test_number, texts};
use super::number::Number;
use super::window::{Window, earlier};
use super::{
    Comparison, Condition, ConsentState, ConsentTest, CountTest, Facts, IdentityTest, JourneyState, JourneyTest,
    MessageFact, MessageState, MessageTest, ObjectTest, Quantifier, Truth,
};
use crate::customer::Customer;
use crate::message::MessageStatus;
use crate::run::RunStatus;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    pub truth: Truth,
    /// The truth stays what it is before this moment, by time alone; `None`: for ever.
    pub until: Option<Timestamp>,
}

impl Evaluation {
    /// A truth that no passing of time changes.
    pub(super) const fn still(truth: Truth) -> Evaluation {
        Evaluation { truth, until: None }
    }
}

impl Condition {
    /// The truth for a customer of whom nothing but the profile is known.
    pub fn holds(&self, customer: &Customer) -> Truth {
        self.evaluate(&Facts::of(customer, Timestamp::MIN)).truth
    }

    pub fn evaluate(&self, facts: &Facts<'_>) -> Evaluation {
        match self {
            Condition::All(parts) => join(parts.iter().map(|part| part.evaluate(facts)), Truth::False, Truth::and),
            Condition::Any(parts) => join(parts.iter().map(|part| part.evaluate(facts)), Truth::True, Truth::or),
            Condition::Not(part) => {
                let Evaluation { truth, until } = part.evaluate(facts);
                Evaluation { truth: !truth, until }
            }
            Condition::Attribute(each) => {
                let found = facts.customer.attribute(&each.name);
                let (truth, until) = test_at(found, each.is, &each.value, facts.now);
                Evaluation { truth, until }
            }
            Condition::Tag(name) => Evaluation::still(Truth::of(facts.customer.has_tag(name))),
            Condition::Identity(test) => Evaluation::still(test.evaluate(facts)),
            Condition::Consent(test) => Evaluation::still(Truth::of(test.state(facts.customer) == test.is)),
            Condition::Segment(name) => Evaluation::still(Truth::of(facts.segments.contains(name))),
            Condition::Bucket(test) => {
                let bucket = BucketHash::of(&test.seed).bucket(facts.customer.customer);
                Evaluation::still(Truth::of((test.from..test.to).contains(&bucket)))
            }
            Condition::Journey(test) => Evaluation::still(test.evaluate(facts)),
            Condition::Message(test) => test.evaluate(facts),
            Condition::Event(test) => test.evaluate(facts.now, facts.history),
            Condition::Sequence(test) => test.evaluate(facts.now, facts.history.events()),
            Condition::Object(test) => test.evaluate(facts),
        }
    }
}

/// Joins parts, of which one with the truth `decides` decides: then the answer holds still as long as any such part does,
/// else as long as all parts do.
pub(super) fn join(
    parts: impl Iterator<Item = Evaluation>,
    decides: Truth,
    join: fn(Truth, Truth) -> Truth,
) -> Evaluation {
    let mut joined = Evaluation::still(!decides);
    for part in parts {
        if part.truth == decides {
            joined.until = match (joined.truth == decides, joined.until, part.until) {
                (true, Some(left), Some(right)) => Some(left.max(right)),
                (true, ..) => None,
                (false, _, until) => until,
            };
            joined.truth = decides;
            if joined.until.is_none() {
                break;
            }
        } else if joined.truth != decides {
            joined = Evaluation { truth: join(joined.truth, part.truth), until: earlier(joined.until, part.until) };
        }
    }
    joined
}

impl IdentityTest {
    fn evaluate(&self, facts: &Facts<'_>) -> Truth {
        let mut values = facts.identities.iter().filter(|each| each.kind == self.kind).map(|each| each.value.as_str());
        match self.is {
            Comparison::Exists => Truth::of(values.next().is_some()),
            Comparison::Missing => Truth::of(values.next().is_none()),
            Comparison::Ne => !any(values, Comparison::Eq, &self.value),
            is => any(values, is, &self.value),
        }
    }
}

fn any<'a>(values: impl Iterator<Item = &'a str>, is: Comparison, value: &Value) -> Truth {
    values.map(|found| against(found, is, value)).reduce(Truth::or).unwrap_or(Truth::Unknown)
}

fn against(found: &str, is: Comparison, value: &Value) -> Truth {
    match (is, value) {
        (Comparison::In, Value::Array(values)) => {
            values.iter().fold(Truth::False, |truth, value| truth.or(against(found, Comparison::Eq, value)))
        }
        (is, Value::String(text)) => texts(found, is, text),
        _ => Truth::Unknown,
    }
}

impl ConsentTest {
    pub(super) fn state(&self, customer: &Customer) -> ConsentState {
        let stored = |key: &str| {
            let state = customer.consents.get(key)?.value.get("state")?;
            match state.as_str()? {
                "granted" => Some(ConsentState::Granted),
                "denied" => Some(ConsentState::Denied),
                _ => None,
            }
        };
        let special = self.channel.as_ref().and_then(|channel| stored(&format!("{}/{channel}", self.purpose)));
        special.or_else(|| stored(&self.purpose)).unwrap_or(ConsentState::Unset)
    }
}

impl JourneyTest {
    fn evaluate(&self, facts: &Facts<'_>) -> Truth {
        let mut runs = facts.runs.iter().filter(|run| *run.journey == *self.name);
        Truth::of(match self.is {
            JourneyState::In => runs.any(|run| run.status == RunStatus::Waiting),
            JourneyState::WasIn => runs.next().is_some(),
            JourneyState::Converted => runs.any(|run| run.converted),
        })
    }
}

impl MessageTest {
    pub(super) fn matches(&self, message: &MessageFact) -> bool {
        self.channel.as_ref().is_none_or(|channel| *message.channel == **channel)
            && self.journey.as_ref().is_none_or(|journey| *message.journey == **journey)
            && match self.is {
                MessageState::Sent => message.attempts > 0,
                MessageState::Delivered => message.status == MessageStatus::Accepted,
                MessageState::Failed => message.status == MessageStatus::Failed,
            }
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Evaluation {
        let window = Window::sliding(facts.now, self.within);
        let (present, coming) = window.split(facts.messages, |message| message.at);
        let next = coming.iter().find(|message| self.matches(message)).map(|message| message.at);
        let times = present.iter().filter(|message| self.matches(message)).map(|message| message.at);
        let time_of = |place: usize| times.clone().nth(place);
        let (is, value) = self.count.as_ref().map_or((Comparison::Gt, &*ZERO), |CountTest { is, value }| (*is, value));
        window.count(times.clone().count(), time_of, next, is, value)
    }
}

static ZERO: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| Value::from(0));

impl ObjectTest {
    fn evaluate(&self, facts: &Facts<'_>) -> Evaluation {
        let mut until = None;
        let (mut all, mut matching) = (0, 0);
        for object in facts.objects.iter().filter(|object| *object.kind == *self.kind) {
            let (matches, turns) = fields_match(&self.tests, &object.fields, facts.now);
            until = earlier(until, turns);
            all += 1;
            matching += usize::from(matches);
        }
        let truth = match self.quantifier {
            Quantifier::Any => Truth::of(matching > 0),
            Quantifier::None => Truth::of(matching == 0),
            Quantifier::All => Truth::of(matching == all),
            Quantifier::Count => {
                let is = self.is.unwrap_or(Comparison::Ge);
                test_number(Number::count(matching), is, &self.value, |number| number)
            }
        };
        Evaluation { truth, until }
    }
}
