//! Plugins and journeys as the API shows them.

use openhub_model::asks::{asks, difference};
use openhub_model::manifest::Manifest;
use openhub_model::{Fault, Timestamp};
use openhub_store::{Installation, JourneyRow, JourneyStatus, NodeStanding, PluginStatus};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::FaultView;

/// An installed plugin.
#[derive(Serialize, ToSchema)]
#[schema(as = Plugin)]
pub(crate) struct PluginView {
    name: String,
    version: String,
    /// Lowercase hex SHA-256 of the component.
    digest: String,
    /// `installed`, `enabled` or `disabled`.
    #[schema(value_type = String)]
    status: PluginStatus,
    #[schema(value_type = Object)]
    manifest: Manifest,
    #[schema(value_type = Object)]
    settings: Value,
    #[schema(value_type = Object)]
    grant: Value,
    /// Names of the secrets that are set; their values are never shown.
    secrets: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    installed_at: Timestamp,
    /// What this version asks for, in plain words.
    asks: Vec<String>,
    /// A version that was uploaded and waits to be agreed to; the one above goes on meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<CandidateView>,
}

/// A version that waits to be agreed to.
#[derive(Serialize, ToSchema)]
#[schema(as = Candidate)]
pub(crate) struct CandidateView {
    version: String,
    /// Lowercase hex SHA-256 of the component: `accept` it with the enable.
    digest: String,
    #[schema(value_type = Object)]
    manifest: Manifest,
    /// What it asks for, in plain words.
    asks: Vec<String>,
    /// Of these, what the version before did not ask for.
    more: Vec<String>,
    /// What the version before asked for, and this one does not.
    less: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    uploaded_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginList {
    pub plugins: Vec<PluginView>,
}

impl From<Installation> for PluginView {
    fn from(installation: Installation) -> Self {
        let candidate = installation.candidate.map(|candidate| {
            let (more, less) = difference(&installation.manifest, &candidate.manifest);
            CandidateView {
                version: candidate.manifest.version.clone(),
                digest: candidate.digest,
                asks: asks(&candidate.manifest),
                manifest: candidate.manifest,
                more,
                less,
                uploaded_at: candidate.uploaded_at,
            }
        });
        PluginView {
            asks: asks(&installation.manifest),
            candidate,
            name: installation.name,
            version: installation.version,
            digest: installation.digest,
            status: installation.status,
            manifest: installation.manifest,
            settings: installation.settings,
            grant: installation.grant,
            secrets: installation.secrets.into_keys().collect(),
            installed_at: installation.installed_at,
        }
    }
}

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
    /// What stands in the way of publishing the draft; only in the answer to saving it.
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

/// How many runs came by each node.
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
