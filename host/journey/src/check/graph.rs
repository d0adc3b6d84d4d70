//! The graph of a definition: edges that lead nowhere, nodes that nothing leads to, cycles without a rest.

use openhub_model::fault::instead_of;
use openhub_model::{Fault, Span, limits};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::definition::Definition;
use crate::document::node_pointer;
use crate::node::Edge;
use crate::nodes::registry::Node;

/// What was published before keeps its meaning, however short its waits are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    OfAnyLength,
    LongEnough,
}

pub(super) fn check(definition: &Definition, waits: Waits, faults: &mut Vec<Fault>) {
    let exists = |id: &str| definition.nodes.contains_key(id);
    check_edges(definition, exists, faults);
    check_start(definition, exists, faults);
    if exists(&definition.start) {
        let reached = reachable(definition, &definition.start);
        for id in definition.nodes.keys().filter(|id| !reached.contains(id.as_str())) {
            faults.push(Fault::new(
                node_pointer(id),
                "unreachable",
                "No run can reach this node: lead another node to it, or remove it.",
            ));
        }
    }
    let shortest = if waits == Waits::LongEnough { SHORTEST } else { Span::from_micros(0) };
    cycles(definition, shortest, faults);
}

/// Names of nodes, and edges to nodes that do not exist.
pub(super) fn check_edges(definition: &Definition, exists: impl Fn(&str) -> bool, faults: &mut Vec<Fault>) {
    for (id, node) in &definition.nodes {
        faults.extend(limits::name(id, || node_pointer(id)).err());
        for edge in node.as_type().edges().iter().filter(|edge| !exists(edge.to)) {
            faults.push(dangling(field(id, edge), edge.to, definition));
        }
    }
}

/// Where a node that does not have its form leads next, if that is no node.
pub(super) fn check_next(
    definition: &Definition,
    nodes: &Value,
    exists: impl Fn(&str) -> bool,
    faults: &mut Vec<Fault>,
) {
    let unread = nodes.as_object().into_iter().flatten().filter(|(id, _)| !definition.nodes.contains_key(*id));
    for (id, node) in unread {
        if let Some(to) = node["next"].as_str().filter(|to| !exists(to)) {
            faults.push(dangling(format!("{}/next", node_pointer(id)), to, definition));
        }
    }
}

/// Whether the node exists at which runs start.
pub(super) fn check_start(definition: &Definition, exists: impl Fn(&str) -> bool, faults: &mut Vec<Fault>) {
    if !exists(&definition.start) {
        faults.push(dangling("/start".to_owned(), &definition.start, definition));
    }
}

fn field(id: &str, edge: &Edge<'_>) -> String {
    format!("{}/{}", node_pointer(id), edge.field)
}

fn dangling(pointer: String, to: &str, definition: &Definition) -> Fault {
    let known = instead_of(to, definition.nodes.keys());
    let message = format!("This leads to the node `{to}`, which is not in `nodes`. {known}");
    Fault::new(pointer, "dangling-edge", message)
}

/// The nodes on all ways that begin at `from`, itself among them if it exists.
pub(crate) fn reachable<'a>(definition: &'a Definition, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        if let Some(node) = definition.nodes.get(id)
            && reached.insert(id)
        {
            open.extend(node.as_type().edges().iter().map(|edge| edge.to));
        }
    }
    reached
}

/// The shortest rest that makes a cycle.
const SHORTEST: Span = limits::SHORTEST_WAIT;

/// A fault at each edge that closes a cycle in which no node rests long enough: a run in it would never stop.
fn cycles(definition: &Definition, shortest: Span, faults: &mut Vec<Fault>) {
    /// Whether the search has left a node for good.
    #[derive(PartialEq)]
    enum Mark {
        OnPath,
        Left,
    }
    let rests = |node: &Node| node.as_type().rests().is_some_and(|rest| rest >= shortest);
    let restless = |id: &str| definition.nodes.get(id).filter(|node| !rests(node));
    let mut marks: BTreeMap<&str, Mark> = BTreeMap::new();
    for start in definition.nodes.keys() {
        let mut path: Vec<(&str, Vec<Edge<'_>>)> = Vec::new();
        let mut arriving = Some(start.as_str());
        loop {
            if let Some(id) = arriving.take()
                && let Some(node) = restless(id)
                && !marks.contains_key(id)
            {
                marks.insert(id, Mark::OnPath);
                let mut edges = node.as_type().edges();
                edges.reverse();
                path.push((id, edges));
            }
            let Some((id, edges)) = path.last_mut() else { break };
            match edges.pop() {
                Some(edge) if marks.get(edge.to) == Some(&Mark::OnPath) => {
                    let message = format!(
                        "A run would come back to `{}` without a wait. Put a wait of {SHORTEST} or longer into the cycle.",
                        edge.to
                    );
                    faults.push(Fault::new(field(id, &edge), "endless-cycle", message));
                }
                Some(edge) => arriving = Some(edge.to),
                None => {
                    marks.insert(id, Mark::Left);
                    path.pop();
                }
            }
        }
    }
}
