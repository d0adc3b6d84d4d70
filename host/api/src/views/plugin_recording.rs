//! What is recorded of a plugin's calls.

use openhub_model::{Id, PartId, Timestamp};
use openhub_store::{PluginRecording, RecordingOrder};
use serde::Serialize;
use utoipa::ToSchema;

/// Which calls of a plugin are recorded.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginRecorder)]
pub(crate) struct RecorderView {
    /// The share of them, above 0 and up to 1.
    rate: f64,
    /// Only those about this customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    customer: Option<PartId>,
    /// By the tenant's clock.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// Where in the log it began.
    position: i64,
}

impl From<RecordingOrder> for RecorderView {
    fn from(order: RecordingOrder) -> RecorderView {
        let RecordingOrder { per_million, customer, until, position } = order;
        RecorderView { rate: f64::from(per_million) / 1e6, customer, until, position }
    }
}

/// A call that was recorded.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginRecording)]
pub(crate) struct RecordingView {
    #[schema(value_type = String)]
    id: Id,
    /// What was called: `rule`, `check`, `step`, `function`, `channel`, `source`, `endpoint`, `job` or `privacy`.
    kind: String,
    /// Of the rule, object type, step, function, channel, source, endpoint or job.
    name: String,
    /// Of the version that was called.
    digest: String,
    /// `answered`, or how it failed, as in the list of faults.
    outcome: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// A part of the customer whom it is about. With `customers:read`. Absent for a call of the I/O lane, which shows nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    customer: Option<PartId>,
}

impl RecordingView {
    /// `whole` with whom it is about.
    pub fn of(recording: PluginRecording, whole: bool) -> RecordingView {
        let PluginRecording { id, kind, name, digest, outcome, at, part, .. } = recording;
        RecordingView { id, kind, name, digest, outcome, at, customer: part.filter(|_| whole) }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginRecordingList {
    pub recordings: Vec<RecordingView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}
