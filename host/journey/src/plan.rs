//! From checked definitions to compiled nodes: names become indexes, shapes and templates are baked in.

use minijinja::Environment;
use openhub_model::Fault;
use openhub_model::manifest::{ChannelShape, Field, ObjectShape};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::check::{Surroundings, reachable};
use crate::definition::Definition;
use crate::nodes::Node;
use crate::parse::node_pointer;
use crate::step::Act;
use crate::template::{self, Fields};
use crate::uses::{Uses, Wanted};

/// A compiled graph.
pub(crate) struct Graph {
    pub(crate) nodes: Vec<(String, Box<dyn Act>)>,
    pub(crate) index: HashMap<String, usize>,
    pub(crate) templates: Environment<'static>,
    /// What the whole graph uses.
    pub(crate) uses: Uses,
}

pub(crate) fn plan(definition: &Definition, surroundings: &Surroundings) -> Result<Graph, Fault> {
    let names = object_names(definition);
    let uses: BTreeMap<&str, Uses> =
        definition.nodes.iter().map(|(id, node)| (id.as_str(), node.as_type().uses(&names))).collect();
    let index: HashMap<String, usize> =
        definition.nodes.keys().enumerate().map(|(index, id)| (id.clone(), index)).collect();
    let mut templates = template::environment();
    let mut nodes = Vec::with_capacity(definition.nodes.len());
    for (id, node) in &definition.nodes {
        let mut plan =
            NodePlan { id, node, definition, surroundings, index: &index, uses: &uses, templates: &mut templates };
        nodes.push((id.clone(), node.as_type().plan(&mut plan)?));
    }
    let mut all = Uses::default();
    uses.values().for_each(|uses| all.merge(uses));
    Ok(Graph { nodes, index, templates, uses: all })
}

fn object_names(definition: &Definition) -> BTreeSet<String> {
    let name = |node: &Node| if let Node::Object(object) = node { object.name.clone() } else { None };
    definition.nodes.values().filter_map(name).collect()
}

/// One node being compiled.
pub(crate) struct NodePlan<'a> {
    id: &'a str,
    node: &'a Node,
    definition: &'a Definition,
    surroundings: &'a Surroundings,
    index: &'a HashMap<String, usize>,
    uses: &'a BTreeMap<&'a str, Uses>,
    templates: &'a mut Environment<'static>,
}

impl<'a> NodePlan<'a> {
    pub(crate) fn node(&self, id: &str) -> Result<usize, Fault> {
        self.index.get(id).copied().ok_or_else(|| self.lacks("dangling-edge", "node", id))
    }

    pub(crate) fn channel(&self, name: &str) -> Result<&'a ChannelShape, Fault> {
        self.surroundings.channels.get(name).ok_or_else(|| self.lacks("unknown-channel", "channel", name))
    }

    pub(crate) fn object(&self, kind: &str) -> Result<&'a ObjectShape, Fault> {
        self.surroundings.objects.get(kind).ok_or_else(|| self.lacks("unknown-object", "object type", kind))
    }

    fn lacks(&self, code: &str, what: &str, name: &str) -> Fault {
        Fault::new(node_pointer(self.id), code, format!("there is no {what} `{name}`"))
    }

    /// What the nodes after this one use of the object `name`.
    pub(crate) fn later(&self, name: &str) -> Wanted {
        let mut wanted = Wanted::default();
        let edges = self.node.as_type().edges();
        for id in edges.iter().flat_map(|edge| reachable(self.definition, edge.to)) {
            if let Some(uses) = self.uses.get(id) {
                wanted.merge(&uses.of_object(name));
            }
        }
        wanted
    }

    /// Compiles this node's templates among `fields`, which stand in its field `field`.
    pub(crate) fn fields(
        &mut self,
        field: &str,
        fields: &Map<String, Value>,
        shape: &[Field],
    ) -> Result<Fields, Fault> {
        let pointer = format!("{}/{field}", node_pointer(self.id));
        let uses = self.uses.get(self.id).cloned().unwrap_or_default();
        Fields::compile(self.templates, pointer, fields, shape, uses)
    }
}
