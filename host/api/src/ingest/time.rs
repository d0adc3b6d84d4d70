//! When an event happened, in the server's time: the client's clock may be wrong, but it is wrong by the same span
//! in `timestamp` and `sentAt`.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use openhub_model::Timestamp;
use openhub_model::time::has_sound_offset;
use std::borrow::Cow;

/// `receivedAt − (sentAt − timestamp)`; without `sentAt`, `timestamp`; without `timestamp`, `receivedAt`.
pub(super) fn occurred_at(
    received_at: Timestamp,
    sent_at: Option<Timestamp>,
    timestamp: Option<Timestamp>,
) -> Timestamp {
    match (timestamp, sent_at) {
        (Some(timestamp), Some(sent_at)) => {
            let age = sent_at.micros().saturating_sub(timestamp.micros());
            Timestamp::from_micros(received_at.micros().saturating_sub(age))
        }
        (Some(timestamp), None) => timestamp,
        (None, _) => received_at,
    }
}

/// A time as libraries write it. Without a zone it is UTC, and a day is its midnight; a number counts seconds since 1970, or from
/// so many on that they would lie in the year 5138, milliseconds, and then microseconds.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // Go prints its own clock behind the time.
    if !has_sound_offset(text.split_once(" m=").map_or(text, |(time, _)| time)) {
        return None;
    }
    let text = &*without_finest(text);
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    // Eight digits are a day of the calendar, if they can be: as seconds they would be one of 1970.
    let day = || text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 8);
    if let Some(at) = day().and_then(|date| date.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC).ok()) {
        return Some(Timestamp::from_micros(at.timestamp().as_microsecond()));
    }
    if let Ok(number) = text.parse::<f64>() {
        let (size, seconds) = (number.abs(), number);
        let micros = match size {
            _ if size < 1e11 => seconds * 1e6,
            _ if size < 1e14 => number * 1e3,
            _ => number,
        };
        return (size < 1e18).then(|| Timestamp::from_micros(micros.round() as i64));
    }
    let utc = |civil: jiff::civil::DateTime| civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let civil = || text.parse().ok().and_then(utc);
    // A day, also the last one, which has instants that are read and none that could be written.
    if let Ok(at) = format!("{text}T00:00:00Z").parse() {
        return Some(at);
    }
    let date = || text.parse::<jiff::civil::Date>().ok().and_then(|date| utc(date.to_datetime(Time::midnight())));
    let mail = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    // As Ruby prints it, and Go.
    let printed = || {
        let (time, _) = text.split_once(" m=").unwrap_or((text, ""));
        let time = time.trim_end_matches(" UTC").trim_end_matches(" +0000");
        time.parse().ok().filter(|_| time.len() < text.len()).and_then(utc)
    };
    let offset = || jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", text).ok();
    let found = civil().or_else(date).or_else(printed).or_else(offset).or_else(mail)?;
    Some(Timestamp::from_micros(found.as_microsecond()))
}

/// Digits behind a second that a time is read with: nanoseconds.
const FINEST: usize = 9;

/// A time of the day without what is finer than a nanosecond.
fn without_finest(text: &str) -> Cow<'_, str> {
    let cut = || {
        let dot = text.find('.').filter(|dot| text[..*dot].contains(':'))? + 1;
        let digits = text[dot..].bytes().take_while(u8::is_ascii_digit).count();
        (digits > FINEST).then(|| format!("{}{}", &text[..dot + FINEST], &text[dot + digits..]))
    };
    cut().map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn breaker14_what_is_finer_than_a_time_is_cut_off() {
        for text in [
            "2026-01-31T12:00:00.1234567899Z",
            "2026-01-31T13:00:00.123456000000000000000001+01:00",
            "2026-01-31 12:00:00.1234561111 UTC",
        ] {
            assert_eq!(read_time(text), Some(at("2026-01-31T12:00:00.123456Z")), "{text}");
        }
    }

    #[test]
    fn an_offset_of_a_day_is_no_time() {
        for text in [
            "2026-01-31T12:00:00+23:59",
            "2026-01-31 12:00:00 -2359",
            "Sat, 31 Jan 2026 12:00:00 +0100",
            "2026-01-31 12:00:00 UTC m=+45.3",
        ] {
            assert!(read_time(text).is_some(), "{text}");
        }
        for text in [
            "2026-01-31T12:00:00+25:00",
            "2026-01-31T12:00:00.5-24:00",
            "2026-01-31 12:00:00 +2500",
            "2026-01-31 12:00:00+25",
            "9999-12-31T12:00:00+25:00",
            "Sat, 31 Jan 2026 12:00:00 +2500",
        ] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrong_client_clock_is_corrected() {
        let received = at("2026-01-31T12:00:00Z");
        // The client's clock is an hour ahead; the event waited ten seconds before it was sent.
        let (timestamp, sent) = (at("2026-01-31T13:00:00Z"), at("2026-01-31T13:00:10Z"));
        assert_eq!(occurred_at(received, Some(sent), Some(timestamp)), at("2026-01-31T11:59:50Z"));
        assert_eq!(occurred_at(received, None, Some(timestamp)), timestamp);
        assert_eq!(occurred_at(received, Some(sent), None), received);
        assert_eq!(occurred_at(received, None, None), received);
    }

    #[test]
    fn times_are_read_as_people_send_them() {
        let noon = at("2026-01-31T12:00:00Z");
        for text in [
            "2026-01-31T12:00:00.000Z",
            "2026-01-31T13:00:00+01:00",
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00",
            "2026-01-31 12:00:00.000000",
            "2026-01-31 12:00:00 UTC",
            "2026-01-31 12:00:00 +0000",
            "2026-01-31 12:00:00 +0000 UTC",
            "2026-01-31 14:00:00 +0200",
            "Sat, 31 Jan 2026 12:00:00 GMT",
            "1769860800",
            "1769860800.0",
            "1769860800000",
            "1769860800000000",
            " 2026-01-31T12:00:00Z ",
        ] {
            assert_eq!(read_time(text), Some(noon), "{text}");
        }
        assert_eq!(read_time("2026-01-31"), Some(at("2026-01-31T00:00:00Z")));
        assert_eq!(read_time("9999-12-31"), Some(at("9999-12-31T23:59:59Z")), "for ever");
        assert_eq!(read_time("20260131"), Some(at("2026-01-31T00:00:00Z")));
        assert_eq!(read_time("20261399"), Some(at("1970-08-23T12:09:59Z")), "no day of the calendar");
        for text in ["", "noon", "31/01/2026", "2026-13-01", "1e400", "NaN", "2026-01-31T25:00:00"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn extremes_saturate_and_are_then_refused() {
        let first = at("-009999-01-02T01:59:59Z");
        let last = at("9999-12-30T22:00:00Z");
        let corrected = occurred_at(first, Some(last), Some(first));
        assert!(!corrected.is_writable());
        assert!(at("1970-01-01T00:00:00Z").is_writable() && last.is_writable());
    }
}
