//! From a JSON document to a definition, with a pointer to each field that does not fit.
//!
//! Only types and names of fields are looked at here; a node that does not fit does not hide the faults of the
//! others. Whether the graph makes sense is `check`'s question.

use openhub_model::Fault;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::definition::{Definition, Reentry};
use crate::document::{Lenient, node_pointer, read_leniently};
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
    let Parsed { definition, faults } = parse_leniently(document);
    match definition.filter(|_| faults.is_empty()) {
        Some(definition) => Ok(definition),
        None => Err(faults),
    }
}

/// What could be read of a definition, and its faults.
pub(crate) struct Parsed {
    /// Without the nodes that are at fault; none if its trigger is, or not even its outline can be read.
    pub(crate) definition: Option<Definition>,
    pub(crate) faults: Vec<Fault>,
}

/// Reads what has its form.
pub(crate) fn parse_leniently(document: &Value) -> Parsed {
    let Lenient { value, mut faults } = read_leniently::<Document>("", document);
    let Some(Document { trigger, reentry, start, nodes }) = value else {
        return Parsed { definition: None, faults };
    };
    let is_written = |field: &str| document.get(field).is_some();
    let trigger = match is_written("trigger").then(|| Trigger::read("/trigger", &trigger)) {
        Some(Ok(trigger)) => Some(trigger),
        Some(Err(more)) => {
            faults.extend(more);
            None
        }
        None => None,
    };
    let mut read = BTreeMap::new();
    for (id, value) in nodes.into_iter().filter(|_| is_written("nodes")) {
        match Node::read(&node_pointer(&id), value) {
            Ok(node) => drop(read.insert(id, node)),
            Err(more) => faults.extend(more),
        }
    }
    Parsed { definition: trigger.map(|trigger| Definition { trigger, reentry, start, nodes: read }), faults }
}
