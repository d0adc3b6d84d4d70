//! Times and days as files have them: read, or told in which pattern they could be.

use anyhow::{Context, Result};
use jiff::civil::{self, Date};
use jiff::fmt::strtime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// How people write days, and times behind them.
const DAYS: [&str; 13] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y年%m月%d日",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
];
const TIMES: [&str; 9] =
    ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", " %H:%M %:z", " %H:%M:%S %:z"];

/// Days that a spreadsheet counts from 1900: those from 1954 to 2118 have five digits that begin with 2 to 7.
const SERIAL: std::ops::Range<f64> = 20_000.0..80_000.0;

/// The end of a sentence about a text that is no time, or no day: in which pattern of the type `of` it is one, or why it is none in any.
pub fn other_form(text: &str, of: &str) -> String {
    let text = text.trim();
    let patterns = DAYS.iter().flat_map(|day| TIMES.iter().map(move |time| format!("{day}{time}")));
    let fits =
        |pattern: &String| by_pattern(pattern, text, &TimeZone::UTC).is_ok_and(|time| is_meant(pattern, text, time));
    let fitting: Vec<String> = patterns.filter(fits).map(|pattern| format!("`:{of}:{pattern}`")).collect();
    if !fitting.is_empty() {
        return format!(": map the column with {}", fitting.join(" or "));
    }
    if text.parse().is_ok_and(|days: f64| SERIAL.contains(&days)) {
        return ": a spreadsheet counts days like that; give the column the form of a date there, and save the file again".to_owned();
    }
    match (day_exists(text), text.contains(':')) {
        (Some(false), _) => ": there is no such day".to_owned(),
        (Some(true), true) => ": there is no such time of the day, or no pattern is known for it".to_owned(),
        _ => String::new(),
    }
}

/// A year of four digits is not written with two, and a number alone is a day if it has eight digits.
fn is_meant(pattern: &str, text: &str, time: Timestamp) -> bool {
    let year = Zoned::new(time, TimeZone::UTC).year();
    let is_bare = text.bytes().all(|byte| byte.is_ascii_digit());
    (!pattern.contains("%Y") || year >= 1000) && (!is_bare || text.len() == 8)
}

/// Whether the three numbers that a text begins with are a day in the order that they have, or in any if the year is the last; none if
/// they are no three numbers.
fn day_exists(text: &str) -> Option<bool> {
    let day = text.split([' ', 'T', ',']).next()?;
    let parts: Option<Vec<i16>> =
        day.trim_end_matches('日').split(['-', '/', '.', '年', '月']).map(|part| part.parse().ok()).collect();
    let &[first, second, third] = parts?.as_slice() else { return None };
    let is_day = |year, month: i16, day: i16| matches!((i8::try_from(month), i8::try_from(day)), (Ok(month), Ok(day)) if Date::new(year, month, day).is_ok());
    Some(is_day(first, second, third) || is_day(third, second, first) || is_day(third, first, second))
}

/// A day that begins with its year, as Excel writes it in Chinese and Japanese, `1990/5/1` or `1990-5-1`, perhaps with a time behind it:
/// in the form of RFC 3339. With the year at its end nobody knows which of the others is the month.
fn year_first(text: &str) -> Option<String> {
    let (day, time) = text.split_once([' ', 'T']).map_or((text, None), |(day, time)| (day, Some(time)));
    let mark = if day.contains('/') { '/' } else { '-' };
    let mut parts = day.split(mark);
    let mut number = |long: std::ops::RangeInclusive<usize>| {
        parts.next().filter(|part| long.contains(&part.len()))?.parse::<u16>().ok()
    };
    let (year, month, day) = (number(4..=4)?, number(1..=2)?, number(1..=2)?);
    if parts.next().is_some() {
        return None;
    }
    let day = format!("{year:04}-{month:02}-{day:02}");
    let Some(time) = time else { return Some(day) };
    // `9:05` as well.
    let hours = time.split(':').next().unwrap_or_default();
    Some(if hours.len() == 1 { format!("{day} 0{time}") } else { format!("{day} {time}") })
}

/// RFC 3339 and what is like it, or a date, which means its midnight.
pub fn timestamp(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    written(text, zone).or_else(|| written(&year_first(text)?, zone))
}

fn written(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    if let Ok(instant) = text.parse::<openhub_model::Timestamp>() {
        return Timestamp::from_microsecond(instant.micros()).ok();
    }
    let date = || text.parse::<Date>().map(|date| date.to_datetime(civil::Time::midnight()));
    let civil = if text.len() <= 10 { date() } else { text.parse::<civil::DateTime>() };
    civil.ok()?.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp()).or_else(|| last(text))
}

