//! Months, in UTC.

use crate::Timestamp;
use jiff::tz::TimeZone;

/// As months since the beginning of 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i64);

impl Month {
    /// The month of a time, in UTC.
    pub fn of(at: Timestamp) -> Month {
        let local = jiff::Timestamp::from_microsecond(at.micros()).map(|time| time.to_zoned(TimeZone::UTC));
        Month(local.map_or(0, |local| (i64::from(local.year()) - 1970) * 12 + i64::from(local.month()) - 1))
    }

    pub const fn number(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_its_midnight() {
        let of = |text: &str| Month::of(text.parse().unwrap()).number();
        assert_eq!((of("1970-01-31T23:59:59.999999Z"), of("1970-02-01T00:00:00Z")), (0, 1));
        assert_eq!((of("2026-11-30T23:59:59Z"), of("2026-12-01T00:00:00Z")), (682, 683));
    }
}
