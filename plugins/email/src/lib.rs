//! The channel `email`, and the source `events` by which its provider says what became of a mail.
//!
//! The provider's API has the form of Resend's: `POST /emails` with a key as Bearer token, and webhooks that are signed as Standard
//! Webhooks says. Its contact of a customer is handed out, and erased with the customer (`/contacts`). A mail to somebody who agreed to a purpose can be unsubscribed from with one click (RFC 8058).

mod contact;
mod events;
mod mail;
mod verdict;

use openhub_sdk::http::{self, Part, Request};
use openhub_sdk::prelude::*;
use openhub_sdk::{call, clock};

openhub_sdk::plugin! { channels: [email], sources: [events::events], privacy: [contact::Contacts] }

const KEY: &str = "api-key";

#[derive(Clone, Debug, Settings)]
pub struct Provider {
    /// Where mails are handed over, like `https://api.resend.com/emails`.
    pub url: String,
    /// Who sends them: `Shop <shop@example.com>`.
    pub from: String,
    /// Where answers go.
    pub reply_to: Option<String>,
}

/// A mail: at least one of `html` and `text`.
#[derive(Clone, Debug, Content)]
pub struct Mail {
    pub subject: String,
    #[field(html)]
    pub html: Option<String>,
    pub text: Option<String>,
}

/// Hands a batch over, and settles each mail by its own answer.
#[channel(name = "email", address = "email", purpose = "marketing")]
pub fn email(batch: Messages<Mail>) -> Result<(), Failure> {
    let provider: Provider = call::settings().map_err(Failure::Misconfigured)?;
    let now = clock::now();
    let (mails, requests): (Vec<_>, Vec<_>) = batch.filter_map(|message| request(&provider, message)).unzip();
    for (message, answer) in mails.into_iter().zip(http::fetch(&requests)) {
        let verdict = verdict::of(answer, now);
        message.settle(verdict);
    }
    Ok(())
}

/// None if the mail says nothing: it is settled then.
fn request(provider: &Provider, message: Message<Mail>) -> Option<(Message<Mail>, Request)> {
    let is_there = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if message.content.subject.is_empty() || !(is_there(&message.content.html) || is_there(&message.content.text)) {
        message.settle(Verdict::Rejected(Reason::new("empty", "a mail needs a subject, and `html` or `text`")));
        return None;
    }
    let request = Request::post(&provider.url)
        .concerning(&message)
        .header_of("authorization", vec![Part::Text("Bearer ".to_owned()), Part::Secret(KEY.to_owned())])
        .header("content-type", "application/json")
        // The provider takes a mail of one key once, however often it is sent.
        .header("idempotency-key", &message.idempotency_key)
        .body(mail::body(provider, &message));
    Some((message, request))
}
