//! Records of custom types, declared by a plugin.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::PartId;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// The object type (`coupon`).
    pub kind: String,
    /// Unique within the type.
    pub key: String,
    /// Whose it is, if it is a customer's.
    pub part: Option<PartId>,
    /// Starts at 1 and grows by 1 with each change.
    pub version: i64,
    pub fields: Value,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// `message_id` of the event that made or last changed it.
    pub cause: String,
}
