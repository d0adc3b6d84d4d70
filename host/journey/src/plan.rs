//! From checked definitions to compiled nodes: names become indexes, shapes and templates are baked in.

use minijinja::Environment;
use openhub_model::Fault;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::check::reachable;
use crate::definition::Definition;
use crate::node::NodePlan;
use crate::nodes::registry::Node;
use crate::step::Act;
use crate::surroundings::Surroundings;
use crate::template;
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
    let mut templates = template::environment(&Arc::new(surroundings.functions.clone()));
    let mut nodes = Vec::with_capacity(definition.nodes.len());
    for (id, node) in &definition.nodes {
        let later = |name: &str| {
            let mut wanted = Wanted::default();
            let edges = node.as_type().edges();
            let after = edges.iter().flat_map(|edge| reachable(definition, edge.to));
            after.filter_map(|id| uses.get(id)).for_each(|uses| wanted.merge(&uses.of_object(name)));
            wanted
        };
        let own = uses.get(id.as_str()).cloned().unwrap_or_default();
        let mut plan =
            NodePlan { id, surroundings, index: &index, uses: own, later: &later, templates: &mut templates };
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
