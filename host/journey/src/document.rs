//! Values of a JSON document, and the pointers that lead to them.

use openhub_model::Fault;
use openhub_model::fault::form;
use openhub_model::strict::Strict;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

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
    serde_path_to_error::deserialize(Strict(value)).map_err(|error| {
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
            return Fault::new(format!("{at}/{}", escape(field)), "missing-field", form(&message));
        }
        if let Some(field) = quoted(&message, "unknown field `") {
            let field = escape(field);
            let at = if at.ends_with(&format!("/{field}")) { at } else { format!("{at}/{field}") };
            return Fault::new(at, "unknown-field", form(&message));
        }
        Fault::new(at, if message.contains("spans are") { "bad-span" } else { "malformed" }, form(&message))
    })
}

/// The name that serde quotes after `prefix`.
fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}
