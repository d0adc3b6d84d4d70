//! Instants and spans, in microseconds UTC. Never read from the machine here: always a parameter.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// Microseconds since 1970-01-01T00:00:00Z. In JSON an RFC 3339 text, in the database a BIGINT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The beginning of the year 1: the first instant that RFC 3339 can write.
    pub const FIRST: Timestamp = Timestamp(-62_135_596_800_000_000);
    /// The last that it can write at any offset: two hours before the year 9999's last day.
    pub const LAST: Timestamp = Timestamp(253_402_207_199_999_999);
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whether RFC 3339 can write it: what comes in by any door, a plugin's too, is held to that.
    pub fn is_writable(self) -> bool {
        self >= Timestamp::FIRST && jiff::Timestamp::from_microsecond(self.0).is_ok()
    }

    /// Whether a text that is read as an instant is read as the one that it writes: the last day of the year 9999 is not.
    pub fn is_exact(text: &str) -> bool {
        text.parse::<jiff::Timestamp>().is_ok()
    }

    /// Itself, if a clock ever comes to it: what happens later than the last instant never happens.
    pub fn if_ever(self) -> Option<Timestamp> {
        (self <= Timestamp::LAST || self.is_writable()).then_some(self)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTime;

    /// RFC 3339, as the Segment libraries send it. The last day of the year 9999, which many write for "never", is read as the
    /// last instant that there is.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = |text: &str| text.parse::<jiff::Timestamp>().ok().filter(|_| has_sound_offset(text));
        if let Some(instant) = read(text) {
            return Ok(Timestamp(instant.as_microsecond()));
        }
        // Instants end a day before the year does, so that each has a date at any offset.
        let rest = ["0", "1"].iter().find_map(|day| text.strip_prefix("9999-12-3")?.strip_prefix(day));
        let last = rest.and_then(|rest| read(&format!("9999-12-29{rest}")));
        last.map(|_| Timestamp::LAST).ok_or_else(|| InvalidTime(text.to_owned()))
    }
}

/// Whether the offset from UTC that a written time ends with, if any, is less than a day.
pub fn has_sound_offset(text: &str) -> bool {
    // Behind the date there is no other sign; a year of six digits has one before it.
    let date = if text.starts_with(['+', '-']) { "+002026-01-31" } else { "2026-01-31" };
    let tail = text.as_bytes().get(date.len()..).unwrap_or_default();
    let hours = tail.iter().position(|byte| matches!(byte, b'+' | b'-')).and_then(|sign| tail.get(sign + 1..sign + 3));
    hours.is_none_or(|hours| !hours.iter().all(u8::is_ascii_digit) || hours < b"24".as_slice())
}

/// RFC 3339. What lies beyond is written as the first or last instant that it can write: so it can be read again.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = if self.is_writable() { *self } else { (*self).clamp(Timestamp::FIRST, Timestamp::LAST) };
        jiff::Timestamp::from_microsecond(written.0).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A length of time of at least zero, in microseconds. Written `90s`, `15m`, `36h`, `60d` or `2w`; a day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span(i64);

impl Span {
    /// The longest that can be written: 10,000 years. From any instant it leads to one that can be computed with, here and
    /// in both databases.
    pub const LONGEST: Span = Span(3_652_500 * 86_400_000_000);

    pub const fn from_micros(micros: i64) -> Span {
        Span(if micros < 0 { 0 } else { micros })
    }

    pub const fn micros(self) -> i64 {
        self.0
    }
}

const UNITS: [(&str, i64); 6] = [
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSpan(text.chars().take(64).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = text[..digits].parse().map_err(|_| invalid())?;
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &text[digits..]).ok_or_else(invalid)?;
        count.checked_mul(*unit).map(Span).filter(|span| *span <= Span::LONGEST).ok_or_else(invalid)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) =
            UNITS.iter().rev().find(|(_, unit)| self.0 % unit == 0 && self.0 >= *unit).unwrap_or(&UNITS[0]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Timestamp;
    fn sub(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time: write an instant as RFC 3339, like 2026-01-31T12:00:00Z")]
pub struct InvalidTime(String);

#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a time span: write a whole number and one unit of `ms`, `s`, `m` (minutes), `h`, `d` (24 hours) and `w`, like `90s`, \
     `15m`, `36h` or `60d`; at most 3652500d"
)]
pub struct InvalidSpan(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_writable_is_written_and_read_again() {
        for at in [Timestamp::FIRST, Timestamp::LAST, Timestamp::default()] {
            assert!(at.is_writable() && at.to_string().parse::<Timestamp>().is_ok_and(|read| read == at), "{at}");
        }
        for micros in [i64::MIN, Timestamp::FIRST.micros() - 1, 253_402_300_799_999_999, i64::MAX] {
            let beyond = Timestamp::from_micros(micros);
            assert!(!beyond.is_writable(), "{micros}");
            let read: Timestamp = beyond.to_string().parse().unwrap();
            assert_eq!(read, if micros < 0 { Timestamp::FIRST } else { Timestamp::LAST });
            assert_eq!(beyond.if_ever().is_some(), micros < 0);
        }
    }

    #[test]
    fn c1_the_end_of_the_year_9999_is_an_instant() {
        let last: Timestamp = "9999-12-30T21:59:59Z".parse().unwrap();
        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999+02:00",
            "9999-12-30T23:00:00Z",
            "9999-12-31T00:00:00-12:00",
        ] {
            let read: Timestamp = text.parse().unwrap();
            assert!(read > last && read.to_string().starts_with("9999-12-30T21:59:59.9"), "{text}: {read}");
        }
        for text in ["9999-12-32T00:00:00Z", "9999-12-31", "9999-12-31T25:00:00Z", "9999-12-3", "9999-12-31é"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn spans_are_read_and_written() {
        for text in ["90s", "15m", "36h", "60d", "2w", "250ms", "3652500d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "d", "1y", "-1d", "1.5h", "3652501d", "99999999999999999d"] {
            let told = text.parse::<Span>().unwrap_err().to_string();
            assert!(told.starts_with(&format!("`{text}` is not a time span: ")), "{told}");
        }
    }

    #[test]
    fn an_offset_is_taken_into_account() {
        let utc: Timestamp = "1998-06-30T12:00:00Z".parse().unwrap();
        let local: Timestamp = "1998-06-30T20:00:00+08:00".parse().unwrap();
        assert_eq!(utc, local);
        assert_eq!(utc.to_string(), "1998-06-30T12:00:00Z");
    }
}
