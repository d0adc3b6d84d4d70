//! The channel `webhook`: each message a JSON POST to one URL, signed as Standard Webhooks 1.0.0 says.
//!
//! It reaches a system, not a person, so it needs no consent. The key of the signature never comes here: the host
//! computes it. All messages of a batch go out side by side, and each is settled by its own answer.

mod verdict;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_sdk::http::{self, Request};
use openhub_sdk::prelude::*;
use openhub_sdk::secrets;
use openhub_sdk::{call, clock};

const SECRET: &str = "signing";

#[derive(Clone, Debug, Settings)]
pub struct Endpoint {
    /// Where messages go; its host is the only one that this plugin may reach.
    pub url: String,
}

/// Sends a batch.
#[channel(name = "webhook", address = "user_id")]
pub fn webhook(batch: Messages<Json>) -> Result<(), Failure> {
    let endpoint: Endpoint = call::settings().map_err(Failure::Misconfigured)?;
    let now = clock::now();
    let messages: Vec<Message<Json>> = batch.collect();
    let requests =
        messages.iter().map(|message| request(&endpoint.url, message, now)).collect::<Result<Vec<_>, _>>()?;
    for (message, answer) in messages.into_iter().zip(http::fetch(&requests)) {
        let verdict = verdict::of(answer, &message.idempotency_key, message.attempt, now);
        message.settle(verdict);
    }
    Ok(())
}

fn request(url: &str, message: &Message<Json>, now: Timestamp) -> Result<Request, Failure> {
    let body = body(message);
    let signature = secrets::hmac(SECRET, secrets::SHA256, &signed(&message.idempotency_key, now, &body))?;
    Ok(Request::post(url)
        .concerning(message)
        .header("content-type", "application/json")
        .header("webhook-id", &message.idempotency_key)
        .header("webhook-timestamp", now.seconds().to_string())
        .header("webhook-signature", format!("v1,{}", STANDARD.encode(signature)))
        .body(body))
}

/// What the receiver gets, the same at every attempt. The content stays as the journey made it.
fn body(message: &Message<Json>) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        r#"{{"id":{},"customer":{},"address":{},"content":{}}}"#,
        text(&message.idempotency_key),
        text(&message.customer),
        text(&message.address),
        message.content.0,
    )
}

/// What the signature covers: id, seconds and body, with points between them.
fn signed(id: &str, at: Timestamp, body: &str) -> Vec<u8> {
    format!("{id}.{}.{body}", at.seconds()).into_bytes()
}

openhub_sdk::plugin! { channels: [webhook] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_id_seconds_and_body() {
        let at = Timestamp::from_micros(1_614_265_330_999_999);
        assert_eq!(signed("msg_1", at, r#"{"test":1}"#), br#"msg_1.1614265330.{"test":1}"#);
    }
}
