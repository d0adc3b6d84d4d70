//! Whether a definition can be published: its graph, and each node against what the tenant has installed.
//!
//! Every fault names its node and field. Nothing here runs a journey.

mod graph;

use openhub_model::Fault;
use serde_json::Value;
use std::sync::Arc;

use crate::definition::Definition;
use crate::document::node_pointer;
use crate::node::{Made, NodeCheck, UNKNOWN_VARIABLE};
use crate::nodes::registry::Node;
use crate::parse::{Parsed, parse_leniently};
use crate::surroundings::Surroundings;
use crate::template;

pub(crate) use graph::reachable;

/// Nodes in one journey.
const MAX_NODES: usize = 1000;

/// All faults of a definition; none: it can be compiled and published.
pub fn check(definition: &Definition, surroundings: &Surroundings) -> Vec<Fault> {
    if definition.nodes.len() > MAX_NODES {
        return vec![Fault::new(
            "/nodes",
            "too-many-nodes",
            format!("The journey has too many nodes: at most {MAX_NODES}."),
        )];
    }
    let mut faults = Vec::new();
    faults.extend(definition.trigger.faults(surroundings));
    let waits = if surroundings.named.is_some() { graph::Waits::LongEnough } else { graph::Waits::OfAnyLength };
    graph::check(definition, waits, &mut faults);
    check_nodes(definition, surroundings, &mut faults);
    faults
}

/// All that is wrong with a document, its form and its meaning. Where a node does not have its form, nothing is said of ways through
/// the graph, in which it is missing, nor of what templates may use, which it might have made.
pub fn faults(document: &Value, surroundings: &Surroundings) -> Vec<Fault> {
    let Parsed { definition, mut faults } = parse_leniently(document);
    let Some(definition) = definition else { return faults };
    if faults.is_empty() {
        return check(&definition, surroundings);
    }
    if definition.nodes.len() <= MAX_NODES {
        let is_written = |id: &str| document["nodes"].get(id).is_some();
        graph::check_edges(&definition, is_written, &mut faults);
        graph::check_next(&definition, &document["nodes"], is_written, &mut faults);
        if document["start"].is_string() {
            graph::check_start(&definition, is_written, &mut faults);
        }
        faults.extend(definition.trigger.faults(surroundings));
        let mut meant = Vec::new();
        check_nodes(&definition, surroundings, &mut meant);
        faults.extend(meant.into_iter().filter(|fault| fault.code != UNKNOWN_VARIABLE));
    }
    faults
}

fn check_nodes(definition: &Definition, surroundings: &Surroundings, faults: &mut Vec<Fault>) {
    let environment = template::environment(&Arc::default());
    let made = made_objects(definition, surroundings);
    for (id, node) in &definition.nodes {
        let mut check = NodeCheck {
            pointer: node_pointer(id),
            surroundings,
            environment: &environment,
            objects: made.iter().filter(|made| made.before.contains(id.as_str())).collect(),
            faults,
        };
        node.as_type().check(&mut check);
    }
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
