//! Time, for the I/O lane only; in the pure lane time is a column that a rule reads (`row.at`).

use crate::bindings::io::openhub::clock::clock;
use crate::time::Timestamp;

pub fn now() -> Timestamp {
    Timestamp::from_micros(clock::now())
}

/// When the host gives this call up.
pub fn deadline() -> Timestamp {
    Timestamp::from_micros(clock::deadline())
}
