//! Journeys, and how many runs came by which node.

use super::input::FaultView;
use openhub_model::message::MessageStatus;
use openhub_model::run::RunStatus;
use openhub_model::{Fault, Timestamp};
use openhub_store::{JourneyRow, JourneyStatus, NodeStanding, Outcomes};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A journey with its draft.
#[derive(Serialize, ToSchema)]
#[schema(as = Journey)]
pub(crate) struct JourneyView {
    name: String,
    /// `draft`, `published`, `paused`, `draining` or `stopped`.
    #[schema(value_type = String)]
    status: JourneyStatus,
    /// The version that starts runs.
    version: Option<i64>,
    #[schema(value_type = Object)]
    draft: Option<Value>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// A block on the subscription that made it holds it: whatever its status, no run starts and none moves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    held: bool,
    /// Why the draft cannot be published; only in the answer to saving it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<FaultView>>)]
    faults: Option<Vec<Fault>>,
}

impl JourneyView {
    pub fn with_faults(self, faults: Vec<Fault>) -> JourneyView {
        JourneyView { faults: Some(faults), ..self }
    }
}

impl From<JourneyRow> for JourneyView {
    fn from(row: JourneyRow) -> Self {
        JourneyView {
            name: row.name,
            status: row.status,
            version: row.version,
            draft: row.draft,
            updated_at: row.updated_at,
            held: row.held,
            faults: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct JourneyList {
    pub journeys: Vec<JourneyView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// A journey's status after a change of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Published)]
pub(crate) struct PublishedView {
    name: String,
    version: Option<i64>,
    /// `published`, `paused`, `draining` or `stopped`.
    #[schema(value_type = String)]
    status: JourneyStatus,
}

impl From<JourneyRow> for PublishedView {
    fn from(row: JourneyRow) -> Self {
        PublishedView { name: row.name, version: row.version, status: row.status }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Faults)]
pub(crate) struct FaultsView {
    #[schema(value_type = Vec<FaultView>)]
    pub faults: Vec<Fault>,
}

/// How many runs came to each node, and what has become of all runs and messages.
#[derive(Serialize, ToSchema)]
#[schema(as = Counts)]
pub(crate) struct CountsView {
    runs: RunCounts,
    messages: MessageCounts,
    versions: Vec<VersionCounts>,
}

/// How many runs of all versions stand how.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct RunCounts {
    waiting: i64,
    done: i64,
    /// The list of faults says why.
    failed: i64,
    /// The journey was stopped, or another run of the same customer went on.
    stopped: i64,
}

/// How many messages of all versions stand how.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct MessageCounts {
    /// For their first or next attempt.
    waiting: i64,
    /// Their channel is being called.
    sending: i64,
    /// Their provider took them.
    delivered: i64,
    /// For good; the list of faults says why.
    failed: i64,
    /// It is not known whether they arrived, and the channel says not to try again.
    parked: i64,
    /// Not sent: no consent, too late, or the journey was stopped.
    dropped: i64,
    /// The journey is paused.
    held: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct VersionCounts {
    version: i64,
    nodes: BTreeMap<String, NodeCounts>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NodeCounts {
    /// Runs that ever came to the node.
    entered: i64,
    /// Runs that wait there now.
    waiting: i64,
}

impl CountsView {
    pub fn new(standings: Vec<NodeStanding>, outcomes: &Outcomes) -> CountsView {
        let mut versions: BTreeMap<i64, BTreeMap<String, NodeCounts>> = BTreeMap::new();
        for NodeStanding { version, node, entered, waiting, .. } in standings {
            versions.entry(version).or_default().insert(node, NodeCounts { entered, waiting });
        }
        let versions = versions.into_iter().map(|(version, nodes)| VersionCounts { version, nodes });
        let (runs, messages) = (RunCounts::of(&outcomes.runs), MessageCounts::of(&outcomes.messages));
        CountsView { runs, messages, versions: versions.collect() }
    }
}

impl RunCounts {
    fn of(runs: &[(RunStatus, i64)]) -> RunCounts {
        let mut counts = RunCounts::default();
        for (status, count) in runs {
            *match status {
                RunStatus::Waiting => &mut counts.waiting,
                RunStatus::Done => &mut counts.done,
                RunStatus::Failed => &mut counts.failed,
                RunStatus::Stopped => &mut counts.stopped,
            } = *count;
        }
        counts
    }
}

impl MessageCounts {
    fn of(messages: &[(MessageStatus, i64)]) -> MessageCounts {
        let mut counts = MessageCounts::default();
        for (status, count) in messages {
            *match status {
                MessageStatus::Pending => &mut counts.waiting,
                MessageStatus::Sending => &mut counts.sending,
                MessageStatus::Accepted => &mut counts.delivered,
                MessageStatus::Failed => &mut counts.failed,
                MessageStatus::Parked => &mut counts.parked,
                MessageStatus::Dropped => &mut counts.dropped,
                MessageStatus::Held => &mut counts.held,
            } = *count;
        }
        counts
    }
}
