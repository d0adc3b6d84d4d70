//! What a tenant has that a journey can use.

use openhub_model::attribute::Types;
use openhub_model::condition::{Declarations, Paths};
use openhub_model::manifest::{ChannelShape, FunctionShape, Manifest, ObjectShape, StepShape};
use openhub_model::{Condition, Fault};
use std::collections::{BTreeMap, BTreeSet};

/// By the plugin that has them, and their own names.
pub type Steps = BTreeMap<String, BTreeMap<String, StepShape>>;
/// The same of functions that templates call.
pub type Functions = BTreeMap<String, BTreeMap<String, FunctionShape>>;

/// What a journey can use of a tenant's plugins, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    pub channels: BTreeMap<String, ChannelShape>,
    pub objects: BTreeMap<String, ObjectShape>,
    pub steps: Steps,
    pub functions: Functions,
    /// What conditions may name. None for a version that was checked when it was published: it keeps its meaning.
    pub named: Option<Named>,
}

/// The segments and journeys of a tenant, by name, and its attributes that have a type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    pub segments: BTreeSet<String>,
    pub journeys: BTreeSet<String>,
    pub attributes: Types,
}

impl Surroundings {
    /// What a plugin brings.
    pub fn add(&mut self, manifest: &Manifest) {
        self.channels.extend(manifest.channels.iter().map(|shape| (shape.name.clone(), shape.clone())));
        self.objects.extend(manifest.objects.iter().map(|shape| (shape.name.clone(), shape.clone())));
        if !manifest.steps.is_empty() {
            let steps = manifest.steps.iter().map(|shape| (shape.name.clone(), shape.clone())).collect();
            self.steps.insert(manifest.name.clone(), steps);
        }
        if !manifest.functions.is_empty() {
            let functions = manifest.functions.iter().map(|shape| (shape.name.clone(), shape.clone())).collect();
            self.functions.insert(manifest.name.clone(), functions);
        }
    }

    /// A version that was checked when it was published keeps its meaning.
    pub(crate) fn paths(&self) -> Paths {
        if self.named.is_some() { Paths::Refused } else { Paths::Taken }
    }

    pub(crate) fn faults(&self, condition: &Condition, pointer: &str) -> Vec<Fault> {
        let Some(named) = &self.named else { return condition.faults(pointer) };
        let objects = self.objects.iter().map(|(kind, shape)| (kind.clone(), shape.fields.clone())).collect();
        let declared = Declarations {
            segments: Some(&named.segments),
            journeys: Some(&named.journeys),
            objects: Some(&objects),
            typed: Some(&named.attributes),
            paths: self.paths(),
            ..Declarations::default()
        };
        condition.faults_against(pointer, &declared)
    }
}
