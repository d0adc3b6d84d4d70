//! The provider's webhooks, signed as Standard Webhooks says under the names of Svix: `svix-id`, `svix-timestamp`, `svix-signature`.

use openhub_sdk::clock;
use openhub_sdk::prelude::*;
use openhub_sdk::secrets;

/// How old, or how far ahead, a signature may be. Seconds.
const TOLERANCE: i64 = 300;

/// `email.delivered`, `email.bounced`, `email.opened`, …: each is a report on its mail.
#[source(name = "events")]
pub fn events(request: Request) -> Result<Received, Failure> {
    if !is_signed(&request)? {
        return Ok(Received::answered(401, "the signature is missing, wrong or too old"));
    }
    let event = request.json()?;
    let word = |name: &str| event[name].as_str().unwrap_or_default();
    let Some(what) = word("type").strip_prefix("email.") else { return Ok(Received::ok()) };
    let id = event["data"]["email_id"].as_str().unwrap_or_default();
    // What was sent is known: the hub has sent it.
    if id.is_empty() || what == "sent" {
        return Ok(Received::ok());
    }
    let status = if what == "delivery_delayed" { "delayed".to_owned() } else { what.replace('_', "-") };
    let mut report = Report::new(id, status);
    if let Some(at) = Timestamp::parse(word("created_at")) {
        report = report.at(at);
    }
    let bounce = &event["data"]["bounce"];
    if let Some(message) = bounce["message"].as_str() {
        let kind = bounce["subType"].as_str().unwrap_or("bounced").to_lowercase();
        report = report.because(Reason::new(kind, message));
    }
    Ok(Received::ok().report(report))
}

fn is_signed(request: &Request) -> Result<bool, Failure> {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let (id, at) = (header("svix-id"), header("svix-timestamp"));
    let Ok(seconds) = at.parse::<i64>() else { return Ok(false) };
    if (clock::now().seconds() - seconds).abs() > TOLERANCE {
        return Ok(false);
    }
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", &request.body].concat();
    // Several, while a key is changed.
    for signature in header("svix-signature").split(' ').filter_map(|signature| signature.strip_prefix("v1,")).take(8) {
        if secrets::verify_hmac_base64("webhook", secrets::SHA256, &signed, signature)? {
            return Ok(true);
        }
    }
    Ok(false)
}
