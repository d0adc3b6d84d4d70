//! What an answer means for its message.

use openhub_sdk::http::{Fault, Response};
use openhub_sdk::prelude::*;

/// Headers under which receivers name a message, the first one wins.
const IDS: [&str; 2] = ["webhook-id", "x-request-id"];

/// How long to wait after each attempt, in seconds, as Standard Webhooks 1.0.0 suggests; after the last one nothing is tried
/// again.
const WAITS: [u32; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// What a receiver may ask us to wait at most, in seconds.
const LONGEST_WAIT: u32 = 86_400;

/// `id` is the message's, for receivers that give it none of their own; `attempt` is the one that was answered so, the first
/// is 1. Only a 2xx is a delivery, and 410 says to stop. All else may be mended by the receiver, and is tried again over days.
pub fn of(answer: Result<Response, Fault>, id: &str, attempt: u32, now: Timestamp) -> Verdict {
    match answer {
        Ok(response) => of_response(&response, id, attempt, now),
        Err(Fault::Denied(why)) => Verdict::Misconfigured(Reason::new("denied", why)),
        Err(Fault::NotSent(why)) => again(attempt, None, Reason::new("not-sent", why)),
        Err(Fault::Unknown(why)) => Verdict::Unknown(Reason::new("no-answer", why)),
    }
}

fn of_response(response: &Response, id: &str, attempt: u32, now: Timestamp) -> Verdict {
    let status = response.status.to_string();
    let told = match response.header("location") {
        Some(place) => format!("the receiver answered {status} and points at {place}, which is not followed"),
        None => format!("the receiver answered {status}"),
    };
    let reason = Reason::new("status", told).with("status", status);
    match response.status {
        200..=299 => {
            let provider_id = IDS.iter().find_map(|name| response.header(name)).unwrap_or(id);
            Verdict::Accepted(Receipt { provider_id: provider_id.to_owned(), units: 1 })
        }
        410 => Verdict::Rejected(reason),
        _ => again(attempt, response.retry_after_ms(now), reason),
    }
}

/// Later, and not before the receiver asks for it, within a bound.
fn again(attempt: u32, asked_ms: Option<u32>, reason: Reason) -> Verdict {
    let Some(wait) = WAITS.get(attempt.saturating_sub(1) as usize) else { return Verdict::Rejected(reason) };
    let asked_ms = asked_ms.unwrap_or(0).min(LONGEST_WAIT * 1_000);
    Verdict::Retry(Retry { after_ms: asked_ms.max(wait * 1_000), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(0);

    fn answered_at(attempt: u32, status: u16, headers: &[(&str, &str)]) -> Verdict {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        of(Ok(Response { status, headers, body: Vec::new() }), "key", attempt, NOW)
    }

    fn answered(status: u16, headers: &[(&str, &str)]) -> Verdict {
        answered_at(1, status, headers)
    }

    fn wait(verdict: Verdict) -> Option<u32> {
        match verdict {
            Verdict::Retry(Retry { after_ms, .. }) => Some(after_ms / 1_000),
            _ => None,
        }
    }

    #[test]
    fn accepted_under_the_receivers_name_or_ours() {
        let provider_id = |verdict| match verdict {
            Verdict::Accepted(Receipt { provider_id, units: 1 }) => provider_id,
            other => panic!("{other:?}"),
        };
        assert_eq!(provider_id(answered(204, &[])), "key");
        assert_eq!(provider_id(answered(200, &[("X-Request-Id", "r1")])), "r1");
    }

    #[test]
    fn report_19_all_but_success_and_gone_is_tried_again_over_days() {
        for status in [100, 301, 302, 307, 400, 401, 403, 404, 408, 409, 422, 429, 500, 503, 599] {
            assert_eq!(wait(answered(status, &[])), Some(5), "{status}");
        }
        let waits: Vec<Option<u32>> = (1..=11).map(|attempt| wait(answered_at(attempt, 404, &[]))).collect();
        let told: Vec<Option<u32>> = WAITS.iter().copied().map(Some).chain([None, None]).collect();
        assert_eq!(waits, told);
        assert!(WAITS.iter().sum::<u32>() > 3 * 86_400, "over days");
        assert_eq!(wait(of(Err(Fault::NotSent("refused".to_owned())), "key", 1, NOW)), Some(5));
        for attempt in [1, 2] {
            assert!(matches!(answered_at(attempt, 410, &[]), Verdict::Rejected(_)), "410 says to stop");
        }
    }

    #[test]
    fn report_20_what_the_receiver_asks_for_has_a_bound() {
        assert_eq!(wait(answered(429, &[("retry-after", "99999999")])), Some(LONGEST_WAIT));
        assert_eq!(wait(answered(503, &[("retry-after", "120")])), Some(120));
        assert_eq!(wait(answered(503, &[("retry-after", "1")])), Some(5), "nor is it sooner than ours");
    }

    #[test]
    fn what_an_admin_must_mend_and_what_nobody_knows() {
        assert!(matches!(of(Err(Fault::Denied("host".to_owned())), "key", 1, NOW), Verdict::Misconfigured(_)));
        assert!(matches!(of(Err(Fault::Unknown("cut".to_owned())), "key", 1, NOW), Verdict::Unknown(_)));
    }
}
