//! Why the binary will not start, in exactly one line: these end it with exit code 2.
//!
//! Everything else is an `anyhow::Error` with its context and ends with exit code 1.

use openhub_store::StoreError;

/// Something that the operator has to put right before the hub can start.
#[derive(Debug)]
pub struct Refusal(String);

impl Refusal {
    /// Line breaks are folded, so that a script and a log keep the reason whole.
    pub fn new(reason: impl std::fmt::Display) -> Refusal {
        let text = reason.to_string();
        Refusal(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// A database that cannot be used as it is refuses the start; any other trouble with it is an error.
pub fn of_store(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Newer { .. }
        | StoreError::Older
        | StoreError::Absent(_)
        | StoreError::Unreachable { .. }
        | StoreError::AbovePolicies { .. } => Refusal::new(error).into(),
        other => anyhow::Error::new(other).context("the database could not be opened"),
    }
}
