//! Why a call failed as a whole, told from how wasmtime reports it.

use std::fmt::{self, Write};

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::answer::Receipt;
use crate::capabilities::log::escape;

/// Bytes of a message: of a deep stack, the innermost places.
const MESSAGE: usize = 8 << 10;

/// A call that gave no answer, or none that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct CallFault {
    pub kind: FaultKind,
    /// For a panic, with the guest's last log line. Where it broke off are addresses in the component, which its author's map
    /// turns into lines.
    pub message: String,
    /// What the call used until then.
    pub receipt: Receipt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It used up its budget.
    Fuel,
    /// The safety net by the clock stopped it, or its time-out: run it again, or hold its rows.
    Epoch,
    /// It asked for more memory than it may have.
    Memory,
    /// Its calls nested too deep.
    Stack,
    /// It broke off: a panic, an access out of bounds.
    Trap,
    /// Its answer is not what it declared.
    Malformed,
    /// It answered that it cannot serve this call.
    Refused,
    /// It called what the admin, the operator or its lane leaves out: only they can help.
    NotGranted,
    /// The hub's own doing.
    Host,
}

impl FaultKind {
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Fuel => "fuel",
            FaultKind::Epoch => "epoch",
            FaultKind::Memory => "memory",
            FaultKind::Stack => "stack",
            FaultKind::Trap => "trap",
            FaultKind::Malformed => "malformed",
            FaultKind::Refused => "refused",
            FaultKind::NotGranted => "not-granted",
            FaultKind::Host => "host",
        }
    }
}

impl FaultKind {
    /// The one with this name; the hub's own doing if none has it.
    pub fn named(name: &str) -> FaultKind {
        use FaultKind::*;
        let all = [Fuel, Epoch, Memory, Stack, Trap, Malformed, Refused, Host];
        all.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Host)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CallFault {
    /// Of a call that was not made. The message may have a guest's text in it, and goes into the hub's log.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> CallFault {
        CallFault { kind, message: escape(&message.into(), MESSAGE), receipt: Receipt::default() }
    }

    /// Of a call that used this.
    pub(crate) fn after(self, receipt: Receipt) -> CallFault {
        CallFault { receipt, ..self }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> CallFault {
        CallFault::new(FaultKind::Malformed, message)
    }

    pub(crate) fn host(error: &wasmtime::Error) -> CallFault {
        CallFault::new(FaultKind::Host, format!("{error:#}"))
    }

    /// `last_line` is what the guest logged last as an error: its panic's message and place.
    pub(crate) fn from_error(error: &wasmtime::Error, last_line: Option<&str>) -> CallFault {
        let kind = kind_of(error);
        let mut message = error.root_cause().to_string();
        if matches!(kind, FaultKind::Trap | FaultKind::Stack | FaultKind::Memory | FaultKind::Fuel) {
            message.push_str(&place(error));
        }
        // Last, since it is the guest's own text, and may be long.
        if let Some(line) = last_line.filter(|_| kind == FaultKind::Trap) {
            message = format!("{message}; last error logged: {line}");
        }
        CallFault::new(kind, message)
    }

    /// Whether the plugin is at fault, and not who called it.
    pub(crate) fn is_the_guests(&self) -> bool {
        !matches!(self.kind, FaultKind::Refused | FaultKind::Host)
    }
}

/// Where the guest was, the innermost function first: `; at 0x1a2b, 0x3c4d`.
fn place(error: &wasmtime::Error) -> String {
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
    let mut told = String::new();
    for address in frames.iter().filter_map(|frame| frame.module_offset()) {
        let before = if told.is_empty() { "; at" } else { "," };
        write!(told, "{before} {address:#x}").expect("writing to a string does not fail");
    }
    told
}

fn kind_of(error: &wasmtime::Error) -> FaultKind {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => FaultKind::Fuel,
        Some(Trap::Interrupt) => FaultKind::Epoch,
        Some(Trap::StackOverflow) => FaultKind::Stack,
        Some(_) => FaultKind::Trap,
        None if error.is::<PoolConcurrencyLimitError>() => FaultKind::Host,
        None => error.downcast_ref::<Raised>().map_or(FaultKind::Malformed, |raised| raised.kind),
    }
}

/// What the host itself raises inside a call: a limit that the guest ran into.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Raised {
    pub kind: FaultKind,
    pub message: String,
}

impl Raised {
    pub fn error(kind: FaultKind, message: impl Into<String>) -> wasmtime::Error {
        wasmtime::Error::new(Raised { kind, message: message.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_a_message_is_one_line_that_is_not_long() {
        let fault = CallFault::new(FaultKind::Malformed, format!("a\n\u{1b}[2J{}", "b".repeat(1_000_000)));
        assert!(fault.message.starts_with("a\\u{a}\\u{1b}[2Jbbb"), "{fault}");
        assert!(fault.message.len() < MESSAGE + 8, "{}", fault.message.len());
    }
}
