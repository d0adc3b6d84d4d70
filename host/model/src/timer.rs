//! Timers: the moments at which something happens by time alone.

use crate::{Id, PartId, Timestamp};

/// What comes due. The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i64)]
pub enum TimerKind {
    /// A run of a journey ends its wait.
    Run = 0,
    /// A customer's segments may answer otherwise.
    Wake = 1,
}

impl TimerKind {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<TimerKind> {
        [TimerKind::Run, TimerKind::Wake].into_iter().find(|kind| kind.code() == code)
    }
}

/// Fires by `(due, id)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer {
    pub due: Timestamp,
    /// The run's id; of a customer who is woken, a hash of theirs, so that the order of timers does not depend on the kind.
    pub id: Id,
    pub kind: TimerKind,
    /// Whose it is.
    pub part: PartId,
}

impl Timer {
    pub fn run(run: Id, part: PartId, due: Timestamp) -> Timer {
        Timer { due, id: run, kind: TimerKind::Run, part }
    }

    /// The one timer of a customer's segments.
    pub fn wake(customer: PartId, due: Timestamp) -> Timer {
        Timer { due, id: Id::named(&[b"wake", customer.as_bytes()]), kind: TimerKind::Wake, part: customer }
    }
}
