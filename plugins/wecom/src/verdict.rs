//! What an answer of the provider means for its message.
//!
//! From the provider's pages "Sending application messages" and "Global error codes". A code that stands in no list here is unknown: the
//! message is parked, since it may have gone out.

use openhub_sdk::http::{Fault, Response};
use openhub_sdk::prelude::*;
use serde_json::Value;

/// What became of a request.
pub enum Fate {
    Settled(Verdict),
    /// The token is refused, and so the message was not sent.
    Stale(Reason),
}

/// What a code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Done,
    Stale,
    Busy,
    BadAddress,
    Misconfigured,
    Rejected,
    Unknown,
}

/// `address` is the member's whom the message was for.
pub fn of(answer: Result<Response, Fault>, address: &str) -> Fate {
    let response = match answer {
        Ok(response) => response,
        Err(Fault::Denied(why)) => return Fate::Settled(Verdict::Misconfigured(Reason::new("denied", why))),
        Err(Fault::NotSent(why)) => {
            return Fate::Settled(Verdict::Retry(Retry { after_ms: 0, reason: Reason::new("not-sent", why) }));
        }
        Err(Fault::Unknown(why)) => return Fate::Settled(Verdict::Unknown(Reason::new("no-answer", why))),
    };
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let reason = reason(response.status, &body);
    let busy = |reason| Verdict::Retry(Retry { after_ms: 0, reason });
    let Some(code) = code(response.status, &body) else {
        // A gateway has turned it away before anybody read it.
        let is_busy = matches!(response.status, 429 | 503);
        return Fate::Settled(if is_busy { busy(reason) } else { Verdict::Unknown(reason) });
    };
    Fate::Settled(match meaning(code) {
        Meaning::Stale => return Fate::Stale(reason),
        Meaning::Done if names(&body, address) => Verdict::BadAddress(reason),
        Meaning::Done => match body["msgid"].as_str().filter(|id| !id.is_empty()) {
            Some(id) => Verdict::Accepted(Receipt { provider_id: id.to_owned(), units: 1 }),
            None => Verdict::Unknown(reason),
        },
        Meaning::Busy => busy(reason),
        Meaning::BadAddress => Verdict::BadAddress(reason),
        Meaning::Misconfigured => Verdict::Misconfigured(reason),
        Meaning::Rejected => Verdict::Rejected(reason),
        Meaning::Unknown => Verdict::Unknown(reason),
    })
}

/// What there is no token for was not sent.
pub fn of_failure(failure: Failure) -> Verdict {
    match failure {
        Failure::Retry(retry) => Verdict::Retry(retry),
        Failure::Rejected(reason) => Verdict::Rejected(reason),
        Failure::Misconfigured(reason) => Verdict::Misconfigured(reason),
    }
}

/// The provider's code, of an answer that is the provider's.
pub fn code(status: u16, body: &Value) -> Option<i64> {
    body["errcode"].as_i64().filter(|_| (200..300).contains(&status))
}

pub fn reason(status: u16, body: &Value) -> Reason {
    let (code, message) = (body["errcode"].as_i64(), body["errmsg"].as_str().unwrap_or_default());
    let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
    Reason::new("refused", format!("the provider answered {status} with {code}: {message}")).with("code", code)
}

/// Whether the answer says that this member was not reached: it says so in lower case.
fn names(body: &Value, address: &str) -> bool {
    ["invaliduser", "unlicenseduser"].iter().any(|list| {
        let members = body[list].as_str().unwrap_or_default().split('|');
        members.filter(|member| !member.is_empty()).any(|member| member.eq_ignore_ascii_case(address))
    })
}

pub fn meaning(code: i64) -> Meaning {
    match code {
        0 => Meaning::Done,
        // Invalid, missing, expired. An old one is also told as 40001, the code of a wrong secret.
        40001 | 40014 | 41001 | 42001 => Meaning::Stale,
        // Busy, versions in conflict, too often, too many at once.
        -1 | 6000 | 45009 | 45011 | 45033 => Meaning::Busy,
        // No such member, or not of those whom the application may see; all receivers invalid.
        40003 | 40031 | 40070 | 46004 | 60111 | 81013 => Meaning::BadAddress,
        // Company, secret, application, its rights, the addresses from which it may be called, its bounds.
        40013 | 40056 | 40091 | 41002 | 41004 | 41011 | 45007 | 48002 | 48004 | 50001 | 50002 | 50003 | 60011
        | 60020 | 301002 => Meaning::Misconfigured,
        // The message: kind, contents, length, form.
        40008 | 40033 | 40035 | 40039 | 40058 | 40063 | 40067 | 44004 | 45002 | 45003 | 45004 | 45005 | 45008
        | 47001 => Meaning::Rejected,
        _ => Meaning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Fate {
        of(Ok(Response { status, headers: Vec::new(), body: body.into() }), "ZhangSan")
    }

    fn settled(status: u16, body: &str) -> Verdict {
        match answered(status, body) {
            Fate::Settled(verdict) => verdict,
            Fate::Stale(reason) => panic!("stale: {reason:?}"),
        }
    }

    #[test]
    fn who_is_named_as_invalid_was_not_reached() {
        let taken = r#"{"errcode":0,"errmsg":"ok","invaliduser":"lisi|wangwu","msgid":"xxxx"}"#;
        assert!(matches!(settled(200, taken), Verdict::Accepted(receipt) if receipt.provider_id == "xxxx"));
        for list in ["invaliduser", "unlicenseduser"] {
            let named = format!(r#"{{"errcode":0,"errmsg":"ok","{list}":"lisi|zhangsan","msgid":"xxxx"}}"#);
            assert!(matches!(settled(200, &named), Verdict::BadAddress(_)), "{list}");
        }
    }

    #[test]
    fn each_code_has_its_verdict() {
        let of = |code: i64| settled(200, &format!(r#"{{"errcode":{code},"errmsg":"why"}}"#));
        assert!(matches!(of(-1), Verdict::Retry(_)) && matches!(of(45009), Verdict::Retry(_)));
        assert!(matches!(of(81013), Verdict::BadAddress(_)));
        assert!(matches!(of(60020), Verdict::Misconfigured(_)));
        assert!(matches!(of(44004), Verdict::Rejected(_)));
        assert!(matches!(answered(200, r#"{"errcode":42001,"errmsg":"access_token expired"}"#), Fate::Stale(_)));
        assert!(matches!(settled(503, ""), Verdict::Retry(_)));
        for (status, body) in [
            (200, r#"{"errcode":987654}"#),
            (200, r#"{"errcode":0}"#),
            (200, "<html>"),
            (200, "{}"),
            (500, r#"{"errcode":0,"msgid":"1"}"#),
        ] {
            assert!(matches!(settled(status, body), Verdict::Unknown(_)), "{status} {body}");
        }
    }
}
