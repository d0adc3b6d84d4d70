//! Recordings: what one call was made with, and what came of it, so that it can be made again anywhere with the same effects and the same
//! fuel. A call of the I/O lane has its tape with it (`replay`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use openhub_model::Fault;
use openhub_model::columns::{RecordBatch, Values};

use crate::answer::{Accepted, CallContext, Change, Checked, Evaluated, Outcome, Reason, Receipt};
use crate::fault::{CallFault, FaultKind};
use crate::functions::{Applied, FunctionCalls};
use crate::plugin::Plugin;
use crate::steps::{Entered, Next, Stepped};
use crate::tape::Asked;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<RecordedFault>,
    /// What it answered, if it did not fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Whether it answered otherwise when it was asked about others, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub depends_on_others: bool,
    /// Made again, where it first asked the host for something else than when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strayed_at: Option<String>,
    pub receipt: Receipt,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recorded {
    Rule {
        name: String,
        batch: RecordBatch,
    },
    Check {
        name: String,
        changes: Vec<Change>,
    },
    Step {
        name: String,
        entries: Vec<Entered>,
    },
    Function {
        name: String,
        calls: FunctionCalls,
    },
    /// Of the I/O lane: `channel`, `source`, `endpoint`, `job` or `privacy`. Personal data is blanked.
    Io {
        kind: String,
        name: String,
        given: Value,
        asked: Vec<Asked>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFault {
    pub kind: String,
    pub message: String,
}

/// What a call answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Rule(Outcome),
    /// One a change, in order.
    Check(Vec<Result<Accepted, Vec<Fault>>>),
    /// One an entry, in order.
    Step(Vec<Next>),
    /// What the plugin answered, and what it settled of messages.
    Io {
        answer: Value,
        settled: Value,
    },
    Function {
        values: Values,
        faults: BTreeMap<u32, Reason>,
    },
}

/// What came of a call that was made again.
pub enum Replayed {
    Rule(Evaluated),
    Check(Checked),
    Step(Stepped),
    Function(Applied),
}

impl Replayed {
    pub fn answer(&self) -> Answer {
        match self {
            Replayed::Rule(evaluated) => Answer::Rule(evaluated.outcome.clone()),
            Replayed::Check(checked) => Answer::Check(checked.answers.clone()),
            Replayed::Step(stepped) => Answer::Step(stepped.answers.clone()),
            Replayed::Function(applied) => {
                Answer::Function { values: applied.values.clone(), faults: applied.faults.clone() }
            }
        }
    }

    pub fn receipt(&self) -> &Receipt {
        match self {
            Replayed::Rule(evaluated) => &evaluated.receipt,
            Replayed::Check(checked) => &checked.receipt,
            Replayed::Step(stepped) => &stepped.receipt,
            Replayed::Function(applied) => &applied.receipt,
        }
    }
}

impl Recorded {
    /// Of the rule, object type, step or function.
    pub fn name(&self) -> &str {
        match self {
            Recorded::Rule { name, .. }
            | Recorded::Check { name, .. }
            | Recorded::Step { name, .. }
            | Recorded::Function { name, .. }
            | Recorded::Io { name, .. } => name,
        }
    }

    /// What was called.
    pub fn kind(&self) -> &str {
        match self {
            Recorded::Rule { .. } => "rule",
            Recorded::Check { .. } => "check",
            Recorded::Step { .. } => "step",
            Recorded::Function { .. } => "function",
            Recorded::Io { kind, .. } => kind,
        }
    }
}

impl Recording {
    /// The first has no answers: only calls that failed were recorded.
    pub const FORMATS: std::ops::RangeInclusive<u32> = 1..=2;

    /// Of a call, and what came of it.
    pub fn of(
        plugin: &Plugin,
        call: &CallContext,
        recorded: Recorded,
        outcome: Result<&Replayed, &CallFault>,
    ) -> Recording {
        let receipt = outcome.map_or_else(|fault| fault.receipt, |replayed| *replayed.receipt());
        Recording::made(plugin, call, recorded, outcome.map(Replayed::answer), receipt)
    }

    /// Of a call, and what it answered.
    pub(crate) fn made(
        plugin: &Plugin,
        call: &CallContext,
        recorded: Recorded,
        outcome: Result<Answer, &CallFault>,
        receipt: Receipt,
    ) -> Recording {
        let manifest = plugin.manifest();
        let (answer, fault) = match outcome {
            Ok(answer) => (Some(answer), None),
            Err(fault) => (None, Some(fault)),
        };
        let fault =
            fault.map(|fault| RecordedFault { kind: fault.kind.as_str().to_owned(), message: fault.message.clone() });
        Recording {
            format: *Recording::FORMATS.end(),
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: plugin.digest().to_owned(),
            settings: serde_json::from_str(&call.settings).unwrap_or_default(),
            call: recorded,
            fault,
            answer,
            depends_on_others: false,
            strayed_at: None,
            receipt,
        }
    }

    /// As it is kept.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether this is what came of the call when it was recorded.
    pub fn is_met_by(&self, outcome: &Result<Replayed, CallFault>) -> bool {
        match (outcome, &self.fault, &self.answer) {
            (Ok(replayed), None, Some(answer)) => replayed.answer() == *answer,
            (Err(fault), Some(recorded), _) => {
                fault.kind.as_str() == recorded.kind && fault.message == recorded.message
            }
            _ => false,
        }
    }
}

impl Plugin {
    /// Makes a recorded call again. Blocks the thread.
    pub fn replay(&self, recording: &Recording) -> Result<Replayed, CallFault> {
        self.make(&CallContext::new(recording.settings.to_string()), &recording.call)
    }

    /// Makes a call of the pure lane. Blocks the thread.
    pub fn make(&self, call: &CallContext, recorded: &Recorded) -> Result<Replayed, CallFault> {
        match recorded {
            Recorded::Rule { name, batch } => self.evaluate(call, name, batch).map(Replayed::Rule),
            Recorded::Check { name, changes } => self.check(call, name, changes.clone()).map(Replayed::Check),
            Recorded::Step { name, entries } => self.step(call, name, entries.clone()).map(Replayed::Step),
            Recorded::Function { name, calls } => self.apply(call, name, calls).map(Replayed::Function),
            Recorded::Io { kind, .. } => {
                Err(CallFault::new(FaultKind::Host, format!("a {kind} is no call of the pure lane")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the hub has recorded a failure before calls that succeed were recorded.
    #[test]
    fn a_recording_of_the_first_format_is_read() {
        let first = serde_json::json!({
            "format": 1, "plugin": "points", "version": "1.0.0", "digest": "0", "settings": {},
            "call": {"check": {"name": "coupon", "changes": []}}, "fault": {"kind": "trap", "message": "no"},
            "receipt": {"fuel": 7, "peak_memory": 0, "host_calls": 0, "bytes_out": 0, "fetches": 0},
        });
        let recording: Recording = serde_json::from_value(first).expect("a recording");
        assert!(Recording::FORMATS.contains(&recording.format));
        let fails = |message: &str| Err(CallFault::new(FaultKind::Trap, message));
        assert!(recording.is_met_by(&fails("no")) && !recording.is_met_by(&fails("other")));
        let answered = Replayed::Check(Checked { answers: Vec::new(), receipt: Receipt::default() });
        assert!(!recording.is_met_by(&Ok(answered)), "it has no answer");
    }
}
