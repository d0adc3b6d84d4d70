//! Journeys, and how many runs came by which node.

use super::input::FaultView;
use openhub_model::{Fault, Timestamp};
use openhub_store::{JourneyRow, JourneyStatus, NodeStanding};
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
            faults: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct JourneyList {
    pub journeys: Vec<JourneyView>,
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

/// How many runs came to each node.
#[derive(Serialize, ToSchema)]
#[schema(as = Counts)]
pub(crate) struct CountsView {
    versions: Vec<VersionCounts>,
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
    pub fn new(standings: Vec<NodeStanding>) -> CountsView {
        let mut versions: BTreeMap<i64, BTreeMap<String, NodeCounts>> = BTreeMap::new();
        for NodeStanding { version, node, entered, waiting, .. } in standings {
            versions.entry(version).or_default().insert(node, NodeCounts { entered, waiting });
        }
        let versions = versions.into_iter().map(|(version, nodes)| VersionCounts { version, nodes });
        CountsView { versions: versions.collect() }
    }
}
