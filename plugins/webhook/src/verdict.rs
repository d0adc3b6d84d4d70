//! What an answer means for its message.

use openhub_sdk::http::{Fault, Response};
use openhub_sdk::prelude::*;

/// Headers under which receivers name a message, the first one wins.
const IDS: [&str; 2] = ["webhook-id", "x-request-id"];

/// `id` is the message's, for receivers that give it none of their own.
pub fn of(answer: Result<Response, Fault>, id: &str, now: Timestamp) -> Verdict {
    match answer {
        Ok(response) => of_response(&response, id, now),
        Err(Fault::Denied(why)) => Verdict::Misconfigured(Reason::new("denied", why)),
        Err(Fault::NotSent(why)) => Verdict::Retry(Retry { after_ms: 0, reason: Reason::new("not-sent", why) }),
        Err(Fault::Unknown(why)) => Verdict::Unknown(Reason::new("no-answer", why)),
    }
}

fn of_response(response: &Response, id: &str, now: Timestamp) -> Verdict {
    let reason = || {
        let status = response.status.to_string();
        Reason::new("status", format!("the receiver answered {status}")).with("status", status)
    };
    match response.status {
        200..=299 => {
            let provider_id = IDS.iter().find_map(|name| response.header(name)).unwrap_or(id);
            Verdict::Accepted(Receipt { provider_id: provider_id.to_owned(), units: 1 })
        }
        408 | 429 | 500..=599 => {
            Verdict::Retry(Retry { after_ms: response.retry_after_ms(now).unwrap_or(0), reason: reason() })
        }
        _ => Verdict::Rejected(reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(0);

    fn answered(status: u16, headers: &[(&str, &str)]) -> Verdict {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        of(Ok(Response { status, headers, body: Vec::new() }), "key", NOW)
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
    fn passing_troubles_are_tried_again() {
        for status in [408, 429, 500, 503] {
            let verdict = answered(status, &[("retry-after", "3")]);
            assert!(matches!(verdict, Verdict::Retry(Retry { after_ms: 3_000, .. })), "{status}");
        }
        let verdict = of(Err(Fault::NotSent("refused".to_owned())), "key", NOW);
        assert!(matches!(verdict, Verdict::Retry(Retry { after_ms: 0, .. })));
    }

    #[test]
    fn lasting_ones_are_not() {
        for status in [301, 400, 404, 410] {
            assert!(matches!(answered(status, &[]), Verdict::Rejected(_)), "{status}");
        }
        assert!(matches!(of(Err(Fault::Denied("host".to_owned())), "key", NOW), Verdict::Misconfigured(_)));
        assert!(matches!(of(Err(Fault::Unknown("cut".to_owned())), "key", NOW), Verdict::Unknown(_)));
    }
}
