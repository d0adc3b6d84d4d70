//! What a tenant runs at a position of its log: enabled plugins with their rules in order, object types
//! and channels, and published journeys. Rebuilt after each control event.

mod path;
mod rule;
mod segments;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use openhub_journey::{Journey, Surroundings};
use openhub_model::attribute::Types;
use openhub_model::customer::{Merge, Merges};
use openhub_model::identity::Policies;
use openhub_model::manifest::{ChannelShape, Manifest, ObjectShape};
use openhub_runtime::{Imports, Plugin};
use openhub_store::{Installation, JourneyStatus, PluginStatus, Scope, Store};

pub use path::{ReadPath, WritePath};
pub use rule::{Reading, Rule, Writing};
pub use segments::{Place, Segments, Unfilled, Watched};

use crate::{EngineError, Prepared, enable};

/// An enabled plugin.
pub struct Enabled {
    pub installation: Installation,
    pub plugin: Arc<Plugin>,
    /// The settings as JSON text, handed to each call.
    pub settings: Arc<str>,
}

pub struct ObjectType {
    pub shape: ObjectShape,
    pub owner: Arc<Enabled>,
}

pub struct Channel {
    pub shape: ChannelShape,
    pub owner: Arc<Enabled>,
}

#[derive(Default)]
pub struct Catalog {
    pub plugins: BTreeMap<String, Arc<Enabled>>,
    /// In the order of evaluation: who writes before who reads, ties by plugin and rule.
    pub rules: Vec<Rule>,
    /// Indexes into `rules`, ascending, by the event that triggers them.
    pub rules_on: HashMap<String, Vec<usize>>,
    pub objects: HashMap<String, ObjectType>,
    pub channels: HashMap<String, Channel>,
    /// Every version that is active or still has runs.
    pub journeys: HashMap<(String, i64), Arc<Journey>>,
    /// Active versions that start at an event, by its name.
    pub starts: HashMap<String, Vec<Arc<Journey>>>,
    pub segments: Segments,
    /// What identities may be joined.
    pub policies: Arc<Policies>,
    /// How the attributes of joined parts become one: as declared; the counters of installed plugins are summed.
    pub merges: Merges,
    /// What the values of declared attributes have to be.
    pub types: Types,
    /// Whether erased identities are refused: then those of each batch are looked up.
    pub suppresses: bool,
}

impl Catalog {
    pub async fn load(store: &Store, scope: &Scope, prepared: &Prepared) -> Result<Catalog, EngineError> {
        let mut catalog = Catalog::default();
        let installations = store.plugins(scope).await?;
        catalog.policies = Arc::new(store.identity_policies(scope).await?);
        catalog.suppresses = store.suppresses(scope).await?;
        catalog.merges = counters(&installations);
        let declared = store.declared_attributes(scope).await?;
        for (name, declaration) in declared {
            catalog.types.extend(declaration.of.map(|of| (name.clone(), of)));
            catalog.merges.insert(name, declaration.merge);
        }
        // A version with runs under way keeps its meaning when a plugin that it uses is disabled.
        let known = surroundings(installations.iter().map(|installation| &installation.manifest));
        for installation in installations {
            if installation.status == PluginStatus::Enabled {
                let plugin =
                    prepared.plugin(&installation.name, &installation.digest, granted_imports(&installation)).await?;
                catalog.add_plugin(installation, plugin);
            }
        }
        catalog.order_rules();
        catalog.segments = Segments::of(store.segments(scope).await?);
        let active = store.journeys(scope).await?;
        for version in store.published_versions(scope).await? {
            let journey = compile(&version.journey, version.version, &version.definition, &known)?;
            let journey = Arc::new(journey);
            let starts = active.iter().any(|row| {
                row.name == version.journey
                    && row.status == JourneyStatus::Published
                    && row.version == Some(version.version)
            });
            if starts {
                catalog.starts.entry(journey.trigger().event.clone()).or_default().push(journey.clone());
            }
            catalog.segments.also_needs(journey.needs());
            catalog.journeys.insert((version.journey, version.version), journey);
        }
        for starts in catalog.starts.values_mut() {
            starts.sort_by(|a, b| a.name().cmp(b.name()));
        }
        Ok(catalog)
    }

    /// What a journey's graph is checked against before it is published.
    pub fn surroundings(&self) -> Surroundings {
        surroundings(self.plugins.values().map(|enabled| &enabled.installation.manifest))
    }

    fn add_plugin(&mut self, installation: Installation, plugin: Arc<Plugin>) {
        let settings: Arc<str> = installation.settings.to_string().into();
        let enabled = Arc::new(Enabled { installation, plugin, settings });
        let manifest = &enabled.installation.manifest;
        self.rules.extend(manifest.rules.iter().map(|shape| Rule::of(shape, &enabled)));
        for shape in &manifest.objects {
            let object = ObjectType { shape: shape.clone(), owner: enabled.clone() };
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
        // A cycle was refused at enable; were one stored all the same, its rules would run in name order, last.
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
fn granted_imports(installation: &Installation) -> Imports {
    let Some(granted) = installation.grant["imports"].as_array() else { return Imports::Whole };
    let granted = |import: &&String| granted.iter().any(|one| one.as_str() == Some(import));
    let imports = &installation.manifest.imports;
    if imports.iter().all(|import| granted(&import)) {
        return Imports::Whole;
    }
    Imports::Only(imports.iter().filter(granted).cloned().collect())
}

fn surroundings<'a>(manifests: impl Iterator<Item = &'a Manifest> + Clone) -> Surroundings {
    let channels = manifests.clone().flat_map(|manifest| &manifest.channels);
    let objects = manifests.flat_map(|manifest| &manifest.objects);
    Surroundings {
        channels: channels.map(|shape| (shape.name.clone(), shape.clone())).collect(),
        objects: objects.map(|shape| (shape.name.clone(), shape.clone())).collect(),
        named: None,
    }
}

fn compile(
    name: &str,
    version: i64,
    definition: &serde_json::Value,
    surroundings: &Surroundings,
) -> Result<Journey, EngineError> {
    let broken = |faults: Vec<openhub_model::Fault>| EngineError::Journey {
        journey: name.to_owned(),
        version,
        fault: faults.first().map(|fault| format!("{}: {}", fault.pointer, fault.message)).unwrap_or_default(),
    };
    let definition = openhub_journey::parse(definition).map_err(broken)?;
    Journey::compile(name, version, &definition, surroundings).map_err(broken)
}
