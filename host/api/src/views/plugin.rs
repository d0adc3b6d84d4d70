//! Plugins and their candidates.

use openhub_model::Timestamp;
use openhub_model::asks::{asks, difference};
use openhub_model::manifest::Manifest;
use openhub_store::{Installation, PluginStatus};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::views::{CanaryView, Compared, DifferenceView, PluginVersionView, RecorderView, ShadowView};

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
    /// A block on the subscription that made it holds it: whatever its status, it is not called.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    held: bool,
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
    /// Where its sources are called, below the hub's own address: `/hooks/<tenant>/<plugin>/<source>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hooks: Vec<String>,
    /// What of its own HTTP API is called, with a key that may, below the hub's address or the one for endpoints:
    /// `POST /x/<plugin>/coupons/{code}/redeem`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    endpoints: Vec<String>,
    /// Who signed this version: an Ed25519 public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    /// An uploaded version that waits until you agree to it. The version above runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<CandidateView>,
    /// The candidate serves a part of the customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryView>,
    /// The candidate is called beside this version, and changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShadowView>,
    /// Which of its calls are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<RecorderView>,
    /// The version that was active before: `rollback` goes back to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PluginVersionView>,
    /// What the version that waits changes: of a candidate, or of a plugin that never ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceView>,
}

/// A version that waits until you agree to it.
#[derive(Serialize, ToSchema)]
#[schema(as = Candidate)]
pub(crate) struct CandidateView {
    version: String,
    /// Lowercase hex SHA-256 of the component: send it as `accept` to enable it.
    digest: String,
    #[schema(value_type = Object)]
    manifest: Manifest,
    /// What it asks for, in plain words.
    asks: Vec<String>,
    /// The part of `asks` that the version before did not ask for.
    more: Vec<String>,
    /// What the version before asked for and this one does not.
    less: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    uploaded_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginList {
    pub plugins: Vec<PluginView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl PluginView {
    /// `tenant` is its name.
    pub fn of(installation: Installation, tenant: &str) -> Self {
        let sources = installation.manifest.sources.iter();
        let hooks = sources.map(|source| format!("/hooks/{tenant}/{}/{}", installation.name, source.name)).collect();
        let endpoints = installation.manifest.endpoints.iter();
        let endpoints =
            endpoints.map(|it| format!("{} /x/{}{}", it.method.as_str(), installation.name, it.path)).collect();
        let previous = installation.previous.as_ref().map(|version| PluginVersionView::of(&installation, version));
        let offered = Compared::offered(&installation).map(DifferenceView::from);
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
            hooks,
            endpoints,
            candidate,
            canary: installation.canary.map(CanaryView::from),
            shadow: installation.shadow.map(ShadowView::from),
            recording: installation.recording.map(RecorderView::from),
            previous,
            difference: offered,
            signer: installation.signer,
            name: installation.name,
            version: installation.version,
            digest: installation.digest,
            status: installation.status,
            held: installation.held,
            manifest: installation.manifest,
            settings: installation.settings,
            grant: installation.grant,
            secrets: installation.secrets.into_keys().collect(),
            installed_at: installation.installed_at,
        }
    }
}
