//! Whether a definition can be published: its graph, and each node against what the tenant has installed.
//!
//! Every fault names its node and field. Nothing here runs a journey.

mod fields;
mod graph;

use minijinja::Environment;
use openhub_model::condition::{Declarations, property_faults};
use openhub_model::manifest::{ChannelShape, Field, ObjectShape};
use openhub_model::{Condition, Fault, Span, limits};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use crate::definition::Definition;
use crate::nodes::Node;
use crate::parse::node_pointer;
use crate::template;

pub(crate) use graph::reachable;

/// Nodes in one journey.
const MAX_NODES: usize = 1000;

/// What a journey can use of a tenant's plugins, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    pub channels: BTreeMap<String, ChannelShape>,
    pub objects: BTreeMap<String, ObjectShape>,
    /// What conditions may name. None for a version that was checked when it was published: it keeps its meaning.
    pub named: Option<Named>,
}

/// The segments and journeys of a tenant, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    pub segments: BTreeSet<String>,
    pub journeys: BTreeSet<String>,
}

impl Surroundings {
    fn faults(&self, condition: &Condition, pointer: &str) -> Vec<Fault> {
        let Some(named) = &self.named else { return condition.faults(pointer) };
        let objects = self.objects.iter().map(|(kind, shape)| (kind.clone(), shape.fields.clone())).collect();
        let declared = Declarations {
            segments: Some(&named.segments),
            journeys: Some(&named.journeys),
            objects: Some(&objects),
            ..Declarations::default()
        };
        condition.faults_against(pointer, &declared)
    }
}

/// All faults of a definition; none: it can be compiled and published.
pub fn check(definition: &Definition, surroundings: &Surroundings) -> Vec<Fault> {
    if definition.nodes.len() > MAX_NODES {
        return vec![Fault::new("/nodes", "too-many-nodes", format!("a journey has at most {MAX_NODES} nodes"))];
    }
    let mut faults = Vec::new();
    if definition.trigger.event.is_empty() {
        faults.push(Fault::new("/trigger/event", "empty", "a journey is triggered by an event with a name"));
    }
    faults.extend(limits::length(&definition.trigger.event, limits::EVENT_NAME, || "/trigger/event".to_owned()).err());
    if let Some(condition) = &definition.trigger.condition {
        faults.extend(surroundings.faults(condition, "/trigger/condition"));
    }
    faults.extend(property_faults(&definition.trigger.tests, "/trigger/where"));
    let waits = if surroundings.named.is_some() { graph::Waits::LongEnough } else { graph::Waits::OfAnyLength };
    graph::check(definition, waits, &mut faults);
    let environment = template::environment();
    let made = made_objects(definition, surroundings);
    for (id, node) in &definition.nodes {
        let mut check = NodeCheck {
            pointer: node_pointer(id),
            surroundings,
            environment: &environment,
            objects: made.iter().filter(|made| made.before.contains(id.as_str())).collect(),
            faults: &mut faults,
        };
        node.as_type().check(&mut check);
    }
    faults
}

/// An object that a node makes under a name.
struct Made<'a> {
    name: &'a str,
    /// Its fields, and its key; none for a type that does not exist.
    fields: Option<BTreeSet<&'a str>>,
    /// The nodes that it is made before.
    before: BTreeSet<&'a str>,
}

fn made_objects<'a>(definition: &'a Definition, surroundings: &'a Surroundings) -> Vec<Made<'a>> {
    let mut made = Vec::new();
    for node in definition.nodes.values() {
        if let Node::Object(object) = node
            && let Some(name) = &object.name
        {
            let shape = surroundings.objects.get(&object.kind);
            let fields =
                shape.map(|shape| shape.fields.iter().map(|field| field.name.as_str()).chain(["key"]).collect());
            made.push(Made { name, fields, before: reachable(definition, &object.next) });
        }
    }
    made
}

/// One node under check.
pub(crate) struct NodeCheck<'a, 'f> {
    pointer: String,
    surroundings: &'a Surroundings,
    environment: &'a Environment<'static>,
    /// The objects that are made before this node.
    objects: Vec<&'a Made<'a>>,
    faults: &'f mut Vec<Fault>,
}

impl<'a> NodeCheck<'a, '_> {
    pub(crate) fn surroundings(&self) -> &'a Surroundings {
        self.surroundings
    }

    /// A fault in `field`, a pointer below the node.
    pub(crate) fn fault(&mut self, field: &str, code: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}/{field}", self.pointer), code, message));
    }

    pub(crate) fn condition(&mut self, field: &str, condition: &Condition) {
        self.faults.extend(self.surroundings.faults(condition, &format!("{}/{field}", self.pointer)));
    }

    pub(crate) fn span(&mut self, field: &str, span: Span) {
        if span.micros() == 0 {
            self.fault(field, "bad-span", "a wait is longer than nothing");
        }
    }

    /// Fields against the shape that declares them. The hub itself fills in `owner`.
    pub(crate) fn fields(&mut self, field: &str, fields: &Map<String, Value>, shape: &[Field], owner: Option<&str>) {
        fields::check(&format!("{}/{field}", self.pointer), fields, shape, owner, self.faults);
    }

    /// The templates among these fields: that they compile, and that what they read exists at this node.
    pub(crate) fn templates(&mut self, field: &str, fields: &Map<String, Value>) {
        let mut found = Vec::new();
        let pointer = format!("{}/{field}", self.pointer);
        let known = self.known();
        template::each_field_template(&pointer, fields, &mut |pointer, source| match template::variables(
            self.environment,
            source,
        ) {
            Err(error) => found.push(Fault::new(pointer, "bad-template", error.to_string())),
            Ok(paths) => {
                let unknown = paths.iter().filter(|path| !self.knows(path));
                found.extend(unknown.map(|path| {
                    Fault::new(
                        pointer,
                        "unknown-variable",
                        format!("there is no `{path}` at this node; there are {known}"),
                    )
                }));
            }
        });
        self.faults.append(&mut found);
    }

    /// What templates can read at this node, as people are told it.
    fn known(&self) -> String {
        let mut known = "customer.id, customer.attributes.<name>, customer.tags.<name>, customer.identity.<kind>, \
             trigger.name, trigger.at, trigger.properties.<name>"
            .to_owned();
        for made in &self.objects {
            let fields = made.fields.iter().flatten().map(|field| format!("{}.{field}", made.name));
            known.extend(fields.map(|path| format!(", {path}")));
        }
        known
    }

    /// Whether a dotted path can lead to something here. What is below an attribute or a property is data.
    fn knows(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('.').collect();
        match path.as_slice() {
            ["customer"] | ["trigger"] => true,
            ["customer", field, ..] => ["id", "attributes", "tags", "identity"].contains(field),
            ["trigger", field, ..] => ["name", "at", "properties"].contains(field),
            [name, rest @ ..] => self.objects.iter().filter(|made| made.name == *name).any(|made| {
                rest.first().is_none_or(|field| made.fields.as_ref().is_none_or(|fields| fields.contains(field)))
            }),
            [] => false,
        }
    }
}
