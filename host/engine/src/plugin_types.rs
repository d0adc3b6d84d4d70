//! Objects of a plugin's types become objects of the version that comes into force, at its place in the log, as those of a declared
//! type do (`migrate`): all are looked at, then they are written anew in steps, and the last commit puts the version in force. How
//! an object changes, the version says that knows both forms, which is the newer one: on the way back it is the one that leaves.
//! One without a `migration` leaves objects as they are, if they fit.

mod apart;

use std::collections::HashMap;
use std::sync::Arc;

use openhub_model::manifest::ObjectShape;
use openhub_model::object::Object;
use openhub_model::{Event, Fault, Id};
use openhub_runtime::{CallContext, CallFault, FaultKind, Imports, Plugin};
use openhub_store::{
    CatalogChange, Changes, FormerFields, Installation, LeftOut, ObjectChange, ObjectFilter, ObjectKey,
    PluginMigrating, PluginStatus, Scope, Store,
};
use serde_json::{Map, Value};

use crate::body::object_changed;
use crate::catalog::granted_imports;
use crate::error::EngineError;
use crate::lane::Lane;
use crate::migrate::Migrated;
use crate::object_types::fit::{Fit, Looking, PAGE};
use crate::objects::shape::{belongs_to, indexed, normal_form};
use crate::plugins::Plugins;
use apart::{CALLS, Failed, apart};

/// A type that has another version from then on.
pub struct Step {
    pub before: ObjectShape,
    pub after: ObjectShape,
    /// The version that migrates.
    plugin: Arc<Plugin>,
    call: CallContext,
}

/// Objects of the type, and what their last migration left out of them.
struct Page {
    objects: Vec<Object>,
    former: HashMap<ObjectKey, LeftOut>,
}

fn key_of(object: &Object) -> ObjectKey {
    ObjectKey::new(&object.kind, &object.key)
}

/// What a version makes of an object: another one, the same, or nothing that fits.
type Made = Result<Option<Object>, Vec<Fault>>;

impl Step {
    /// Objects as they are under the new version. Where a call fails, `calls` more may be made to find out on which of them.
    async fn made(&self, page: &Page, calls: &mut u32) -> Result<Vec<Result<Made, Failed>>, CallFault> {
        let Page { objects, former } = page;
        if !self.plugin.migrates() || objects.is_empty() {
            return Ok(objects.iter().map(|object| Ok(Ok(self.changed(object, object.fields.clone())))).collect());
        }
        let records: Vec<String> = objects.iter().map(|object| object.fields.to_string()).collect();
        let (plugin, call) = (self.plugin.clone(), self.call.clone());
        let (kind, versions) = (self.after.name.clone(), (self.before.version, self.after.version));
        let mut left = *calls;
        let asked = tokio::task::spawn_blocking(move || {
            let ask = |range| plugin.migrate(&call, &kind, versions, &records[range]);
            let pieces = apart(records.len(), &mut left, ask);
            (pieces, left)
        });
        let (pieces, left) = asked.await.map_err(|panic| CallFault::new(FaultKind::Host, panic.to_string()))?;
        *calls = left;
        let made = pieces.into_iter().flat_map(|(range, came)| -> Vec<Result<Made, Failed>> {
            match came {
                Ok(came) => {
                    let answered =
                        |(object, answer): (&Object, _)| Ok(self.answered(object, answer, former.get(&key_of(object))));
                    objects[range].iter().zip(came.answers).map(answered).collect()
                }
                Err(failed) => vec![Err(failed); range.len()],
            }
        });
        Ok(made.collect())
    }

