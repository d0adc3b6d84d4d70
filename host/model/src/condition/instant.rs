//! Instants in texts, and instants relative to now: how conditions read a time, however it is written.
//!
//! `2026-01-31T22:00:00Z`: date, `T` or a blank, time to the second with up to nine decimals, and `Z` or an offset. Cut to
//! microseconds. The store reads the same forms in SQL.

use serde_json::Value;
use std::cmp::Ordering;

use super::{Comparison, Truth};
use crate::time::{Span, Timestamp};

const DAY: i64 = 86_400;

/// The instant that a text writes, if it writes one.
pub fn instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    // Most texts are none: look at as little of them as will tell.
    if !(20..=35).contains(&bytes.len()) || bytes[4] != b'-' || !bytes[0].is_ascii_digit() {
        return None;
    }
    let (head, tail) = bytes.split_at(19);
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if marks.iter().any(|(place, mark)| head[*place] != *mark) || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let number = |from: usize, to: usize| digits(&head[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_of(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, zone) = fraction(tail)?;
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(Timestamp::from_micros(seconds * 1_000_000 + micros))
}

/// Whether a text writes a day of the calendar: `2026-01-31`. As texts such days are in their order.
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    match (digits(&bytes[..4]), digits(&bytes[5..7]), digits(&bytes[8..])) {
        (Some(year @ 1..), Some(month @ 1..=12), Some(day @ 1..)) => day <= days_of(year, month),
        _ => false,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// The microseconds that a text begins with, if it begins with any, and what comes behind.
fn fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = tail.strip_prefix(b".") else { return Some((0, tail)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let kept = count.min(6);
    let micros = digits(&rest[..kept])? * 10_i64.pow(6 - kept as u32);
    Some((micros, &rest[count..]))
}

/// In seconds: `Z`, `+08`, `+0800`, `+08:00`.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (digits(rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Since 1970-01-01, in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400;
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    before * 365 + leaps + months + day - 1 - 719_162
}

/// A time relative to now: `{"now": "+30d"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relative(i64);

impl Relative {
    /// The relative time that a condition's value is, if it is one.
    pub fn of(value: &Value) -> Option<Relative> {
        let Value::Object(members) = value else { return None };
        let text = members.get("now").filter(|_| members.len() == 1)?.as_str()?;
        let (sign, span) = match text.split_at_checked(1)? {
            ("+", span) => (1, span),
            ("-", span) => (-1, span),
            _ => return None,
        };
        Some(Relative(sign * span.parse::<Span>().ok()?.micros()))
    }

    pub fn at(self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.micros().saturating_add(self.0))
    }

    /// The truth of a comparison with what was found, and when it changes by time alone.
    pub(super) fn test(self, found: Option<&Value>, is: Comparison, now: Timestamp) -> (Truth, Option<Timestamp>) {
        let Some(found) = found.and_then(Value::as_str).and_then(instant) else { return (Truth::Unknown, None) };
        let order = found.cmp(&self.at(now));
        // The instant at which both are equal, and the first at which now is behind that.
        let equal = found.micros().saturating_sub(self.0);
        let (holds, turns) = match is {
            Comparison::Lt => (order == Ordering::Less, equal.saturating_add(1)),
            Comparison::Ge => (order != Ordering::Less, equal.saturating_add(1)),
            Comparison::Le => (order != Ordering::Greater, equal),
            Comparison::Gt => (order == Ordering::Greater, equal),
            _ => return (Truth::Unknown, None),
        };
        let turns = Timestamp::from_micros(turns);
        (Truth::of(holds), turns.if_ever().filter(|turns| *turns > now))
    }
}

/// Whether a text was meant to be a relative time.
pub(super) fn looks_relative(text: &str) -> bool {
    let rest = text.trim_start().get(..3).filter(|now| now.eq_ignore_ascii_case("now"));
    rest.is_some() && text.trim()[3..].trim_start().starts_with(['+', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_12_an_instant_however_it_is_written() {
        let at = instant("2026-01-31T22:00:00Z").unwrap();
        assert_eq!(at, "2026-01-31T22:00:00Z".parse().unwrap());
        let same = [
            "2026-01-31T22:00:00.000Z",
            "2026-01-31T22:00:00.000000999Z",
            "2026-02-01T06:00:00+08:00",
            "2026-02-01T06:00:00.0+0800",
            "2026-02-01 06:00:00+08",
            "2026-01-31t16:30:00-05:30",
            "2026-01-31T22:00:00z",
        ];
        for text in same {
            assert_eq!(instant(text), Some(at), "{text}");
        }
        let none = [
            "",
            "now+30d",
            "2026-01-31",
            "2026-01-31T22:00:00",
            "2026-02-29T22:00:00Z",
            "2026-13-01T22:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T22:00:60Z",
            "2026-01-31T22:00:00.Z",
            "2026-01-31T22:00:00+24:00",
            "2026-01-31T22:00:00+8:00",
            "0000-01-31T22:00:00Z",
            "2026-01-31T22:00:00.1234567890Z",
            "zweitausend-sechsundzwanzig",
        ];
        for text in none {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    /// Against a calendar that is not ours.
    #[test]
    fn days_are_those_of_the_calendar() {
        for year in [1, 4, 100, 400, 1582, 1899, 1900, 1969, 1970, 1972, 2000, 2024, 2100, 9999] {
            for (month, day) in [(1, 1), (2, 28), (3, 1), (12, 29)] {
                let text = format!("{year:04}-{month:02}-{day:02}T01:02:03.000004Z");
                assert_eq!(instant(&text), text.parse().ok(), "{text}");
            }
        }
    }

    #[test]
    fn e5_a_relative_time_turns_when_its_moment_comes() {
        let at = |micros: i64| Timestamp::from_micros(micros);
        let found = Value::from("1970-01-01T00:00:10Z");
        let soon = Relative::of(&serde_json::json!({"now": "+5s"})).unwrap();
        let test = |is, now: i64| soon.test(Some(&found), is, at(now));
        // Now + 5 s is the moment at 5 s.
        assert_eq!(test(Comparison::Le, 4_999_999), (Truth::False, Some(at(5_000_000))));
        assert_eq!(test(Comparison::Le, 5_000_000), (Truth::True, None));
        assert_eq!(test(Comparison::Lt, 5_000_000), (Truth::False, Some(at(5_000_001))));
        assert_eq!(test(Comparison::Lt, 5_000_001), (Truth::True, None));
        assert_eq!(test(Comparison::Gt, 4_999_999), (Truth::True, Some(at(5_000_000))));
        assert_eq!(test(Comparison::Ge, 5_000_000), (Truth::True, Some(at(5_000_001))));
        assert_eq!(soon.test(Some(&Value::from("soon")), Comparison::Lt, at(0)).0, Truth::Unknown);
        assert_eq!(soon.test(None, Comparison::Lt, at(0)).0, Truth::Unknown);
    }
}
