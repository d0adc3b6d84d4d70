//! The channel `sms`, and the source `reports` by which its provider says what became of a message.
//!
//! The provider is Alibaba Cloud Short Message Service (Dysms, version 2017-05-25): `SendSms`, signed as its gateway wants it
//! (`ACS3-HMAC-SHA256`); the key never comes here, the host computes the signature. The provider knows no idempotency key: a message that
//! may have gone out is parked, and not sent again by itself.
//!
//! A message is a template of the provider's with parameters. In a journey:
//! `{"template": "SMS_154950909", "params": ["code={{ trigger.properties.code }}"]}`.
//!
//! For reports, choose "HTTP batch push" for `SmsReport` in the provider's console and give it the hub's address of the source with
//! `?token=` and the secret `report-token`: the provider signs nothing.

mod message;
mod report;
mod signature;
mod verdict;

use openhub_sdk::http::{self, Request};
use openhub_sdk::prelude::*;
use openhub_sdk::{call, clock};

openhub_sdk::plugin! { channels: [sms], sources: [report::reports] }

#[derive(Clone, Debug, Settings)]
pub struct Provider {
    /// Where messages are handed over, like `https://dysmsapi.aliyuncs.com/`.
    pub url: String,
    pub access_key_id: String,
    /// Who sends, as the provider has approved it; shown before the text, in 【】.
    pub sign_name: String,
    /// The template of messages that name none.
    pub template: Option<String>,
}

/// A message: the provider knows its text.
#[derive(Clone, Debug, Content)]
pub struct Sms {
    /// `SMS_154950909`.
    pub template: Option<String>,
    /// The template's parameters, each as `name=value`.
    pub params: Vec<String>,
    /// The template's text, with `${code}` for a parameter: of it, parts are counted. Without, a message counts as one part.
    pub wording: Option<String>,
    /// Another sender than the setting's.
    pub sign_name: Option<String>,
}

/// Hands a batch over, one request a message, and settles each by its own answer.
#[channel(name = "sms", address = "phone", purpose = "marketing", unknown = "park")]
pub fn sms(batch: Messages<Sms>) -> Result<(), Failure> {
    let provider: Provider = call::settings().map_err(Failure::Misconfigured)?;
    let now = clock::now();
    let mut messages = Vec::new();
    let mut requests = Vec::new();
    for message in batch {
        match message::parameters(&provider, &message) {
            Ok(parameters) => {
                requests.push(request(&provider, &message, &parameters, now)?.concerning(&message));
                messages.push(message);
            }
            Err(reason) => message.settle(Verdict::Rejected(reason)),
        }
    }
    for (message, answer) in messages.into_iter().zip(http::fetch(&requests)) {
        let units = message::parts(&provider, &message.content);
        message.settle(verdict::of(answer, units));
    }
    Ok(())
}

/// All parameters stand in the query, as the provider's API says of `SendSms`; the body is empty.
fn request(
    provider: &Provider,
    message: &Message<Sms>,
    parameters: &[(&str, String)],
    now: Timestamp,
) -> Result<Request, Failure> {
    // Never the same twice: the gateway takes a number once.
    let nonce = format!("{}-{}-{}", message.idempotency_key, message.attempt, now.micros());
    signature::signed(provider, &signature::Call { action: "SendSms", parameters, at: now, nonce: &nonce })
}
