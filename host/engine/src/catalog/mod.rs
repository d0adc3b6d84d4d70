//! What a tenant runs at a position of its log: enabled plugins with their rules in order, object types
//! and channels, and published journeys. Rebuilt after each control event. An entry at fault stays out, and is listed.

mod enabled;
mod fault;
mod pages;
pub(crate) mod path;
mod rule;
mod segments;
pub(crate) mod surroundings;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use openhub_journey::{Journey, Surroundings};
use openhub_model::Fault;
use openhub_model::attribute::Types;
use openhub_model::customer::{Merge, Merges};
use openhub_model::identity::Policies;
use openhub_model::manifest::Manifest;
use openhub_model::tenant::Home;
use openhub_runtime::Imports;
use openhub_store::{
    DeclaredType, Installation, JourneyStatus, JourneyVersion, PluginStatus, Scope, Store, Unreadable,
};
use serde_json::Value;

pub use enabled::{Canary, Channel, Enabled, ObjectType, TypeOwner};
pub use fault::{EntryFault, EntryKind};
pub use pages::Pages;
pub use path::{Bindable, ListPath, ObjectPath, ReadPath, WritePath, bindable, unknown_paths};
pub use rule::{ElementReading, ListFrom, Listing, ROWS, Reading, Rule, RuleName, Writing};
pub use segments::{Place, Segments, Unfilled, Watched};
pub use trial::{Allowance, beside, hindrances};

use self::surroundings::surroundings;
use crate::enable;
use crate::error::EngineError;
use crate::plugins::Plugins;
use crate::uses;

#[derive(Default)]
pub struct Catalog {
    pub plugins: BTreeMap<String, Arc<Enabled>>,
    /// In the order of evaluation: who writes before who reads, ties by plugin and rule.
    pub rules: Vec<Rule>,
    /// Indexes into `rules`, ascending, by the event that triggers them.
    pub rules_on: HashMap<String, Vec<usize>>,
    pub objects: HashMap<String, ObjectType>,
    /// The types among them that an admin declares.
    pub declared: Vec<DeclaredType>,
    pub channels: HashMap<String, Channel>,
    /// Every version that is active or still has runs.
    pub journeys: HashMap<(String, i64), Arc<Journey>>,
    /// Journeys whose runs do not move.
    pub paused: HashSet<String>,
    /// Active versions that start at an event, by its name.
    pub starts: HashMap<String, Vec<Arc<Journey>>>,
    /// Events that a run may wait for.
    pub awaited: HashSet<String>,
    pub segments: Segments,
    /// What identities may be joined.
    pub policies: Arc<Policies>,
    /// How the attributes of joined parts become one: as declared; the counters of installed plugins are summed.
    pub merges: Merges,
    /// What the values of declared attributes have to be.
    pub types: Arc<Types>,
    /// What a page's key may set.
    pub pages: Arc<Pages>,
    /// Where a customer lives who says nothing about it.
    pub home: Home,
    /// Whether erased identities are refused: then those of each batch are looked up.
    pub suppresses: bool,
    /// What is not in force though it was asked for.
    pub faults: Vec<EntryFault>,
}

impl Catalog {
    /// Fails only if the store does: whatever is wrong with an entry is that entry's own.
    pub async fn load(store: &Store, scope: &Scope, prepared: &Plugins) -> Result<Catalog, EngineError> {
        let mut catalog = Catalog::default();
        let (policies, unreadable) = store.readable_policies(scope).await?;
        catalog.policies = Arc::new(Policies::new(policies));
        catalog.unreadable(EntryKind::IdentityKinds, unreadable);
        catalog.suppresses = store.suppresses(scope).await?;
        catalog.home = store.settings(scope).await?.home;
        let (mut installations, unreadable) = store.readable_plugins(scope).await?;
        catalog.unreadable(EntryKind::Plugin, unreadable);
        catalog.merges = counters(&installations);
        let (declared, unreadable) = store.readable_attributes(scope).await?;
        catalog.unreadable(EntryKind::Attribute, unreadable);
        catalog.pages = Arc::new(Pages::of(&installations, declared.iter().map(|(name, of)| (name, of))));
        let mut types = Types::new();
        for (name, declaration) in declared {
            types.extend(declaration.of.map(|of| (name.clone(), of)));
            catalog.merges.insert(name, declaration.merge);
        }
        catalog.types = Arc::new(types);
        // A version with runs under way keeps its meaning when a plugin that it uses is disabled.
        let (types, unreadable) = store.readable_object_types(scope).await?;
        catalog.unreadable(EntryKind::ObjectType, unreadable);
        let mut known = surroundings(installations.iter().map(|installation| &installation.manifest), &types);
        catalog.declare(types);
        // Who was first stays: one that came later and owns the same stands out.
        installations.sort_by_key(|installation| installation.position);
        for installation in installations {
            if installation.status == PluginStatus::Enabled && !installation.held {
                catalog.load_plugin(scope, installation, prepared, &mut known).await?;
            }
        }
        catalog.order_rules();
        // Who does not run answers nobody: a run that would ask is held, where its journey stands out.
        let runs = |plugin: &str| catalog.plugins.contains_key(plugin);
        known.steps.retain(|plugin, _| runs(plugin));
        known.functions.retain(|plugin, _| runs(plugin));
        let (segments, unreadable) = store.readable_segments(scope).await?;
        catalog.unreadable(EntryKind::Segment, unreadable);
        catalog.segments = Segments::of(segments);
        catalog.load_journeys(store, scope, &known).await?;
        Ok(catalog)
    }

