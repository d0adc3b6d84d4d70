//! How often a receiver is tried, and how long it is left alone.

use openhub_model::{Id, Span, Timestamp};

/// What one receiver is sent at the same time.
pub const AT_ONCE: usize = 4;
/// An answer that takes longer is a slow one.
pub const SLOW_MS: i64 = 2_000;
/// Failures in a row from which on a receiver rests.
const PATIENCE: i64 = 4;
/// A receiver that has failed for so long, and so often, is given up.
const HOPELESS: i64 = 5 * 86_400 * SECOND;
const OFTEN: i64 = 10;

const SECOND: i64 = 1_000_000;
/// Before a delivery is tried again: the schedule that Standard Webhooks names, in seconds.
const PAUSES: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// A receiver rests twice as long each time, in seconds, and no longer than this: one that is there again is found soon.
const REST: i64 = 5;
const LONGEST_REST: i64 = 300;
/// A receiver may ask for a pause of at most so many seconds.
const LATEST: i64 = 86_400;

/// When a delivery is tried again that has failed once more than `failed` times. None: it was tried as often as it may be. What failed
/// together is not tried together: the pause is up to a tenth longer, by the delivery's id.
pub fn again(failed: i64, id: Id, asked: Option<i64>, now: Timestamp) -> Option<Timestamp> {
    let pause = *PAUSES.get(usize::try_from(failed).unwrap_or(usize::MAX))? * SECOND;
    let asked = asked.unwrap_or_default().clamp(0, LATEST) * SECOND;
    let drawn = i64::from(u16::from_le_bytes([id.as_bytes()[14], id.as_bytes()[15]]));
    let jitter = pause / 10 * drawn / i64::from(u16::MAX);
    Some(now + Span::from_micros(pause.max(asked) + jitter))
}

/// Until when a receiver rests that has failed so often in a row.
pub fn rest(failures: i64, asked: Option<i64>, now: Timestamp) -> Option<Timestamp> {
    let own = match failures - PATIENCE {
        ..0 => 0,
        more => REST.saturating_mul(1 << more.min(20)).min(LONGEST_REST),
    };
    let pause = own.max(asked.unwrap_or_default().clamp(0, LATEST));
    (pause > 0).then(|| now + Span::from_micros(pause * SECOND))
}

pub fn is_hopeless(failures: i64, since: Timestamp, now: Timestamp) -> bool {
    failures >= OFTEN && now.micros() - since.micros() >= HOPELESS
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn seconds(at: Option<Timestamp>) -> Option<i64> {
        at.map(|at| (at.micros() - NOW.micros()) / SECOND)
    }

    #[test]
    fn a_delivery_is_tried_ten_times_in_three_days() {
        let pauses: Vec<i64> =
            (0..).map_while(|failed| seconds(again(failed, Id::named(&[b"a"]), None, NOW))).collect();
        assert_eq!(pauses.len(), 9, "with the first attempt");
        for (pause, expected) in pauses.iter().zip(PAUSES) {
            assert!((expected..=expected + expected / 10).contains(pause), "{pause} for {expected}");
        }
        let id = |of: &[u8]| Id::named(&[of]);
        assert_ne!(again(8, id(b"a"), None, NOW), again(8, id(b"b"), None, NOW), "not together");
        assert_eq!(again(8, id(b"a"), None, NOW), again(8, id(b"a"), None, NOW));
        let asked = seconds(again(0, id(b"a"), Some(40), NOW));
        assert_eq!(asked, Some(40));
        assert!(seconds(again(0, id(b"a"), Some(i64::MAX), NOW)) <= Some(LATEST + 1));
    }

    #[test]
    fn a_receiver_rests_longer_and_longer_and_is_found_soon() {
        let rests: Vec<i64> = (0..14).map(|failures| seconds(rest(failures, None, NOW)).unwrap_or_default()).collect();
        assert_eq!(rests, [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        assert_eq!(seconds(rest(1, Some(7), NOW)), Some(7), "as it asks");
        assert_eq!(seconds(rest(i64::MAX, None, NOW)), Some(LONGEST_REST));
    }

    #[test]
    fn a_receiver_is_given_up_after_days_and_many_failures() {
        let later = |days: i64| NOW + Span::from_micros(days * 86_400 * SECOND);
        assert!(is_hopeless(OFTEN, NOW, later(5)));
        assert!(!is_hopeless(OFTEN, NOW, later(4)) && !is_hopeless(OFTEN - 1, NOW, later(9)));
    }
}
