//! What a run asks for and cannot do itself, and what it is answered: the same for every node, so that who answers knows no node.

use openhub_model::Fault;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// An object, made once the plugin of its type has checked it.
    Object { kind: String, fields: Value },
}

#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The object is made, with these fields.
    Object { key: &'a str, fields: &'a Value },
    /// It was refused, whatever it was.
    Refused(&'a [Fault]),
}
