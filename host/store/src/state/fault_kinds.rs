//! The kinds of faults, and what has been done about one.

/// What did not go through. The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum FaultKind {
    /// Events that the door refused, counted by key, code and place.
    Refused = 0,
    /// An event that was set aside as a whole.
    Event = 1,
    /// An event that went on without one rule.
    Rule = 2,
    /// Rows that a rule skipped or refused, counted by rule and reason.
    RowSkipped = 3,
    /// A control event: its change has not taken effect.
    Control = 4,
    /// A run of a journey that failed.
    Run = 5,
    /// What a rule or a journey asked of an object, and did not get.
    Object = 6,
    /// A message that was given up, or parked.
    Message = 7,
    /// An entry of the catalogue that cannot be loaded.
    Catalog = 8,
    /// A plugin that does not erase what it keeps of a customer who was erased.
    Erasure = 9,
    /// A webhook that the hub has disabled: its receiver is gone, or has failed for days.
    Webhook = 10,
}

/// What can be done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum FaultStatus {
    Open = 0,
    Retried = 1,
    Discarded = 2,
}

impl FaultKind {
    pub const ALL: [FaultKind; 11] = {
        use FaultKind::*;
        [Refused, Event, Rule, RowSkipped, Control, Run, Object, Message, Catalog, Erasure, Webhook]
    };

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<FaultKind> {
        FaultKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Refused => "refused",
            FaultKind::Event => "event",
            FaultKind::Rule => "rule",
            FaultKind::RowSkipped => "row-skipped",
            FaultKind::Control => "control",
            FaultKind::Run => "run",
            FaultKind::Object => "object",
            FaultKind::Message => "message",
            FaultKind::Catalog => "catalog",
            FaultKind::Erasure => "erasure",
            FaultKind::Webhook => "webhook",
        }
    }

    /// Whether it can be tried again: what stands in the log can, a message, and what a plugin is asked.
    pub fn can_retry(self) -> bool {
        use FaultKind::{Control, Erasure, Event, Message, Rule};
        matches!(self, Event | Rule | Control | Message | Erasure)
    }
}

impl FaultStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<FaultStatus> {
        use FaultStatus::*;
        [Open, Retried, Discarded].into_iter().find(|status| status.code() == code)
    }
}
