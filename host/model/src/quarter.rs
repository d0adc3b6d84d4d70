//! Quarters of an hour, in which usage is counted. Every offset from UTC that is in use is a multiple of one, so that the days of each
//! time zone begin with a quarter: what was counted belongs to one day, whosever day it is.

use crate::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

const MICROS: i64 = 900_000_000;

/// As quarters since the beginning of 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarter(i64);

impl Quarter {
    pub const fn new(quarters: i64) -> Quarter {
        Quarter(quarters)
    }

    /// The quarter in which a time lies.
    pub const fn of(at: Timestamp) -> Quarter {
        Quarter(at.micros().div_euclid(MICROS))
    }

    pub const fn number(self) -> i64 {
        self.0
    }

    pub const fn begins(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_mul(MICROS))
    }

    /// The quarter that begins at this very time; none: it does not begin one.
    pub fn at(time: Timestamp) -> Option<Quarter> {
        let quarter = Quarter::of(time);
        (quarter.begins() == time).then_some(quarter)
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.begins().fmt(f)
    }
}

impl Serialize for Quarter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quarter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quarter, D::Error> {
        let time = Timestamp::deserialize(deserializer)?;
        Quarter::at(time).ok_or_else(|| de::Error::custom(format!("{time} does not begin a quarter of an hour")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_written_as_the_time_at_which_it_begins() {
        let at: Timestamp = "2026-11-30T20:14:59.999Z".parse().unwrap();
        assert_eq!(Quarter::of(at).to_string(), "2026-11-30T20:00:00Z");
        assert_eq!((Quarter::at(at), Quarter::at(Quarter::of(at).begins())), (None, Some(Quarter::of(at))));
        let read = |text: &str| serde_json::from_value::<Quarter>(text.into());
        assert_eq!(read("2026-11-30T20:00:00Z").unwrap(), Quarter::of(at));
        assert!(read("2026-11-30T20:01:00Z").is_err());
        assert_eq!(Quarter::of(Timestamp::from_micros(-1)).number(), -1);
    }
}
