//! The token of an application: for about two hours, and the same for all who ask meanwhile.

use openhub_sdk::clock;
use openhub_sdk::http::{self, Fault, Part, Request};
use openhub_sdk::prelude::*;
use serde_json::Value;

use crate::Application;
use crate::verdict::{self, Meaning};

pub const TOKEN: &str = "access-token";
const SECRET: &str = "app-secret";

/// Seconds after which another one is asked for: the provider's lasts 7,200.
const LIFE: i64 = 7_000;

pub fn base(application: &Application) -> &str {
    application.url.trim_end_matches('/')
}

/// Asks for a token, if the one that is there is too old.
pub fn ready(application: &Application) -> Result<(), Failure> {
    let is_young = |at: Timestamp| clock::now() < at.plus_seconds(LIFE);
    if http::captured(TOKEN).is_some_and(is_young) { Ok(()) } else { renew(application) }
}

pub fn renew(application: &Application) -> Result<(), Failure> {
    let mut request = Request::get(format!(
        "{}/cgi-bin/gettoken?corpid={}&corpsecret=",
        base(application),
        encoded(&application.corp_id)
    ));
    request.url.push(Part::Secret(SECRET.to_owned()));
    let answer = match http::capture(TOKEN, &request) {
        Ok(answer) => answer,
        Err(Fault::Denied(why)) => return Err(Failure::Misconfigured(Reason::new("denied", why))),
        // It delivers nothing, so it can be asked again.
        Err(Fault::NotSent(why) | Fault::Unknown(why)) => return Err(again(Reason::new("no-token", why))),
    };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let reason = verdict::reason(answer.status, &body);
    match verdict::code(answer.status, &body).map(verdict::meaning) {
        Some(Meaning::Done) if body["access_token"].as_str().is_some_and(|token| !token.is_empty()) => Ok(()),
        // Of the secret, and no token.
        Some(Meaning::Stale | Meaning::Misconfigured | Meaning::Rejected | Meaning::BadAddress) => {
            Err(Failure::Misconfigured(reason))
        }
        _ => Err(again(reason)),
    }
}

fn again(reason: Reason) -> Failure {
    Failure::Retry(Retry { after_ms: 0, reason })
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}
