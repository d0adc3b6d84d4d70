//! From a JSON document to a definition, with a pointer to each field that does not fit.
//!
//! Only types and names of fields are looked at here; a node that does not fit does not hide the faults of the
//! others. Whether the graph makes sense is `check`'s question.

use openhub_model::Fault;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use std::collections::BTreeMap;

use crate::definition::{Definition, Reentry, Trigger};
use crate::nodes::Node;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    trigger: Trigger,
    #[serde(default)]
    reentry: Reentry,
    start: String,
    nodes: BTreeMap<String, Value>,
}

/// Reads a definition; the faults' pointers lead into `document`.
pub fn parse(document: &Value) -> Result<Definition, Vec<Fault>> {
    let Document { trigger, reentry, start, nodes } = read("", document.clone()).map_err(|fault| vec![fault])?;
    let (mut read, mut faults) = (BTreeMap::new(), Vec::new());
    for (id, value) in nodes {
        match Node::read(&node_pointer(&id), value) {
            Ok(node) => drop(read.insert(id, node)),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(Definition { trigger, reentry, start, nodes: read }) } else { Err(faults) }
}

/// Where a node lies in the document.
pub(crate) fn node_pointer(id: &str) -> String {
    format!("/nodes/{}", escape(id))
}

/// A name as one token of a JSON pointer (RFC 6901).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Reads one value at `pointer`; a fault points at the field that is unknown, missing or malformed.
pub(crate) fn read<T: DeserializeOwned>(pointer: &str, value: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut at = pointer.to_owned();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => at.push_str(&format!("/{index}")),
                Segment::Map { key } => at.push_str(&format!("/{}", escape(key))),
                Segment::Enum { variant } => at.push_str(&format!("/{}", escape(variant))),
                Segment::Unknown => {}
            }
        }
        let message = error.into_inner().to_string();
        if let Some(field) = quoted(&message, "missing field `") {
            return Fault::new(format!("{at}/{}", escape(field)), "missing-field", message);
        }
        if let Some(field) = quoted(&message, "unknown field `") {
            let field = escape(field);
            let at = if at.ends_with(&format!("/{field}")) { at } else { format!("{at}/{field}") };
            return Fault::new(at, "unknown-field", message);
        }
        Fault::new(at, if message.contains("spans are") { "bad-span" } else { "malformed" }, message)
    })
}

/// The name that serde quotes after `prefix`.
fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}
