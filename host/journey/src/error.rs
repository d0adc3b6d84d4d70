//! What can go wrong while a run moves. It ends the run as failed; it never stops the engine.

use openhub_model::Fault;

use crate::calls::Call;

#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("the customer has no `{0}` that the channel can send to")]
    NoAddress(String),
    #[error("{0}")]
    Template(#[from] minijinja::Error),
    #[error("`{0}` has no value here: if this is expected, write `{{{{ {0} | default('…') }}}}`")]
    Missing(String),
    #[error("`{text}` is not {expected}")]
    WrongType { text: String, expected: String },
    #[error("the object was refused: {}", said(.0))]
    Refused(Vec<Fault>),
    #[error("the plugin's step says: {code}: {message}")]
    Step { code: String, message: String },
    #[error("the plugin's step gave no answer: {}", said(.0))]
    NoAnswer(Vec<Fault>),
    /// No error: a text cannot be made before functions of plugins are asked.
    #[error("functions of plugins have not been asked")]
    Asks(Vec<Call>),
    #[error("the run's state cannot be read: {0}")]
    State(#[from] serde_json::Error),
    #[error("version {version} has no node of this name")]
    NoSuchNode { version: i64 },
    #[error("the run went through every node without a wait")]
    Endless,
}

impl StepError {
    fn code(&self) -> &'static str {
        match self {
            StepError::NoAddress(_) => "no-address",
            StepError::Template(_) | StepError::Missing(_) => "template",
            StepError::WrongType { .. } => "wrong-type",
            StepError::Refused(_) => "object-refused",
            StepError::Step { .. } => "step-failed",
            StepError::NoAnswer(_) => "plugin-failed",
            StepError::Asks(_) => "template",
            StepError::State(_) => "unreadable-state",
            StepError::NoSuchNode { .. } => "no-such-node",
            StepError::Endless => "endless",
        }
    }

    /// As the run's fault shows it: where, and what.
    pub(crate) fn at(self, pointer: impl Into<String>) -> Failure {
        Failure { pointer: pointer.into(), error: self }
    }
}

/// An error at its node and field.
#[derive(Debug, thiserror::Error)]
#[error("{pointer}: {error}")]
pub(crate) struct Failure {
    pointer: String,
    #[source]
    error: StepError,
}

impl Failure {
    /// What functions have to be asked before, if that is all.
    pub(crate) fn open(self) -> Result<Vec<Call>, Failure> {
        match self.error {
            StepError::Asks(open) => Ok(open),
            error => Err(Failure { pointer: self.pointer, error }),
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        Fault::new(self.pointer.as_str(), self.error.code(), self.error.to_string())
    }
}

fn said(faults: &[Fault]) -> String {
    let texts: Vec<String> =
        faults.iter().map(|fault| format!("{} {} ({})", fault.pointer, fault.message, fault.code)).collect();
    texts.join("; ")
}
