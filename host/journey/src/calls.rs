//! Calls of plugins' functions by templates: what a text needs to know before it can be made, and what is known.
//!
//! A node whose texts call functions is rendered as far as it goes, asks for what it met, and is rendered anew with the answers. What an
//! answer leads to may ask again: a call within a call, or behind an `if`.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

/// A call of a plugin's function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub plugin: String,
    pub function: String,
    /// One for each declared argument, in order; `null` is one that was left out.
    pub arguments: Vec<Value>,
}

impl Call {
    /// What tells it from others.
    pub(crate) fn key(&self) -> String {
        format!("{}.{}{}", self.plugin, self.function, Value::Array(self.arguments.clone()))
    }
}

/// What functions have answered to a node: a value, or why there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known(Arc<HashMap<String, Result<Value, String>>>);

impl Known {
    pub(crate) fn answer(&self, key: &str) -> Option<&Result<Value, String>> {
        self.0.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a node asks of functions, beside what it knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    pub open: Vec<Call>,
    known: Known,
}

impl Calls {
    pub(crate) fn new(open: Vec<Call>, known: Known) -> Calls {
        Calls { open, known }
    }

    /// With one answer for each that is open, in order.
    pub fn answered(&self, answers: impl IntoIterator<Item = Result<Value, String>>) -> Known {
        let mut known = HashMap::clone(&self.known.0);
        known.extend(self.open.iter().map(Call::key).zip(answers));
        Known(Arc::new(known))
    }
}
