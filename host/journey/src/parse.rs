//! From a JSON document to a definition, with a pointer to each field that does not fit.
//!
//! Only types and names of fields are looked at here; a node that does not fit does not hide the faults of the
//! others. Whether the graph makes sense is `check`'s question.

use openhub_model::Fault;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::definition::{Definition, Reentry};
use crate::document::{node_pointer, read};
use crate::nodes::registry::Node;
use crate::triggers::registry::Trigger;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    trigger: Value,
    #[serde(default)]
    reentry: Reentry,
    start: String,
    nodes: BTreeMap<String, Value>,
}

/// Reads a definition; the faults' pointers lead into `document`.
pub fn parse(document: &Value) -> Result<Definition, Vec<Fault>> {
    let Document { trigger, reentry, start, nodes } = read("", document.clone()).map_err(|fault| vec![fault])?;
    let trigger = Trigger::read("/trigger", trigger).map_err(|fault| vec![fault])?;
    let (mut read, mut faults) = (BTreeMap::new(), Vec::new());
    for (id, value) in nodes {
        match Node::read(&node_pointer(&id), value) {
            Ok(node) => drop(read.insert(id, node)),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(Definition { trigger, reentry, start, nodes: read }) } else { Err(faults) }
}
