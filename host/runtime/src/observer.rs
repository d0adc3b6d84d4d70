//! Who watches the calls of a plugin from outside: what it logs, and how long its calls take. What is seen changes nothing of a call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::recording::Recording;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub const ALL: [LogLevel; 4] = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// A line of a plugin's log: escaped, its secrets masked, and cut to a length that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub level: LogLevel,
    pub message: String,
    /// As the plugin gave them: JSON, unless it did not keep to that.
    pub fields: String,
}

pub trait Observer: Send + Sync {
    fn logged(&self, line: LogLine);
    /// A call came to its end, with an answer or without.
    fn called(&self, took: Duration);
    /// Whether what calls of the I/O lane ask of the host is kept until they end.
    fn tapes(&self) -> bool {
        false
    }
    /// Whether a call of the I/O lane that did not fail is to be recorded. `given` is what it was called with.
    fn draws(&self, _given: &Value) -> bool {
        false
    }
    /// A call of the I/O lane that failed, or was drawn.
    fn recorded(&self, _recording: Recording) {}
}

/// An observer, or nobody.
#[derive(Clone, Default)]
pub struct Observed(Option<Arc<dyn Observer>>);

impl Observed {
    pub fn by(observer: Arc<dyn Observer>) -> Observed {
        Observed(Some(observer))
    }

    pub(crate) fn logged(&self, line: impl FnOnce() -> LogLine) {
        if let Some(observer) = &self.0 {
            observer.logged(line());
        }
    }

    pub(crate) fn tapes(&self) -> bool {
        self.0.as_ref().is_some_and(|observer| observer.tapes())
    }

    pub(crate) fn draws(&self, given: &Value) -> bool {
        self.0.as_ref().is_some_and(|observer| observer.draws(given))
    }

    pub(crate) fn recorded(&self, recording: Recording) {
        if let Some(observer) = &self.0 {
            observer.recorded(recording);
        }
    }

    pub(crate) fn called(&self, took: Duration) {
        if let Some(observer) = &self.0 {
            observer.called(took);
        }
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observed").field(&self.0.is_some()).finish()
    }
}
