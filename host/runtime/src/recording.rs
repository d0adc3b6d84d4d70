//! Recordings: what one call of the pure lane was made with, and what came of it, so that it can be made again anywhere with the same
//! effects and the same fuel.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use openhub_model::columns::RecordBatch;

use crate::answer::{CallContext, Change, Checked, Evaluated, Receipt};
use crate::fault::CallFault;
use crate::functions::{Applied, FunctionCalls};
use crate::plugin::Plugin;
use crate::steps::{Entered, Stepped};

/// A call, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Of this form.
    pub format: u32,
    pub plugin: String,
    pub version: String,
    /// Of the component.
    pub digest: String,
    /// What the plugin was told of the tenant's settings.
    pub settings: Value,
    pub call: Recorded,
    /// Why it failed.
    pub fault: RecordedFault,
    pub receipt: Receipt,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recorded {
    Rule { name: String, batch: RecordBatch },
    Check { name: String, changes: Vec<Change> },
    Step { name: String, entries: Vec<Entered> },
    Function { name: String, calls: FunctionCalls },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFault {
    pub kind: String,
    pub message: String,
}

/// What came of a call that was made again.
pub enum Replayed {
    Rule(Evaluated),
    Check(Checked),
    Step(Stepped),
    Function(Applied),
}

impl Recorded {
    /// Of the rule, object type, step or function.
    pub fn name(&self) -> &str {
        match self {
            Recorded::Rule { name, .. }
            | Recorded::Check { name, .. }
            | Recorded::Step { name, .. }
            | Recorded::Function { name, .. } => name,
        }
    }
}

impl Recording {
    pub const FORMAT: u32 = 1;

    /// Of a call that failed.
    pub fn of(plugin: &Plugin, call: &CallContext, recorded: Recorded, fault: &CallFault) -> Recording {
        let manifest = plugin.manifest();
        Recording {
            format: Recording::FORMAT,
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: plugin.digest().to_owned(),
            settings: serde_json::from_str(&call.settings).unwrap_or_default(),
            call: recorded,
            fault: RecordedFault { kind: fault.kind.as_str().to_owned(), message: fault.message.clone() },
            receipt: fault.receipt,
        }
    }

    /// As it is kept.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Plugin {
    /// Makes a recorded call again. Blocks the thread.
    pub fn replay(&self, recording: &Recording) -> Result<Replayed, CallFault> {
        let call = CallContext::new(recording.settings.to_string());
        match &recording.call {
            Recorded::Rule { name, batch } => self.evaluate(&call, name, batch).map(Replayed::Rule),
            Recorded::Check { name, changes } => self.check(&call, name, changes.clone()).map(Replayed::Check),
            Recorded::Step { name, entries } => self.step(&call, name, entries.clone()).map(Replayed::Step),
            Recorded::Function { name, calls } => self.apply(&call, name, calls).map(Replayed::Function),
        }
    }
}
