//! The tree and its leaves, as they are written in JSON. What they mean is in the parent's docs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SeriesId;
use crate::time::{Span, Timestamp};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Attribute(AttributeTest),
    Tag(String),
    Identity(IdentityTest),
    Consent(ConsentTest),
    /// Member of the segment of this name.
    Segment(String),
    Bucket(BucketTest),
    Journey(JourneyTest),
    Message(Box<MessageTest>),
    Event(Box<EventTest>),
    Sequence(Box<SequenceTest>),
    Object(Box<ObjectTest>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeTest {
    pub name: String,
    pub is: Comparison,
    /// A scalar; a list for `in`; absent for `exists` and `missing`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Prefix,
    Contains,
    Exists,
    Missing,
}

impl Comparison {
    /// Whether it asks which of two comes first.
    pub fn is_ordering(self) -> bool {
        matches!(self, Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge)
    }
}

/// `is` is one of `eq ne in prefix contains exists missing`; identities have no order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityTest {
    pub kind: String,
    pub is: Comparison,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentTest {
    pub purpose: String,
    /// Falls back to the purpose alone where nothing is stored for the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub is: ConsentState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentState {
    Granted,
    Denied,
    Unset,
}

/// A stable random share: `from 0 to 500` is 5 % of the customers, another 5 % for each seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketTest {
    pub seed: String,
    pub from: u32,
    /// Not included; at most 10,000.
    pub to: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JourneyTest {
    pub name: String,
    pub is: JourneyState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JourneyState {
    In,
    WasIn,
    Converted,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageTest {
    pub is: MessageState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journey: Option<String>,
    /// At least one, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountTest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageState {
    Sent,
    Delivered,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountTest {
    pub is: Comparison,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenEventTest")]
pub struct EventTest {
    pub name: String,
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PropertyTest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// Included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Not included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    #[serde(skip_serializing_if = "Aggregate::is_count")]
    pub aggregate: Aggregate,
    /// The property that is aggregated; none for `count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    pub is: Comparison,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// No part of the condition: where whoever keeps [`Picks`](super::Picks) keeps the totals of what it asks.
    #[serde(skip)]
    pub series: Option<SeriesId>,
}

/// As people write it: without a comparison it asks for at least one such event, or for at least the value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEventTest {
    name: String,
    #[serde(default, rename = "where")]
    tests: Vec<PropertyTest>,
    #[serde(default)]
    within: Option<Span>,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    to: Option<Timestamp>,
    #[serde(default)]
    aggregate: Aggregate,
    #[serde(default)]
    of: Option<String>,
    #[serde(default)]
    is: Option<Comparison>,
    #[serde(default)]
    value: Value,
}

impl From<WrittenEventTest> for EventTest {
    fn from(written: WrittenEventTest) -> EventTest {
        let WrittenEventTest { name, tests, within, from, to, aggregate, of, is, value } = written;
        let asks_nothing = is.is_none() && value.is_null() && aggregate.is_count();
        let value = if asks_nothing { Value::from(1) } else { value };
        let is = is.unwrap_or(Comparison::Ge);
        EventTest { name, tests, within, from, to, aggregate, of, is, value, series: None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    #[default]
    Count,
    Sum,
    Avg,
    Min,
    Max,
    First,
    Last,
    Distinct,
}

impl Aggregate {
    pub(crate) fn is_count(&self) -> bool {
        *self == Aggregate::Count
    }
}

/// A test of one property of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyTest {
    pub property: String,
    pub is: Comparison,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

/// Each step's event comes after the one before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceTest {
    pub steps: Vec<Step>,
    /// At most this long from the first step to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// No such event strictly between the first step and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<Step>,
    /// All steps lie in the window (now − during, now].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub name: String,
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PropertyTest>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectTest {
    pub kind: String,
    pub quantifier: Quantifier,
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<FieldTest>,
    /// For `count`, as is `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Comparison>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantifier {
    Any,
    All,
    None,
    Count,
}

/// A test of one field of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldTest {
    pub field: String,
    pub is: Comparison,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}
