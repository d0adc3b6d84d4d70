//! Declarations of attributes: what type they have, and how the values of joined parts become one.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::customer::Merge;
use crate::manifest::Type;

/// The types of the attributes that are declared with one.
pub type Types = BTreeMap<String, AttributeType>;

/// What a tenant declares of an attribute. Undeclared ones take any value, and the newest of joined parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Absent: any.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub of: Option<AttributeType>,
    #[serde(default)]
    pub merge: Merge,
    /// Whether a page's key may set it. Absent: as long as nothing but pages has set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Whether an attribute is left to pages, whose keys anybody can read. What a plugin writes is closed in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pages {
    Open,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeType {
    Text,
    Number,
    Integer,
    Boolean,
    /// An instant as RFC 3339 writes it.
    Timestamp,
    /// A day of the calendar, `2026-01-31`, which has no zone: a birthday, an expiry.
    Date,
    List,
    Object,
}

impl AttributeType {
    /// The narrowest that holds a value by its form alone: a text is never taken for an instant or a date. None for `null`.
    pub fn of(value: &Value) -> Option<AttributeType> {
        match value {
            Value::Null => None,
            Value::Bool(_) => Some(AttributeType::Boolean),
            Value::Number(number) if number.is_i64() => Some(AttributeType::Integer),
            Value::Number(_) => Some(AttributeType::Number),
            Value::String(_) => Some(AttributeType::Text),
            Value::Array(_) => Some(AttributeType::List),
            Value::Object(_) => Some(AttributeType::Object),
        }
    }

    /// As it is written in a declaration.
    pub fn name(self) -> &'static str {
        match self {
            AttributeType::Text => "text",
            AttributeType::Number => "number",
            AttributeType::Integer => "integer",
            AttributeType::Boolean => "boolean",
            AttributeType::Timestamp => "timestamp",
            AttributeType::Date => "date",
            AttributeType::List => "list",
            AttributeType::Object => "object",
        }
    }

    /// For a message: with the form that a value must have, where its type is not enough.
    pub fn in_words(self) -> &'static str {
        match self {
            AttributeType::Date => "date, like 2026-01-31",
            other => other.name(),
        }
    }

    /// The type of a field as which a declared attribute is compared. A list or an object is not, and fields have no dates.
    pub fn scalar(self) -> Option<&'static Type> {
        match self {
            AttributeType::Text => Some(&Type::Text),
            AttributeType::Number => Some(&Type::Number),
            AttributeType::Integer => Some(&Type::Integer),
            AttributeType::Boolean => Some(&Type::Boolean),
            AttributeType::Timestamp => Some(&Type::Timestamp),
            AttributeType::Date | AttributeType::List | AttributeType::Object => None,
        }
    }

    /// Whether a value has this type; `null`, which takes an attribute away, has each.
    pub fn holds(self, value: &Value) -> bool {
        match self {
            _ if value.is_null() => true,
            AttributeType::Text | AttributeType::Timestamp | AttributeType::Date => {
                value.as_str().is_some_and(|text| self.holds_text(text))
            }
            AttributeType::Number => value.is_number(),
            AttributeType::Integer => value.is_i64(),
            AttributeType::Boolean => value.is_boolean(),
            AttributeType::List => value.is_array(),
            AttributeType::Object => value.is_object(),
        }
    }

    /// Whether a text has this type.
    pub fn holds_text(self, text: &str) -> bool {
        match self {
            AttributeType::Text => true,
            AttributeType::Timestamp => crate::condition::instant(text).is_some(),
            AttributeType::Date => crate::condition::is_date(text),
            _ => false,
        }
    }
}