/// What many write for "never": the last instant that there is, as the hub reads it.
fn last(text: &str) -> Option<Timestamp> {
    let day = text.strip_prefix("9999-12-31")?;
    let time = if day.is_empty() { "T00:00:00" } else { day };
    let at: openhub_model::Timestamp = format!("9999-12-31{}Z", time.replace(' ', "T")).parse().ok()?;
    Timestamp::from_microsecond(at.micros()).ok()
}

/// The day that a timestamp names where it was written.
pub fn date(text: &str, zone: &TimeZone) -> Option<String> {
    timestamp(text, zone)?;
    let text = text.trim();
    let written = if Pieces::parse(text).is_ok() { text.to_owned() } else { year_first(text)? };
    let date = Pieces::parse(&written).ok()?.date();
    (1..=9999).contains(&date.year()).then(|| date.to_string())
}

/// A time by a pattern of `strptime`; midnight, if the pattern has no time of the day.
pub fn by_pattern(pattern: &str, text: &str, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    let parsed = strtime::parse(pattern, text.trim())?;
    if parsed.offset().is_some() {
        return parsed.to_timestamp();
    }
    let civil = match parsed.to_datetime() {
        Ok(civil) => civil,
        Err(_) => parsed.to_date()?.to_datetime(civil::Time::midnight()),
    };
    Ok(civil.to_zoned(zone.clone())?.timestamp())
}

pub fn day_by_pattern(pattern: &str, text: &str) -> Result<Date, jiff::Error> {
    strtime::parse(pattern, text.trim())?.to_date()
}

/// A pattern by which times can be read, or why none can.
pub fn time_pattern(pattern: &str) -> Result<String> {
    let zone = TimeZone::UTC;
    by_pattern(pattern, &sample(pattern)?, &zone).with_context(|| unusable(pattern, "a time"))?;
    Ok(pattern.to_owned())
}

/// The same for days.
pub fn date_pattern(pattern: &str) -> Result<String> {
    day_by_pattern(pattern, &sample(pattern)?).with_context(|| unusable(pattern, "a day"))?;
    Ok(pattern.to_owned())
}

/// Some time as the pattern writes it.
fn sample(pattern: &str) -> Result<String> {
    let some = civil::date(2026, 1, 31).at(12, 30, 15, 0).to_zoned(TimeZone::UTC)?;
    strtime::format(pattern, &some).with_context(|| unusable(pattern, "a time"))
}

fn unusable(pattern: &str, what: &str) -> String {
    format!("the pattern `{pattern}` does not say {what}: write one like `%d.%m.%Y` or `%Y-%m-%d %H:%M`")
}

/// So many units of so many microseconds after the beginning of 1970.
pub fn since_1970(text: &str, micros: i64) -> Option<Timestamp> {
    let units: f64 = text.trim().parse().ok()?;
    let micros = (units * micros as f64).round();
    (micros.abs() < 9e18).then(|| Timestamp::from_microsecond(micros as i64).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f19_a_pattern_is_proposed_that_fits() {
        for (given, patterns) in [
            ("1.5.1990", "`:date:%d.%m.%Y`"),
            ("5/1/1990", "`:date:%d/%m/%Y` or `:date:%m/%d/%Y`"),
            ("5/31/1990", "`:date:%m/%d/%Y`"),
            ("1990年5月1日", "`:date:%Y年%m月%d日`"),
            ("29.03.2026 02:30", "`:date:%d.%m.%Y %H:%M`"),
            ("29.03.26, 02:30:01", "`:date:%d.%m.%y, %H:%M:%S`"),
            ("1/31/26 9:05 AM", "`:date:%m/%d/%y %I:%M %p`"),
            ("2026-01-31 10:00:00 +01:00", "`:date:%Y-%m-%d %H:%M:%S %:z`"),
            ("20260131", "`:date:%Y%m%d`"),
        ] {
            assert_eq!(other_form(given, "date"), format!(": map the column with {patterns}"), "{given}");
            // Each pattern that is proposed is taken, and reads what it was proposed for.
            for proposed in patterns.trim_matches('`').split("` or `") {
                let pattern = proposed.trim_start_matches(":date:");
                assert!(date_pattern(pattern).is_ok() && time_pattern(pattern).is_ok(), "{pattern}");
                assert!(day_by_pattern(pattern, given).is_ok(), "{pattern}");
            }
        }
    }

    #[test]
    fn user14_f4_what_no_pattern_reads_gets_none() {
        for (given, told) in [
            ("1990/13/1", ": there is no such day"),
            ("2026/2/30 9:05", ": there is no such day"),
            ("31.02.2026", ": there is no such day"),
            ("2026-01-31T24:00", ": there is no such time of the day, or no pattern is known for it"),
            ("1990/5/1/2", ""),
            ("soon", ""),
            ("7", ""),
        ] {
            assert_eq!(other_form(given, "timestamp"), told, "{given}");
        }
        assert!(other_form("46053", "timestamp").contains("a spreadsheet counts days like that"));
    }
}
