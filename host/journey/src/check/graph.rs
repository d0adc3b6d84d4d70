//! The graph of a definition: edges that lead nowhere, nodes that nothing leads to, cycles without a rest.

use openhub_model::{Fault, limits};
use std::collections::{BTreeMap, BTreeSet};

use crate::definition::Definition;
use crate::nodes::Edge;
use crate::parse::node_pointer;

pub(super) fn check(definition: &Definition, faults: &mut Vec<Fault>) {
    let exists = |id: &str| definition.nodes.contains_key(id);
    for (id, node) in &definition.nodes {
        faults.extend(limits::name(id, || node_pointer(id)).err());
        for edge in node.as_type().edges().iter().filter(|edge| !exists(edge.to)) {
            faults.push(dangling(field(id, edge), edge.to));
        }
    }
    if exists(&definition.start) {
        let reached = reachable(definition, &definition.start);
        for id in definition.nodes.keys().filter(|id| !reached.contains(id.as_str())) {
            faults.push(Fault::new(node_pointer(id), "unreachable", "no way from the start leads here"));
        }
    } else {
        faults.push(dangling("/start".to_owned(), &definition.start));
    }
    cycles(definition, faults);
}

fn field(id: &str, edge: &Edge<'_>) -> String {
    format!("{}/{}", node_pointer(id), edge.field)
}

fn dangling(pointer: String, to: &str) -> Fault {
    Fault::new(pointer, "dangling-edge", format!("there is no node `{to}`"))
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

/// A fault at each edge that closes a cycle in which no node rests: a run in it would never stop.
fn cycles(definition: &Definition, faults: &mut Vec<Fault>) {
    /// Whether the search has left a node for good.
    #[derive(PartialEq)]
    enum Mark {
        OnPath,
        Left,
    }
    let restless = |id: &str| definition.nodes.get(id).filter(|node| !node.as_type().rests());
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
                    let message = format!("a run would come back to `{}` without ever waiting", edge.to);
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
