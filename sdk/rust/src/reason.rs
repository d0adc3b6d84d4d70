//! Why something was refused or failed, as the contract words it.

pub use crate::bindings::io::openhub::types::types::{Failure, Fault, Identity, Reason, Retry};

impl Reason {
    /// `code` is stable and kebab-case; `message` is for a log and holds no personal data.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Reason {
        Reason { code: code.into(), message: message.into(), args: Vec::new() }
    }

    /// An argument for the reason's text in the manifest.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Reason {
        self.args.push((name.into(), value.into()));
        self
    }

    /// The host asked for something that this plugin does not export.
    pub fn unknown(what: &str, name: &str) -> Reason {
        Reason::new("unknown-name", format!("this plugin has no {what} `{name}`"))
    }
}

impl Fault {
    /// `pointer` is an RFC 6901 JSON pointer into the record.
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), reason: Reason::new(code, message) }
    }
}

impl From<Fault> for Vec<Fault> {
    fn from(fault: Fault) -> Vec<Fault> {
        vec![fault]
    }
}