    fn answered(&self, object: &Object, answer: Result<String, Vec<Fault>>, former: Option<&LeftOut>) -> Made {
        let mut text = self.restored(answer?, former);
        normal_form(&self.after, &mut text);
        Ok(self.changed(object, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// On the way back an object has again what the way there left out of it, if the answer says nothing about it.
    fn restored(&self, answer: String, former: Option<&LeftOut>) -> String {
        let Some(former) = former.filter(|former| former.version == self.after.version) else { return answer };
        let Ok(Value::Object(mut fields)) = serde_json::from_str(&answer) else { return answer };
        for (name, value) in &former.fields {
            if self.after.fields.iter().any(|field| field.name == *name) {
                fields.entry(name).or_insert_with(|| value.clone());
            }
        }
        Value::Object(fields).to_string()
    }

    /// What is kept of an object: the fields of the version before that the one after has not.
    fn left_out(&self, before: &Value, after: &Value) -> Option<LeftOut> {
        let is_gone = |(name, value): &(&String, &Value)| !value.is_null() && after.get(name.as_str()).is_none();
        let gone = before.as_object().into_iter().flatten().filter(is_gone);
        let fields: Map<String, Value> = gone.map(|(name, value)| (name.clone(), value.clone())).collect();
        (!fields.is_empty()).then_some(LeftOut { version: self.before.version, fields })
    }

    fn changed(&self, object: &Object, fields: Value) -> Option<Object> {
        let part = belongs_to(&self.after, &fields, Some(object), object.part);
        let stays = fields == object.fields
            && part == object.part
            && indexed(&self.before, &object.fields) == indexed(&self.after, &object.fields);
        (!stays).then(|| Object { fields, part, version: object.version + 1, ..object.clone() })
    }

    async fn page(&self, store: &Store, scope: &Scope, after: Option<String>) -> Result<Page, EngineError> {
        let filter = ObjectFilter { kind: self.after.name.clone(), part: None, after, limit: PAGE };
        let objects = store.objects(scope, &filter).await?;
        let former = store.former_fields(scope, &objects).await?;
        Ok(Page { objects, former })
    }

    /// Looks at all objects of the type. A call that fails is told as what does not fit.
    pub async fn fit(&self, store: &Store, scope: &Scope) -> Result<Fit, EngineError> {
        let mut looking = Looking::default();
        let (mut after, mut calls) = (None, CALLS);
        loop {
            let page = self.page(store, scope, after).await?;
            let Some(last) = page.objects.last() else { break };
            after = Some(last.key.clone());
            let made = self.made(&page, &mut calls).await;
            let made = made.unwrap_or_else(|fault| vec![Err(Failed::Together(fault)); page.objects.len()]);
            for (object, made) in page.objects.iter().zip(made) {
                match made {
                    Ok(Ok(changed)) => looking.see((&self.before, &self.after), object, changed.as_ref()),
                    Ok(Err(faults)) => looking.refuse(object, faults),
                    Err(failed) => looking.refuse(object, vec![fault_of(&failed)]),
                }
            }
        }
        Ok(looking.done())
    }
}

/// How it is told that a migration failed on an object.
fn fault_of(failed: &Failed) -> Fault {
    match failed {
        Failed::Alone(fault) => Fault::new("", "failed", format!("the plugin failed to migrate it: {fault}")),
        Failed::Together(fault) => {
            let told = format!("the plugin failed on some of these, and they were not tried one by one: {fault}");
            Fault::new("", "failed-together", told)
        }
    }
}

/// The types whose objects a version changes, or has to find fitting; none if there is nothing that it could be compared with.
pub async fn steps(
    store: &Store,
    prepared: &Plugins,
    scope: &Scope,
    plugin: &Installation,
    digest: &str,
    grant: Option<&Value>,
    settings: &Value,
) -> Result<Vec<Step>, EngineError> {
    let versions = store.plugin_versions(scope, &plugin.name).await?;
    let is_other = plugin.digest != digest;
    // Of a plugin that comes back, the objects are of the version that ran last.
    let ran = versions.iter().find(|version| version.grant.is_some() && version.digest != digest);
    let old = match plugin.status {
        PluginStatus::Enabled | PluginStatus::Disabled => {
            is_other.then_some((&plugin.digest, &plugin.manifest, &plugin.grant))
        }
        PluginStatus::Installed | PluginStatus::Removed => {
            ran.map(|version| (&version.digest, &version.manifest, version.grant.as_ref().unwrap_or(&plugin.grant)))
        }
    };
    let new = plugin.version_of(digest);
    let (Some((left, old, had)), Some(new)) = (old, new) else { return Ok(Vec::new()) };
    let changed: Vec<(&ObjectShape, &ObjectShape)> = new
        .objects
        .iter()
        .filter_map(|after| {
            let before = old.objects.iter().find(|before| before.name == after.name)?;
            (before.version != after.version).then_some((before, after))
        })
        .collect();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let granted = granted_imports(grant.unwrap_or(&plugin.grant), new);
    let Some(enters) = loaded(prepared, &plugin.name, digest, granted).await? else { return Ok(Vec::new()) };
    let leaves = if changed.iter().any(|(before, after)| after.version < before.version) {
        loaded(prepared, &plugin.name, left, granted_imports(had, old)).await?
    } else {
        None
    };
    let call = CallContext::new(settings.to_string());
    let steps = changed.into_iter().map(|(before, after)| {
        let leaves = leaves.as_ref().filter(|leaves| after.version < before.version && leaves.migrates());
        let plugin = leaves.unwrap_or(&enters).clone();
        Step { before: before.clone(), after: after.clone(), plugin, call: call.clone() }
    });
    Ok(steps.collect())
}

/// A version, if it can be loaded: one that cannot does not come into force, whatever the objects are, and is asked nothing.
async fn loaded(
    prepared: &Plugins,
    name: &str,
    digest: &str,
    granted: Imports,
) -> Result<Option<Arc<Plugin>>, EngineError> {
    match prepared.plugin(name, digest, granted).await {
        Ok(loaded) => Ok(Some(loaded)),
        Err(error) if error.is_of_a_plugin() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Lane {
    /// Makes the objects of a plugin fit the version that an event puts in force.
    pub(crate) async fn migrate_plugin(
        &mut self,
        event: &Event,
        change: &CatalogChange,
    ) -> Result<Migrated, EngineError> {
        let CatalogChange::Plugin {
            name, status: PluginStatus::Enabled, digest: Some(digest), settings, grant, ..
        } = change
        else {
            return Ok(Migrated::All);
        };
        let (shared, scope) = (self.shared.clone(), self.scope);
        let Some(plugin) = shared.store.plugin(&scope, name).await? else { return Ok(Migrated::All) };
        let settings = settings.as_ref().unwrap_or(&plugin.settings);
        let steps = steps(&shared.store, &shared.prepared, &scope, &plugin, digest, grant.as_ref(), settings).await?;
        if steps.is_empty() {
            return Ok(Migrated::All);
        }
        let noted = shared.store.plugin_migrating(&scope, name).await?;
        let mut under_way = noted.filter(|noted| noted.position == event.position);
        if under_way.is_none() {
            let begun = PluginMigrating { position: event.position, kind: None, after: None };
            self.note_plugin(name, begun.clone(), Vec::new(), Changes::default()).await?;
            under_way = Some(begun);
            let mut misfits = Vec::new();
            for step in &steps {
                misfits.extend(step.fit(&shared.store, &scope).await?.misfits);
            }
            if !misfits.is_empty() {
                return Ok(Migrated::Not(misfits.iter().map(|misfit| misfit.fault()).collect()));
            }
        }
        let mut behind = under_way.and_then(|noted| noted.kind.map(|kind| (kind, noted.after)));
        for step in &steps {
            let kind = &step.after.name;
            // What stands before the type that was under way is done.
            let after = match &behind {
                Some((under_way, _)) if under_way != kind => continue,
                _ => behind.take().and_then(|(_, after)| after),
            };
            if !self.migrate_type(event, name, step, after).await? {
                return Ok(Migrated::Stopped);
            }
        }
        Ok(Migrated::All)
    }

    /// Writes the objects of a type anew, behind the key at which it was broken off. Answers whether it came to its end.
    async fn migrate_type(
        &mut self,
        event: &Event,
        plugin: &str,
        step: &Step,
        mut after: Option<String>,
    ) -> Result<bool, EngineError> {
        let (store, scope) = (self.shared.store.clone(), self.scope);
        let asks = !self.catalog.segments.on_object(&step.after.name).is_empty();
        let now = self.clock_at(event);
        let failed = |fault| EngineError::Migration(plugin.to_owned(), fault);
        let mut calls = CALLS;
        loop {
            let page = step.page(&store, &scope, after).await?;
            let Some(last) = page.objects.last() else { return Ok(true) };
            after = Some(last.key.clone());
            let made = step.made(&page, &mut calls).await.map_err(failed)?;
            let (mut changes, mut former) = (Changes::default(), Vec::new());
            for (object, made) in page.objects.iter().zip(made) {
                let made = made.map_err(|(Failed::Alone(fault) | Failed::Together(fault))| failed(fault))?;
                let Ok(made) = made else { continue };
                let fields = made.as_ref().map_or(&object.fields, |changed| &changed.fields);
                let left_out = step.left_out(&object.fields, fields);
                let of = key_of(object);
                if left_out.as_ref() != page.former.get(&of) {
                    former.push(FormerFields { object: of, former: left_out });
                }
                let Some(mut changed) = made else { continue };
                (changed.updated_at, changed.cause) = (now, event.message_id.clone());
                let owners = [object.part, changed.part.filter(|part| Some(*part) != object.part)];
                for owner in owners.into_iter().flatten().filter(|_| asks) {
                    let of = (object.kind.clone(), object.key.clone());
                    let by = Id::named(&[event.message_id.as_bytes()]);
                    changes.arrivals.push(object_changed(owner, &of, (by, 0), (&event.message_id, 1), now));
                }
                let indexed = indexed(&step.after, &changed.fields);
                changes.objects.push(ObjectChange::Replace { stored: object.version, object: changed, indexed });
            }
            let kind = Some(step.after.name.clone());
            let noted = PluginMigrating { position: event.position, kind, after: after.clone() };
            self.note_plugin(plugin, noted, former, changes).await?;
            if self.stop.is_cancelled() {
                return Ok(false);
            }
        }
    }

    async fn note_plugin(
        &mut self,
        plugin: &str,
        state: PluginMigrating,
        former: Vec<FormerFields>,
        changes: Changes,
    ) -> Result<(), EngineError> {
        let changes = Changes {
            checkpoint: self.lease.checkpoint,
            clock: self.lease.clock,
            wall: (self.shared.clock)(),
            catalog: vec![CatalogChange::PluginMigrates { plugin: plugin.to_owned(), state: Some(state), former }],
            ..changes
        };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        Ok(())
    }
}
