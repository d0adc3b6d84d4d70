//! The end of a plugin at the position of its event. What it kept stays, or is erased in steps: first the plugin is in force no more,
//! then its objects go, and the last commit takes the plugin itself and moves the checkpoint. A hub that dies in between goes on
//! behind the last step.

use std::collections::BTreeSet;

use openhub_model::{Event, Id};
use openhub_store::{CatalogChange, Changes, PluginData, RemovalStep, Scope, Store};
use serde::Deserialize;

use crate::aside::control_fault;
use crate::error::EngineError;
use crate::judge;
use crate::lane::Lane;

/// The control event that ends a plugin.
pub const REMOVED: &str = "plugin.removed";
/// Objects of a step: some tens of milliseconds in which other writes wait.
const ROWS: usize = 1_000;

/// What the event says.
#[derive(Deserialize)]
struct Asked {
    plugin: String,
    digest: Option<String>,
    #[serde(default)]
    data: PluginData,
    /// Its receipt.
    removal: Option<Id>,
}

impl Lane {
    /// Answers whether the event says what is to be removed.
    pub(crate) async fn remove(&mut self, event: &Event) -> Result<bool, EngineError> {
        let Ok(Asked { plugin, digest, data, removal }) = serde_json::from_str::<Asked>(&event.body) else {
            return Ok(false);
        };
        let change = CatalogChange::RemovePlugin { name: plugin.clone(), digest, position: event.position };
        let (store, scope) = (self.shared.store.clone(), self.scope);
        if let Some(reason) = judge::refusal(&store, &scope, &self.catalog, &change).await? {
            let faults = vec![control_fault(event, "refused", &reason)];
            self.refused.push(judge::refused(event, &change, reason.clone()));
            let told = removal.map(|removal| CatalogChange::PluginRemoval(RemovalStep::Refused { removal, reason }));
            self.end_of_removal(event, Changes { faults, catalog: told.into_iter().collect(), ..Changes::default() })
                .await?;
            return Ok(true);
        }
        let mut catalog = vec![change];
        if data == PluginData::Erase {
            let kinds = kept_types(&store, &scope, &plugin).await?;
            if store.plugin(&scope, &plugin).await?.is_some() {
                self.in_between(catalog).await?;
                self.reload().await?;
            }
            for kind in &kinds {
                while store.has_objects(&scope, kind).await? {
                    let step = RemovalStep::Erase { removal, kind: kind.clone(), rows: ROWS };
                    self.in_between(vec![CatalogChange::PluginRemoval(step)]).await?;
                    if self.stop.is_cancelled() {
                        return Ok(true);
                    }
                }
            }
            catalog = vec![CatalogChange::PluginRemoval(RemovalStep::Forget { removal, plugin })];
        }
        catalog.extend(removal.map(|removal| CatalogChange::PluginRemoval(RemovalStep::Done { removal })));
        self.end_of_removal(event, Changes { catalog, ..Changes::default() }).await?;
        Ok(true)
    }

    /// A commit that moves nothing but the removal.
    async fn in_between(&mut self, catalog: Vec<CatalogChange>) -> Result<(), EngineError> {
        let (checkpoint, clock) = (self.lease.checkpoint, self.lease.clock);
        let changes = Changes { checkpoint, clock, wall: (self.shared.clock)(), catalog, ..Changes::default() };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        Ok(())
    }

    async fn end_of_removal(&mut self, event: &Event, changes: Changes) -> Result<(), EngineError> {
        let (clock, wall) = (self.clock_at(event), (self.shared.clock)());
        let changes = Changes { checkpoint: event.position, clock, wall, ..changes };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        self.reload().await
    }
}

/// The types of which a plugin keeps objects: all that its versions declared, and that nobody else has by now.
pub async fn kept_types(store: &Store, scope: &Scope, plugin: &str) -> Result<Vec<String>, EngineError> {
    let versions = store.plugin_versions(scope, plugin).await?;
    let shapes =
        versions.iter().filter(|version| version.grant.is_some()).flat_map(|version| &version.manifest.objects);
    let mut kinds: BTreeSet<String> = shapes.map(|shape| shape.name.clone()).collect();
    for declared in store.object_types(scope).await? {
        kinds.remove(&declared.name);
    }
    for other in store.plugins(scope).await?.iter().filter(|other| other.name != plugin) {
        kinds.retain(|kind| other.manifest.objects.iter().all(|shape| shape.name != *kind));
    }
    Ok(kinds.into_iter().collect())
}
