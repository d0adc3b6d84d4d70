//! What the binary tells, as types.

use std::fmt;

use serde_json::Value;

/// Why, as a plugin says it: `code` is stable and kebab-case, `message` is for a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    pub code: String,
    pub message: String,
    pub args: Vec<(String, String)>,
}

/// A call that failed as a whole. `kind` is `fuel`, `epoch`, `memory`, `stack`, `trap`, `malformed`, `refused` or `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFault {
    pub kind: String,
    pub message: String,
}

/// What is wrong with an object's fields, and where: a JSON pointer into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub pointer: String,
    pub code: String,
    pub message: String,
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Units of wasmtime: the same call of the same component always takes the same.
    pub fuel: u64,
    /// Bytes of memory at its greatest.
    pub peak_memory: u64,
    pub host_calls: u64,
    pub bytes_out: u64,
    pub fetches: u64,
}

impl fmt::Display for CallFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind, self.message)
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Reason {
    pub(crate) fn of(told: &Value) -> Reason {
        let args = told["args"].as_array().into_iter().flatten();
        let args = args.map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
        Reason { code: text(&told["code"]), message: text(&told["message"]), args }
    }
}

impl CallFault {
    pub(crate) fn of(told: &Value) -> Option<CallFault> {
        told.is_object().then(|| CallFault { kind: text(&told["kind"]), message: text(&told["message"]) })
    }
}

impl Fault {
    pub(crate) fn of(told: &Value) -> Fault {
        Fault { pointer: text(&told["pointer"]), code: text(&told["code"]), message: text(&told["message"]) }
    }
}

impl Receipt {
    pub(crate) fn of(told: &Value) -> Receipt {
        let number = |name: &str| told[name].as_u64().unwrap_or_default();
        Receipt {
            fuel: number("fuel"),
            peak_memory: number("peak_memory"),
            host_calls: number("host_calls"),
            bytes_out: number("bytes_out"),
            fetches: number("fetches"),
        }
    }
}
