//! Days, in UTC, as people write them: `2026-11-30`.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MICROS: i64 = 86_400_000_000;

/// As days since the beginning of 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    pub const fn new(days: i64) -> Day {
        Day(days)
    }

    /// The day of a time, in UTC.
    pub const fn of(at: Timestamp) -> Day {
        Day(at.micros().div_euclid(MICROS))
    }

    pub const fn number(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn before(self, days: i64) -> Day {
        Day(self.0.saturating_sub(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_micros(self.0.saturating_mul(MICROS)).to_string();
        f.write_str(time.split('T').next().unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Day, String> {
        let is_day = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let time = is_day.then(|| format!("{text}T00:00:00Z").parse::<Timestamp>().ok()).flatten();
        time.map(Day::of).ok_or_else(|| format!("`{text:.40}` is not a day: write it like `2026-11-30`"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_it_is_read() {
        for day in ["1969-12-31", "1970-01-01", "2024-02-29", "2026-11-30"] {
            assert_eq!(day.parse::<Day>().expect("it is a day").to_string(), day);
        }
        assert_eq!("1970-01-02".parse(), Ok(Day(1)));
        for wrong in ["", "2026-11", "2026-02-30", "30.11.2026", "2026-11-30T00:00:00Z", "+026-11-30"] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }
}
