//! What an answer of the provider means for its mail.

use openhub_sdk::http::{Fault, Response};
use openhub_sdk::prelude::*;
use serde_json::Value;

pub fn of(answer: Result<Response, Fault>, now: Timestamp) -> Verdict {
    match answer {
        Ok(response) => of_response(&response, now),
        Err(Fault::Denied(why)) => Verdict::Misconfigured(Reason::new("denied", why)),
        Err(Fault::NotSent(why)) => Verdict::Retry(Retry { after_ms: 0, reason: Reason::new("not-sent", why) }),
        // It is safe to send it again: the provider knows the key.
        Err(Fault::Unknown(why)) => Verdict::Retry(Retry { after_ms: 0, reason: Reason::new("no-answer", why) }),
    }
}

fn of_response(response: &Response, now: Timestamp) -> Verdict {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let word = |name: &str| body[name].as_str().unwrap_or_default();
    let told = format!("the provider answered {}: {}", response.status, word("message"));
    let reason = Reason::new("status", told).with("status", response.status.to_string());
    let later = |reason| Verdict::Retry(Retry { after_ms: response.retry_after_ms(now).unwrap_or(0), reason });
    match (response.status, word("name")) {
        (200..=299, _) => Verdict::Accepted(Receipt { provider_id: word("id").to_owned(), units: 1 }),
        (401 | 403, _) => Verdict::Misconfigured(reason),
        // The address is no address, or another field is at fault.
        (400 | 422, _) if body["message"].as_str().is_some_and(|why| why.contains("`to`")) => {
            Verdict::BadAddress(reason)
        }
        // The same key is being handled at this moment.
        (409, "concurrent_idempotent_requests") | (408 | 429 | 500..=599, _) => later(reason),
        _ => Verdict::Rejected(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Verdict {
        let response = Response { status, headers: vec![("retry-after".into(), "7".into())], body: body.into() };
        of(Ok(response), Timestamp::from_micros(0))
    }

    #[test]
    fn each_answer_has_its_verdict() {
        let accepted = answered(200, r#"{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}"#);
        assert!(matches!(accepted, Verdict::Accepted(receipt) if receipt.provider_id.starts_with("49a3")));
        assert!(
            matches!(answered(429, r#"{"name":"rate_limit_exceeded"}"#), Verdict::Retry(retry) if retry.after_ms == 7_000)
        );
        assert!(matches!(answered(409, r#"{"name":"concurrent_idempotent_requests"}"#), Verdict::Retry(_)));
        assert!(matches!(answered(409, r#"{"name":"invalid_idempotent_request"}"#), Verdict::Rejected(_)));
        assert!(matches!(answered(403, r#"{"name":"invalid_api_key"}"#), Verdict::Misconfigured(_)));
        let invalid = |field: &str| {
            answered(422, &format!(r#"{{"name":"validation_error","message":"Invalid `{field}` field."}}"#))
        };
        assert!(matches!(invalid("to"), Verdict::BadAddress(_)));
        assert!(matches!(invalid("from"), Verdict::Rejected(_)));
    }
}
