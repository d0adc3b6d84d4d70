//! Versions of plugins, and the differences between them.

use openhub_engine::object_types::fit::{Fit, Misfit};
use openhub_engine::plugin_types::Step;
use openhub_model::asks::{Ask, Difference, Subject, asks};
use openhub_model::manifest::Manifest;
use openhub_model::{Fault, Timestamp};
use openhub_store::{Installation, PluginStatus, PluginVersion};
use serde::Serialize;
use utoipa::ToSchema;

/// A version beside the one that is active.
pub(crate) struct Compared {
    plugin: String,
    /// Digest and number of the active version, if there is another one.
    pub from: Option<String>,
    from_version: Option<String>,
    to: String,
    to_version: String,
    pub difference: Difference,
    /// Names the difference: who sends it agrees.
    pub accept: String,
}

impl Compared {
    pub fn of(plugin: &Installation, version: &PluginVersion) -> Compared {
        Compared::between(plugin, &version.digest, &version.manifest, version.signer.as_ref())
    }

    /// Of the version that waits, if one does.
    pub fn offered(plugin: &Installation) -> Option<Compared> {
        match &plugin.candidate {
            Some(candidate) => Some(Compared::of(plugin, candidate)),
            None if plugin.status == PluginStatus::Enabled => None,
            None => Some(Compared::between(plugin, &plugin.digest, &plugin.manifest, plugin.signer.as_ref())),
        }
    }

    fn between(plugin: &Installation, digest: &str, manifest: &Manifest, signer: Option<&String>) -> Compared {
        let is_other = plugin.has_run() && plugin.digest != digest;
        let active = is_other.then_some(plugin);
        let mut difference = Difference::between(active.map(|active| &active.manifest), manifest);
        difference.more.extend(vouched(active.and_then(|active| active.signer.as_ref()), signer));
        let from = active.map(|active| active.digest.clone());
        let accept = difference.digest(from.as_deref(), digest);
        Compared {
            plugin: plugin.name.clone(),
            from,
            from_version: active.map(|active| active.version.clone()),
            to: digest.to_owned(),
            to_version: manifest.version.clone(),
            difference,
            accept,
        }
    }

    /// Which versions these are, as a sentence.
    pub fn told(&self) -> String {
        let Compared { plugin, from_version, to_version, .. } = self;
        match from_version {
            Some(from) => format!("Version {to_version} of `{plugin}` is to take the place of {from}."),
            None => format!("Version {to_version} of `{plugin}` is to be in force."),
        }
    }
}

/// Who vouches for the new version, if nobody or somebody else did before.
fn vouched(before: Option<&String>, signer: Option<&String>) -> Option<Ask> {
    if before == signer {
        return None;
    }
    let (en, zh) = match signer {
        Some(key) => (format!("is signed with the key {key}"), format!("使用密钥 {key} 签名")),
        None => ("is not signed".to_owned(), "没有签名".to_owned()),
    };
    Some(Ask::new(Subject::Publisher, en, zh))
}

/// What a version changes, beside the active one.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginDifference)]
pub(crate) struct DifferenceView {
    /// The digest of the active version. Absent: it is compared with nothing, and `more` is all that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_version: Option<String>,
    /// The digest of the version.
    to: String,
    to_version: String,
    /// Names this difference: send it as `accept` to agree to it, and to nothing else.
    accept: String,
    /// What it does or may do, and the active version does not.
    more: Vec<AskView>,
    /// What the active version does or may do, and it does not.
    less: Vec<AskView>,
}

impl From<Compared> for DifferenceView {
    fn from(compared: Compared) -> DifferenceView {
        let Compared { from, from_version, to, to_version, difference, accept, .. } = compared;
        let lines = |asks: Vec<Ask>| asks.into_iter().map(AskView::from).collect();
        let (more, less) = (lines(difference.more), lines(difference.less));
        DifferenceView { from, from_version, to, to_version, accept, more, less }
    }
}

/// One thing that a plugin asks for, in plain words.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginAsk)]
pub(crate) struct AskView {
    /// `trigger`, `read`, `write`, `event`, `object`, `channel`, `source`, `schedule`, `step`, `function`, `host`, `secret`,
    /// `capability`, `limit` or `publisher`.
    #[schema(value_type = String)]
    of: Subject,
    en: String,
    zh: String,
}

impl From<Ask> for AskView {
    fn from(Ask { of, en, zh }: Ask) -> AskView {
        AskView { of, en, zh }
    }
}

/// What a version is to its plugin.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Active,
    Candidate,
    Previous,
    Kept,
}

/// A version of a plugin that was uploaded.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginVersion)]
pub(crate) struct PluginVersionView {
    version: String,
    /// Lowercase hex SHA-256 of the component.
    digest: String,
    /// `active`, `candidate` (it waits for your agreement), `previous` (`rollback` goes back to it) or `kept`.
    #[schema(value_type = String)]
    place: Place,
    /// Who signed it: an Ed25519 public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    uploaded_at: Timestamp,
}

impl PluginVersionView {
    pub fn of(plugin: &Installation, version: &PluginVersion) -> PluginVersionView {
        let is = |other: &Option<PluginVersion>| other.as_ref().is_some_and(|other| other.digest == version.digest);
        let place = match () {
            () if plugin.digest == version.digest && plugin.has_run() => Place::Active,
            () if plugin.digest == version.digest || is(&plugin.candidate) => Place::Candidate,
            () if is(&plugin.previous) => Place::Previous,
            () => Place::Kept,
        };
        let PluginVersion { digest, manifest, signer, uploaded_at, .. } = version;
        PluginVersionView {
            version: manifest.version.clone(),
            digest: digest.clone(),
            place,
            signer: signer.clone(),
            uploaded_at: *uploaded_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginVersionList {
    pub versions: Vec<PluginVersionView>,
}

/// A version with all that is known of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct PluginVersionWhole {
    #[serde(flatten)]
    version: PluginVersionView,
    #[schema(value_type = Object)]
    manifest: Manifest,
    /// What it asks for, in plain words.
    asks: Vec<String>,
    /// What it changes beside the active version; absent for the active version itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceView>,
    /// What becomes of the objects of the types that have another version, as it would be now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<PluginObjectsView>,
}

/// The objects of a type, as a version of its plugin would make them.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginObjects)]
pub(crate) struct PluginObjectsView {
    r#type: String,
    /// The versions of the type.
    from: u32,
    to: u32,
    /// How many there are, and how many would be written anew.
    objects: u64,
    changed: u64,
    /// What does not fit: while there is any, the version cannot come into force.
    #[schema(value_type = Vec<crate::views::FaultView>)]
    pub faults: Vec<Fault>,
}

impl PluginObjectsView {
    pub fn of(step: &Step, fit: &Fit) -> PluginObjectsView {
        PluginObjectsView {
            r#type: step.after.name.clone(),
            from: step.before.version,
            to: step.after.version,
            objects: fit.objects,
            changed: fit.changed,
            faults: fit.misfits.iter().map(Misfit::fault).collect(),
        }
    }
}

impl PluginVersionWhole {
    pub fn of(plugin: &Installation, version: PluginVersion, objects: Vec<PluginObjectsView>) -> PluginVersionWhole {
        let is_active = plugin.digest == version.digest && plugin.status == PluginStatus::Enabled;
        let difference = (!is_active).then(|| Compared::of(plugin, &version).into());
        PluginVersionWhole {
            version: PluginVersionView::of(plugin, &version),
            asks: asks(&version.manifest),
            manifest: version.manifest,
            difference,
            objects,
        }
    }
}
