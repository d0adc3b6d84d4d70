//! Receipts of removed plugins.

use openhub_model::{Id, Timestamp};
use openhub_store::{PluginData, Removal};
use serde::Serialize;
use utoipa::ToSchema;

/// The receipt of a removed plugin.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginRemoval)]
pub(crate) struct PluginRemovalView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    plugin: String,
    /// The version that was active.
    version: String,
    /// `keep`, `export` or `erase`.
    #[schema(value_type = String)]
    data: PluginData,
    /// The id of the key that asked for it.
    asked_by: String,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    /// Absent until the engine has done it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    /// Objects of its types that were erased.
    objects: i64,
    /// Entries of its own state that were erased.
    entries: i64,
    /// Where what it left behind is read, if it was to be exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginRemovalList {
    pub removals: Vec<PluginRemovalView>,
    /// Send it as `after` for the next page.
    pub next: Option<String>,
}

impl From<Removal> for PluginRemovalView {
    fn from(removal: Removal) -> PluginRemovalView {
        let Removal { asked, done_at, refusal, objects, entries } = removal;
        let export = (asked.data == PluginData::Export).then(|| format!("/api/v1/plugins/{}/data", asked.plugin));
        PluginRemovalView {
            id: asked.id,
            plugin: asked.plugin,
            version: asked.version,
            data: asked.data,
            asked_by: asked.asked_by,
            asked_at: asked.asked_at,
            done_at,
            refusal,
            objects,
            entries,
            export,
        }
    }
}
