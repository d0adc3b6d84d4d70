//! The history of a customer's values as the API shows it.

use openhub_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ValueKind {
    Attribute,
    Tag,
    Consent,
}

/// One value that was set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryEntry {
    pub kind: ValueKind,
    /// The value's name. For a consent: its purpose, or `purpose/channel`.
    pub name: String,
    /// `null` if it was removed. For a consent: `state`, and `source` and `text_version` if they were recorded.
    pub value: Value,
    /// Event time: a value never replaces one of a later time.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `message_id` of the event.
    pub event: String,
    /// Id of the API key that set it, if it came through the hub's own API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// Digest of the plugin's component, if a rule set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The rule, or the journey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryPage {
    pub entries: Vec<HistoryEntry>,
    /// Cursor of the next, older page.
    pub next: Option<String>,
}
