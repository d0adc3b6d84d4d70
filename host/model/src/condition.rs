//! The one condition language: a typed predicate over one customer, with one meaning in memory and as SQL.
//!
//! JSON form: `{"all": […]}`, `{"any": […]}`, `{"not": …}`,
//! `{"attribute": {"name": "tier", "is": "eq", "value": "gold"}}`, `{"tag": "vip"}`.
//!
//! # Meaning
//!
//! Truth is three-valued ([`Truth`]). A customer satisfies a condition if its truth is `True`; `Unknown` and
//! `False` both mean that they do not.
//!
//! | leaf | truth |
//! | --- | --- |
//! | `tag` | `True` if the tag's stored value is `true`, else `False`. Never `Unknown`. |
//! | `exists` | `True` if the attribute is there and not `null`, else `False`. Never `Unknown`. |
//! | `missing` | The negation of `exists`. Never `Unknown`. |
//! | `eq ne lt le gt ge`, attribute absent or `null` | `Unknown` |
//! | the same, attribute and value of different types | `Unknown`, for `ne` too |
//! | the same, two numbers | compared as IEEE 754 doubles, integers being rounded to the nearest double |
//! | the same, two texts | compared by their UTF-8 bytes (PostgreSQL: `COLLATE "C"`) |
//! | the same, two booleans | `eq` and `ne` compare; the ordering comparisons are `Unknown` |
//! | the same, a list or an object on either side | `Unknown` |
//! | `in` | `any` of `eq` with each element, and `Unknown` if the attribute is absent or `null` |
//!
//! `all`, `any` and `not` follow Kleene: `all` is `False` if one is `False`, else `Unknown` if one is
//! `Unknown`, else `True` (so `all: []` is `True`); `any` is `True` if one is `True`, else `Unknown` if one is
//! `Unknown`, else `False` (so `any: []` is `False`); `not` swaps `True` and `False` and keeps `Unknown`.
//! That is what SQL's `AND`, `OR` and `NOT` do with `NULL`, so the SQL form of a leaf gives `NULL` for `Unknown`.
//!
//! # Check
//!
//! [`Condition::faults`] says what is wrong with a condition. The two executions promise to agree on
//! conditions without faults: there an `in` list is not empty and of one type (texts, numbers or booleans),
//! booleans are not ordered, values are scalars, and no text holds U+0000.
//!
//! Conditions know nothing about events or segments yet, and nothing here reads a clock.

mod check;
mod truth;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::{MAX_DEPTH, MAX_LEAVES, MAX_VALUES};
pub use truth::{Truth, same};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Attribute(AttributeTest),
    Tag(String),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Exists,
    Missing,
}
