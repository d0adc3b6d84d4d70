//! When an event happened, in the server's time: the client's clock may be wrong, but it is wrong by the same span
//! in `timestamp` and `sentAt`.

use openhub_model::Timestamp;

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

/// The years 1 to 9999: what RFC 3339 can write.
pub(crate) fn is_writable(at: Timestamp) -> bool {
    const FIRST: i64 = -62_135_596_800_000_000;
    const LAST: i64 = 253_402_300_799_999_999;
    (FIRST..=LAST).contains(&at.micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
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
    fn extremes_saturate_and_are_then_refused() {
        let first = at("-009999-01-02T01:59:59Z");
        let last = at("9999-12-30T22:00:00Z");
        let corrected = occurred_at(first, Some(last), Some(first));
        assert!(!is_writable(corrected));
        assert!(is_writable(at("1970-01-01T00:00:00Z")) && is_writable(last));
    }
}
