//! Periods: calendar months in the partner's time zone. A period begins where the one before ended, at a stored instant, so that none
//! overlaps another and none is left out, whatever becomes of the zone.

use jiff::ToSpan;
use jiff::tz::TimeZone;

use crate::{Quarter, Span, Timestamp};

/// How long a statement is a draft.
pub const GRACE: Span = Span::from_micros(3 * 86_400_000_000);

/// A time zone of the IANA database by its name, such as `Asia/Shanghai`; none: there is none.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// When the period that holds `at` ends: at the beginning of the next month there. Where that day begins later than midnight, since the clocks
/// go forward, it ends then. None: the time is beyond all calendars.
pub fn period_end(at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let local = jiff::Timestamp::from_microsecond(at.micros()).ok()?.to_zoned(zone.clone());
    let next = local.date().first_of_month().checked_add(1.month()).ok()?;
    let begins = next.to_zoned(zone.clone()).ok()?.timestamp();
    Some(Quarter::of(Timestamp::from_micros(begins.as_microsecond())).begins())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(at: &str, of: &str) -> String {
        period_end(at.parse().unwrap(), &zone(of).expect("it is a zone")).unwrap().to_string()
    }

    #[test]
    fn a_month_ends_where_its_partner_is() {
        assert_eq!(end("2026-11-30T20:00:00Z", "UTC"), "2026-12-01T00:00:00Z");
        // East of Greenwich the next month has begun already.
        assert_eq!(end("2026-11-30T20:00:00Z", "Asia/Shanghai"), "2026-12-31T16:00:00Z");
        assert_eq!(end("2026-11-30T15:59:59Z", "Asia/Shanghai"), "2026-11-30T16:00:00Z");
        assert_eq!(end("2026-12-01T04:00:00Z", "America/New_York"), "2026-12-01T05:00:00Z");
        assert_eq!(end("2026-11-30T20:00:00Z", "Asia/Kathmandu"), "2026-12-31T18:15:00Z");
        assert_eq!(end("2026-11-30T11:00:00Z", "Pacific/Kiritimati"), "2026-12-31T10:00:00Z");
    }

    #[test]
    fn clocks_that_change_move_an_end_and_lose_no_hour() {
        assert_eq!(end("2026-03-05T00:00:00Z", "Europe/Berlin"), "2026-03-31T22:00:00Z");
        assert_eq!(end("2026-10-05T00:00:00Z", "Europe/Berlin"), "2026-10-31T23:00:00Z");
        // The first of this month began at one o'clock.
        assert_eq!(end("2005-09-30T12:00:00Z", "America/Asuncion"), "2005-10-01T04:00:00Z");
        // What ends a period begins the next, also where a day is missing: Samoa had no 30th of December 2011.
        let (mut at, apia): (Timestamp, _) = ("2011-11-30T00:00:00Z".parse().unwrap(), zone("Pacific/Apia").unwrap());
        for _ in 0..3 {
            let next = period_end(at, &apia).unwrap();
            assert!(at < next);
            at = next;
        }
        assert_eq!(at.to_string(), "2012-01-31T10:00:00Z");
    }
}
