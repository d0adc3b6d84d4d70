//! What is wrong with an input, and where.

use serde::{Deserialize, Serialize};

/// One fault of an input: `pointer` is an RFC 6901 JSON pointer into it, `code` is stable and kebab-case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub pointer: String,
    pub code: String,
    pub message: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}
