//! The channel `wecom`: messages of a WeCom (企业微信) application to members of the company, by their `UserID`.
//!
//! `POST /cgi-bin/message/send` with a token that `GET /cgi-bin/gettoken` gives for the secret of the application. Token and secret stay with
//! the host: the token is captured from the answer, and asked for anew when it is old or the provider says that it is invalid. The provider
//! knows no idempotency key: a message that may have gone out is parked.
//!
//! The content of a message is a text, a Markdown text, or a card with a title and a link:
//! `{"kind": "textcard", "title": "…", "text": "…", "url": "https://…"}`.

mod body;
mod token;
mod verdict;

use openhub_sdk::call;
use openhub_sdk::http::{self, Part, Request};
use openhub_sdk::prelude::*;

use verdict::Fate;

openhub_sdk::plugin! { channels: [wecom] }

#[derive(Clone, Debug, Settings)]
pub struct Application {
    /// `https://qyapi.weixin.qq.com`, or the company's own gateway to it.
    pub url: String,
    /// The company: `ww…`.
    pub corp_id: String,
    /// The application's number.
    pub agent_id: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Kind {
    Text,
    Markdown,
    Textcard,
}

#[derive(Clone, Debug, Content)]
pub struct Note {
    /// Without, it is a text.
    pub kind: Option<Kind>,
    pub text: String,
    /// Of a card.
    pub title: Option<String>,
    /// Where a click on a card leads.
    pub url: Option<String>,
    /// What a card's button says.
    pub button: Option<String>,
}

/// Hands a batch over, one request a message. What was refused for its token goes out once more with a new one.
#[channel(name = "wecom", address = "wecom_userid", unknown = "park")]
pub fn wecom(batch: Messages<Note>) -> Result<(), Failure> {
    let application: Application = call::settings().map_err(Failure::Misconfigured)?;
    let mut messages: Vec<(Message<Note>, String)> = Vec::new();
    for message in batch {
        match body::of(&application, &message) {
            Ok(body) => messages.push((message, body)),
            Err(reason) => message.settle(Verdict::Rejected(reason)),
        }
    }
    if messages.is_empty() {
        return Ok(());
    }
    token::ready(&application)?;
    let refused = send(&application, messages, |message, reason| Some((message, reason)));
    if refused.is_empty() {
        return Ok(());
    }
    if let Err(failure) = token::renew(&application) {
        // None of them was sent: left as they are, they would count as if they may have been.
        refused.into_iter().for_each(|((message, _), _)| message.settle(verdict::of_failure(failure.clone())));
        return Ok(());
    }
    let again = refused.into_iter().map(|((message, body), _)| (message, body)).collect();
    // A new token is refused, too: it is not the token.
    send(&application, again, |(message, _), reason| {
        message.settle(Verdict::Misconfigured(reason));
        None
    });
    Ok(())
}

type Sending = (Message<Note>, String);

/// Settles each message by its answer; those whose token was refused go to `stale`.
fn send(
    application: &Application,
    messages: Vec<Sending>,
    stale: impl Fn(Sending, Reason) -> Option<(Sending, Reason)>,
) -> Vec<(Sending, Reason)> {
    let requests: Vec<Request> = messages.iter().map(|(message, body)| request(application, message, body)).collect();
    let mut left = Vec::new();
    for (sending, answer) in messages.into_iter().zip(http::fetch(&requests)) {
        match verdict::of(answer, &sending.0.address) {
            Fate::Settled(verdict) => sending.0.settle(verdict),
            Fate::Stale(reason) => left.extend(stale(sending, reason)),
        }
    }
    left
}

fn request(application: &Application, message: &Message<Note>, body: &str) -> Request {
    let mut request = Request::post(format!("{}/cgi-bin/message/send?access_token=", token::base(application)));
    request.url.push(Part::Secret(token::TOKEN.to_owned()));
    request.header("content-type", "application/json").body(body).concerning(message)
}
