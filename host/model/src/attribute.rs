//! Declarations of attributes: what type they have, and how the values of joined parts become one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::customer::Merge;

/// What a tenant declares of an attribute. Undeclared ones take any value, and the newest of joined parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Absent: any.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub of: Option<AttributeType>,
    #[serde(default)]
    pub merge: Merge,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
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
    List,
    Object,
}

impl AttributeType {
    /// Whether a value has this type; `null`, which takes an attribute away, has each.
    pub fn holds(self, value: &Value) -> bool {
        match self {
            _ if value.is_null() => true,
            AttributeType::Text => value.is_string(),
            AttributeType::Number => value.is_number(),
            AttributeType::Integer => value.is_i64(),
            AttributeType::Boolean => value.is_boolean(),
            AttributeType::Timestamp => {
                value.as_str().is_some_and(|text| text.parse::<crate::time::Timestamp>().is_ok())
            }
            AttributeType::List => value.is_array(),
            AttributeType::Object => value.is_object(),
        }
    }
}
