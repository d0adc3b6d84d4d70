//! On whose account something is done.

use openhub_model::{Cause, PartId, Timestamp};

/// Who does something, and to whom.
#[derive(Clone, Debug)]
pub struct Source {
    /// The part that it is about; of nobody, nothing is written.
    pub part: Option<PartId>,
    /// What values that are set keep.
    pub cause: Cause,
    pub word: Word,
    /// When the customer was seen by it, if they were.
    pub seen: Option<Timestamp>,
}

/// On whose word it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Word {
    /// A page's key, which anybody can read.
    pub page: bool,
    /// History without a time of its own: older than all that anybody denied.
    pub timeless: bool,
}

impl Source {
    pub fn of(part: Option<PartId>, cause: Cause) -> Source {
        Source { part, cause, word: Word::default(), seen: None }
    }
}
