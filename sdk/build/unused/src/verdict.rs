//! What an answer of the provider means for its message.
//!
//! From the provider's pages "API error codes" and "Common error codes". What stands there in no list is unknown: the message is parked,
//! since it may have gone out.

use openhub_sdk::http::{Fault, Response};
use openhub_sdk::prelude::*;
use serde_json::Value;

const MINUTE: u32 = 60_000;
const HOUR: u32 = 60 * MINUTE;

/// The account, the sender or the template: an admin must act, at the provider or here.
const MISCONFIGURED: [&str; 26] = [
    "isp.RAM_PERMISSION_DENY",
    "isv.ACCOUNT_ABNORMAL",
    "isv.ACCOUNT_NOT_EXISTS",
    "isv.AMOUNT_NOT_ENOUGH",
    "isv.DENY_IP_RANGE",
    "isv.DOMESTIC_NUMBER_NOT_SUPPORTED",
    "isv.EXTEND_CODE_ERROR",
    "isv.MONTH_LIMIT_CONTROL",
    "isv.OUT_OF_SERVICE",
    "isv.PRODUCT_UNSUBSCRIBE",
    "isv.PRODUCT_UN_SUBSCRIPT",
    "isv.SIGN_STATE_ILLEGAL",
    "isv.SMS_SIGNATURE_ILLEGAL",
    "isv.SMS_SIGNATURE_SCENE_ILLEGAL",
    "isv.SMS_SIGN_ILLEGAL",
    "isv.SMS_TEMPLATE_ILLEGAL",
    "Forbidden.AccessKeyDisabled",
    "Forbidden.RAM",
    "IncompleteSignature",
    "InvalidAccessKeyId.Inactive",
    "InvalidAccessKeyId.NotFound",
    "InvalidAction.NotFound",
    "InvalidTimeStamp.Expired",
    "InvalidVersion",
    "NoPermission",
    "SignatureDoesNotMatch",
];

/// The message: it is no better the next time.
const REJECTED: [&str; 9] = [
    "isv.BLACK_KEY_CONTROL_LIMIT",
    "isv.INVALID_JSON_PARAM",
    "isv.INVALID_PARAMETERS",
    "isv.PARAM_LENGTH_LIMIT",
    "isv.PARAM_NOT_SUPPORT_URL",
    "isv.SMS_CONTENT_ILLEGAL",
    "isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE",
    "isv.TEMPLATE_MISSING_PARAMETERS",
    "isv.TEMPLATE_PARAMS_ILLEGAL",
];

/// `units` is what the message counts if it was taken.
pub fn of(answer: Result<Response, Fault>, units: u32) -> Verdict {
    match answer {
        Ok(response) => of_response(&response, units),
        Err(Fault::Denied(why)) => Verdict::Misconfigured(Reason::new("denied", why)),
        Err(Fault::NotSent(why)) => Verdict::Retry(Retry { after_ms: 0, reason: Reason::new("not-sent", why) }),
        Err(Fault::Unknown(why)) => Verdict::Unknown(Reason::new("no-answer", why)),
    }
}

fn of_response(response: &Response, units: u32) -> Verdict {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let word = |name: &str| body[name].as_str().unwrap_or_default();
    let (code, message, id) = (word("Code"), word("Message"), word("BizId"));
    if code == "OK" && (200..300).contains(&response.status) && !id.is_empty() {
        return Verdict::Accepted(Receipt { provider_id: id.to_owned(), units });
    }
    let told = format!("the provider answered {} {code}: {message}", response.status);
    let reason = Reason::new("refused", told).with("code", code).with("status", response.status.to_string());
    let later = |after_ms: u32, reason: Reason| Verdict::Retry(Retry { after_ms, reason });
    match code {
        "isv.BUSINESS_LIMIT_CONTROL" => later(wait(message), reason),
        "isv.DAY_LIMIT_CONTROL" => later(HOUR, reason),
        "ServiceUnavailable" | "isp.SYSTEM_ERROR" => later(0, reason),
        "isv.MOBILE_NUMBER_ILLEGAL" => Verdict::BadAddress(reason),
        _ if code.starts_with("Throttling") => later(0, reason),
        _ if MISCONFIGURED.contains(&code) => Verdict::Misconfigured(reason),
        _ if REJECTED.contains(&code) => Verdict::Rejected(reason),
        // Its gateway has turned it away before anybody read it.
        "" if matches!(response.status, 429 | 503) => later(0, reason),
        _ => Verdict::Unknown(reason),
    }
}

/// How many messages one number may get in a minute, an hour, a day is up to the account. The provider's text says which of them it was:
/// `触发分钟级流控Permits:1`.
fn wait(message: &str) -> u32 {
    match message {
        _ if message.contains("天级") => 12 * HOUR,
        _ if message.contains("小时级") => HOUR,
        _ => MINUTE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Verdict {
        of(Ok(Response { status, headers: Vec::new(), body: body.into() }), 2)
    }

    fn refused(code: &str, message: &str) -> Verdict {
        answered(200, &format!(r#"{{"Code":"{code}","Message":"{message}","RequestId":"1"}}"#))
    }

    #[test]
    fn only_ok_with_an_id_is_accepted() {
        let taken =
            answered(200, r#"{"Message":"OK","RequestId":"F655A8D5","Code":"OK","BizId":"9006197469364984^0"}"#);
        assert!(
            matches!(taken, Verdict::Accepted(Receipt { provider_id, units: 2 }) if provider_id == "9006197469364984^0")
        );
        for (status, body) in [
            (200, r#"{"Code":"OK"}"#),
            (200, "<html>"),
            (200, r#"{"Code":"isv.NEW","BizId":"1"}"#),
            (500, r#"{"Code":"OK","BizId":"1"}"#),
            (500, r#"{"Code":"InternalError"}"#),
            (302, ""),
        ] {
            assert!(matches!(answered(status, body), Verdict::Unknown(_)), "{status} {body}");
        }
        assert!(matches!(of(Err(Fault::Unknown("cut".to_owned())), 1), Verdict::Unknown(_)));
    }

    #[test]
    fn each_code_has_its_verdict() {
        let wait = |message| match refused("isv.BUSINESS_LIMIT_CONTROL", message) {
            Verdict::Retry(retry) => retry.after_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            ["触发分钟级流控Permits:1", "触发小时级流控Permits:5", "触发天级流控Permits:40"].map(wait),
            [MINUTE, HOUR, 12 * HOUR]
        );
        for code in ["Throttling.User", "ServiceUnavailable", "isp.SYSTEM_ERROR", "isv.DAY_LIMIT_CONTROL"] {
            assert!(matches!(refused(code, ""), Verdict::Retry(_)), "{code}");
        }
        assert!(matches!(answered(503, ""), Verdict::Retry(_)));
        assert!(matches!(refused("isv.MOBILE_NUMBER_ILLEGAL", "1"), Verdict::BadAddress(_)));
        assert!(matches!(answered(400, r#"{"Code":"SignatureDoesNotMatch"}"#), Verdict::Misconfigured(_)));
        for code in
            ["isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE", "isv.SMS_TEMPLATE_ILLEGAL", "isv.SMS_SIGNATURE_ILLEGAL"]
        {
            assert!(matches!(refused(code, ""), Verdict::Misconfigured(_)), "{code}");
        }
        assert!(matches!(refused("isv.TEMPLATE_MISSING_PARAMETERS", ""), Verdict::Rejected(_)));
    }
}
