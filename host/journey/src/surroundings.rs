//! What a tenant has that a journey can use.

use openhub_model::attribute::Types;
use openhub_model::condition::Declarations;
use openhub_model::manifest::{ChannelShape, ObjectShape};
use openhub_model::{Condition, Fault};
use std::collections::{BTreeMap, BTreeSet};

/// What a journey can use of a tenant's plugins, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    pub channels: BTreeMap<String, ChannelShape>,
    pub objects: BTreeMap<String, ObjectShape>,
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
    pub(crate) fn faults(&self, condition: &Condition, pointer: &str) -> Vec<Fault> {
        let Some(named) = &self.named else { return condition.faults(pointer) };
        let objects = self.objects.iter().map(|(kind, shape)| (kind.clone(), shape.fields.clone())).collect();
        let declared = Declarations {
            segments: Some(&named.segments),
            journeys: Some(&named.journeys),
            objects: Some(&objects),
            typed: Some(&named.attributes),
            ..Declarations::default()
        };
        condition.faults_against(pointer, &declared)
    }
}