    /// Messages of a plugin that stands out wait in the outbox, so its channels stay known; what makes its objects cannot go on.
    async fn load_plugin(
        &mut self,
        scope: &Scope,
        installation: Installation,
        prepared: &Plugins,
        known: &mut Surroundings,
    ) -> Result<(), EngineError> {
        let enabled: Vec<enable::Candidate<'_>> =
            self.plugins.values().map(|enabled| enable::Candidate::from(&enabled.installation)).collect();
        let beside = enable::Beside { enabled: &enabled, types: &self.declared };
        let faults = enable::check(beside, enable::Candidate::from(&installation));
        let (name, digest) = (&installation.name, &installation.digest);
        let loaded = match faults.first() {
            Some(fault) => Err(fault.message.clone()),
            None => {
                match prepared.plugin(name, digest, granted_imports(&installation.grant, &installation.manifest)).await
                {
                    Ok(plugin) => Ok(plugin),
                    Err(error) if error.is_of_a_plugin() => Err(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
        };
        match loaded {
            Ok(plugin) => {
                let observed = prepared.watch.of(scope.tenant(), &installation);
                let mut enabled = Enabled::new(installation, plugin, observed);
                self.try_beside(scope, &mut enabled, prepared).await?;
                self.add_plugin(enabled);
            }
            Err(reason) => {
                for shape in &installation.manifest.objects {
                    if !self.objects.contains_key(&shape.name) {
                        known.objects.remove(&shape.name);
                    }
                }
                let version = Some(format!("{} ({})", installation.version, short(digest)));
                let name = installation.name.clone();
                self.faults.push(EntryFault { kind: EntryKind::Plugin, name, version, reason });
            }
        }
        Ok(())
    }

    /// One that does not compile starts nobody, and its runs are held.
    async fn load_journeys(&mut self, store: &Store, scope: &Scope, known: &Surroundings) -> Result<(), EngineError> {
        let active = store.journeys(scope).await?;
        let (versions, unreadable) = store.readable_versions(scope).await?;
        self.unreadable(EntryKind::Journey, unreadable);
        let rest = active.iter().filter(|row| row.held || row.status == JourneyStatus::Paused);
        self.paused.extend(rest.map(|row| row.name.clone()));
        for version in versions {
            let journey = match compile(&version, known) {
                Ok(journey) => Arc::new(journey),
                Err(reason) => {
                    let (name, version) = (version.journey, Some(version.version.to_string()));
                    self.faults.push(EntryFault { kind: EntryKind::Journey, name, version, reason });
                    continue;
                }
            };
            if active.iter().any(|row| !row.held && uses::starts(row, &version)) {
                self.starts.entry(journey.trigger().key().to_owned()).or_default().push(journey.clone());
            }
            self.awaited.extend(journey.awaited().map(str::to_owned));
            self.segments.also_needs(journey.needs());
            self.journeys.insert((version.journey, version.version), journey);
        }
        for starts in self.starts.values_mut() {
            starts.sort_by(|a, b| a.name().cmp(b.name()));
        }
        Ok(())
    }

    fn unreadable(&mut self, kind: EntryKind, rows: Vec<Unreadable>) {
        self.faults.extend(rows.into_iter().map(|row| EntryFault::unreadable(kind, row)));
    }

    /// Why the change at a position did nothing; none if it did something.
    pub fn refusal_at(&self, position: i64) -> Option<&str> {
        self.faults.iter().find(|fault| fault.is_of(position)).map(|fault| fault.reason.as_str())
    }

    /// What a journey's graph is checked against before it is published.
    pub fn surroundings(&self) -> Surroundings {
        surroundings(self.plugins.values().map(|enabled| &enabled.installation.manifest), &self.declared)
    }

    fn declare(&mut self, types: Vec<DeclaredType>) {
        let objects = types.iter().map(|each| (each.name.clone(), ObjectType::declared(each.clone())));
        self.objects.extend(objects);
        self.declared = types;
    }

    /// Loads the version that is tried beside the active one. If it cannot be, the active one serves everybody, and that is listed.
    async fn try_beside(
        &mut self,
        scope: &Scope,
        enabled: &mut Enabled,
        prepared: &Plugins,
    ) -> Result<(), EngineError> {
        let plugin = &enabled.installation;
        let grant = match (&plugin.canary, &plugin.shadow) {
            (Some(canary), _) => &canary.grant,
            (None, Some(_)) => &plugin.grant,
            (None, None) => return Ok(()),
        };
        let Some(tried) = &plugin.candidate else { return Ok(()) };
        let granted = granted_imports(grant, &tried.manifest);
        let loaded = match prepared.plugin(&plugin.name, &tried.digest, granted).await {
            Ok(loaded) => loaded,
            Err(error) if error.is_of_a_plugin() => {
                let version = Some(format!("{} ({})", tried.manifest.version, short(&tried.digest)));
                let reason = format!("it cannot be loaded, so {} serves everybody: {error}", plugin.version);
                self.faults.push(EntryFault { kind: EntryKind::Plugin, name: plugin.name.clone(), version, reason });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let installation = beside(plugin, tried, grant);
        let percent = plugin.canary.as_ref().map(|canary| canary.percent);
        let observed = prepared.watch.of(scope.tenant(), &installation);
        let version = Arc::new(Enabled::new(installation, loaded, observed));
        match percent {
            Some(percent) => enabled.canary = Some(Canary { percent, version }),
            None => (enabled.shadow, enabled.allowance) = (Some(version), Some(Allowance::default())),
        }
        Ok(())
    }

    fn add_plugin(&mut self, enabled: Enabled) {
        let enabled = Arc::new(enabled);
        let manifest = &enabled.installation.manifest;
        self.rules.extend(manifest.rules.iter().map(|shape| Rule::of(shape, &enabled)));
        for shape in &manifest.objects {
            let object = ObjectType { shape: shape.clone(), owner: TypeOwner::Plugin(enabled.clone()) };
            self.objects.insert(shape.name.clone(), object);
        }
        for shape in &manifest.channels {
            self.channels.insert(shape.name.clone(), Channel { shape: shape.clone(), owner: enabled.clone() });
        }
        self.plugins.insert(enabled.installation.name.clone(), enabled);
    }

    fn order_rules(&mut self) {
        let mut rules: Vec<Option<Rule>> = std::mem::take(&mut self.rules).into_iter().map(Some).collect();
        let nodes: Vec<enable::Node> = rules.iter().flatten().map(Rule::node).collect();
        // A plugin that closes a cycle stands out, so there is none.
        let order = enable::order(&nodes).unwrap_or_else(|cycle| cycle.best_effort);
        self.rules = order.into_iter().filter_map(|index| rules[index].take()).collect();
        for (index, rule) in self.rules.iter().enumerate() {
            for event in &rule.on {
                self.rules_on.entry(event.clone()).or_default().push(index);
            }
        }
    }
}

fn counters(installations: &[Installation]) -> Merges {
    let rules = installations.iter().flat_map(|installation| &installation.manifest.rules);
    let paths = rules.flat_map(|rule| &rule.writes).filter_map(|write| WritePath::parse(&write.path));
    let counters = paths.filter_map(|path| match path {
        WritePath::Counter(name) => Some((name, Merge::Sum)),
        WritePath::Attribute(_) | WritePath::Tag(_) | WritePath::Decision => None,
    });
    counters.collect()
}

/// What the admin granted of the manifest's imports.
pub(crate) fn granted_imports(grant: &Value, manifest: &Manifest) -> Imports {
    let Some(granted) = grant["imports"].as_array() else { return Imports::Whole };
    let granted = |import: &&String| granted.iter().any(|one| one.as_str() == Some(import));
    let imports = &manifest.imports;
    if imports.iter().all(|import| granted(&import)) {
        return Imports::Whole;
    }
    Imports::Only(imports.iter().filter(granted).cloned().collect())
}

/// A published version, or the first thing that is wrong with it.
pub(crate) fn compile(version: &JourneyVersion, surroundings: &Surroundings) -> Result<Journey, String> {
    let broken = |faults: Vec<Fault>| match faults.first() {
        Some(fault) => format!("the journey does not compile: at {}: {}", fault.pointer, fault.message),
        None => "the journey does not compile".to_owned(),
    };
    let definition = openhub_journey::parse(&version.definition).map_err(broken)?;
    Journey::compile(&version.journey, version.version, &definition, surroundings).map_err(broken)
}

/// A digest as people are shown it beside a version.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
