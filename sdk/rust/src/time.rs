//! Instants, in microseconds UTC. In JSON an RFC 3339 text. Reads no clock.

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// So many seconds later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(seconds.saturating_mul(SECOND)))
    }

    /// RFC 3339 with any offset; digits beyond microseconds are dropped.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let bytes = text.as_bytes();
        let at = |from: usize, to: usize| number(text.get(from..to)?);
        let mark = |index: usize, marks: &[u8]| bytes.get(index).is_some_and(|byte| marks.contains(byte));
        if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
            return None;
        }
        let civil = seconds(at(0, 4)?, at(5, 7)?, at(8, 10)?, at(11, 13)?, at(14, 16)?, at(17, 19)?)?;
        let rest = text.get(19..)?;
        let (micros, zone) = match rest.strip_prefix('.') {
            Some(fraction) => {
                let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
                let kept = fraction.get(..digits.min(6))?;
                (number(kept)? * 10i64.pow(6 - kept.len() as u32), &fraction[digits..])
            }
            None => (0, rest),
        };
        let offset = match zone.as_bytes() {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
                let (hours, minutes) = (number(zone.get(1..3)?)?, number(zone.get(4..6)?)?);
                (hours * 3_600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
            }
            _ => return None,
        };
        Some(Timestamp((civil - offset).checked_mul(SECOND)?.checked_add(micros)?))
    }

    /// The fixed form of RFC 9110: `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let rest = text.split_once(", ")?.1.strip_suffix(" GMT")?;
        let at = |from: usize, to: usize| number(rest.get(from..to)?);
        let month = MONTHS.iter().position(|name| rest.get(3..6) == Some(name))? as i64 + 1;
        let civil = seconds(at(7, 11)?, month, at(0, 2)?, at(12, 14)?, at(15, 17)?, at(18, 20)?)?;
        civil.checked_mul(SECOND).map(Timestamp)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, micros) = (self.seconds(), self.0.rem_euclid(SECOND));
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let of_day = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if micros != 0 {
            write!(f, ".{}", format!("{micros:06}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn seconds(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3_600 + minute * 60 + second)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970-01-01 (the same source, `civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_read() {
        for text in ["1998-06-30T12:00:00Z", "1970-01-01T00:00:00Z", "2000-02-29T23:59:59.25Z", "1901-12-13T20:45:52Z"]
        {
            assert_eq!(Timestamp::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Timestamp::parse("1998-06-30T20:00:00+08:00"), Timestamp::parse("1998-06-30T12:00:00Z"));
        assert_eq!(Timestamp::parse("2001-09-09T01:46:40Z").map(Timestamp::micros), Some(1_000_000_000_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "1998-06-30",
            "1998-02-29T00:00:00Z",
            "1998-13-01T00:00:00Z",
            "1998-06-30T12:00:00",
            "1998-06-30T24:00:00Z",
            "1998-06-30T12:00:00.Z",
            "19x8-06-30T12:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
