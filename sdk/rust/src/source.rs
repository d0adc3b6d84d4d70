//! Sources: requests from outside become events, and word of what became of messages.
//!
//! Whoever knows the address can send a request. Verify its signature with [`crate::secrets`] before anything else: only then may
//! the identities of its events join customers, and only then may it report on messages.

use crate::bindings::source::exports::openhub::source::source as raw;
use crate::event::Event;
use crate::reason::{Failure, Reason};
use crate::time::Timestamp;

pub use crate::bindings::io::openhub::types::types::{Identity, NewEvent, Request, Response};
pub use raw::{Guest, Received as RawReceived};

/// Made by `#[source(…)]` on a function `fn(Request) -> Result<Received, Failure>`.
pub trait Source {
    const NAME: &'static str;

    fn receive(request: Request) -> Result<Received, Failure>;
}

/// What a request came to. The hub commits the events and reports before it sends the answer; what it took already, by its id, is
/// not taken again.
#[derive(Clone, Debug)]
pub struct Received {
    pub answer: Response,
    pub events: Vec<NewEvent>,
    pub reports: Vec<Report>,
}

impl Received {
    /// Answered with 200 and no body, as most callers want it.
    pub fn ok() -> Received {
        Received::answered(200, "")
    }

    /// Answered with a text.
    pub fn answered(status: u16, body: impl Into<Vec<u8>>) -> Received {
        let answer = Response { status, headers: Vec::new(), body: body.into() };
        Received { answer, events: Vec::new(), reports: Vec::new() }
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Received {
        self.answer.headers.push((name.into(), value.into()));
        self
    }

    /// Adds an event that the source declares.
    #[must_use]
    pub fn event<E: Event>(mut self, event: &Happened<E>) -> Received {
        self.events.push(event.to_event());
        self
    }

    /// Adds word of what became of a message that a channel of this plugin sent.
    #[must_use]
    pub fn report(mut self, report: Report) -> Received {
        self.reports.push(report);
        self
    }
}

/// An event, with whose it is and when it happened.
#[derive(Clone, Debug)]
pub struct Happened<E> {
    id: String,
    at: Option<Timestamp>,
    identities: Vec<Identity>,
    event: E,
}

impl<E: Event> Happened<E> {
    /// `id` is the same whenever the caller sends it again. It needs an identity, too.
    pub fn new(id: impl Into<String>, event: E) -> Happened<E> {
        Happened { id: id.into(), at: None, identities: Vec::new(), event }
    }

    /// Without an id: only for a job, whose run names it then. Give one wherever the other system has one.
    pub fn unnamed(event: E) -> Happened<E> {
        Happened::new("", event)
    }

    /// As it crosses the boundary.
    pub fn to_event(&self) -> NewEvent {
        NewEvent {
            id: self.id.clone(),
            name: E::NAME.to_owned(),
            occurred_at: self.at.map(Timestamp::micros),
            identities: self.identities.clone(),
            properties: self.event.to_json(),
        }
    }

    /// `of("email", "ada@example.com")`; also `user_id`, `anonymous_id`, `phone` and the tenant's own kinds.
    #[must_use]
    pub fn of(mut self, kind: impl Into<String>, value: impl Into<String>) -> Happened<E> {
        self.identities.push(Identity { kind: kind.into(), value: value.into() });
        self
    }

    /// Without, it happened when it was received.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Happened<E> {
        self.at = Some(at);
        self
    }
}

/// What became of a message that was sent earlier.
#[derive(Clone, Debug)]
pub struct Report {
    provider_id: String,
    status: String,
    at: Option<Timestamp>,
    reason: Option<Reason>,
}

impl Report {
    /// `provider_id` as the channel's receipt had it; `status` is `delivered`, `bounced`, `opened`, `clicked`, `complained`,
    /// `unsubscribed`, or the provider's own word in kebab-case.
    pub fn new(provider_id: impl Into<String>, status: impl Into<String>) -> Report {
        Report { provider_id: provider_id.into(), status: status.into(), at: None, reason: None }
    }

    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Report {
        self.at = Some(at);
        self
    }

    #[must_use]
    pub fn because(mut self, reason: Reason) -> Report {
        self.reason = Some(reason);
        self
    }
}

/// Runs one source, for generated code.
pub fn run<S: Source>(request: Request) -> Result<RawReceived, Failure> {
    let Received { answer, events, reports } = S::receive(request)?;
    let reports = reports.into_iter().map(|Report { provider_id, status, at, reason }| raw::Report {
        provider_id,
        status,
        at: at.map(Timestamp::micros),
        reason,
    });
    Ok(RawReceived { answer, events, reports: reports.collect() })
}

impl Request {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first parameter of that name in the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('=').or(Some((pair, ""))));
        let mut pairs = pairs.map(|(name, value)| (decoded(name), decoded(value)));
        pairs.find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The body as JSON of a form; what is not is rejected.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::Rejected(Reason::new("not-json", format!("the body is not valid JSON: {error}"))))
    }
}

/// `+` and percent signs undone.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digits = (byte == b'%').then(|| Some((ahead.next()?, ahead.next()?))).flatten();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        match digits.and_then(|(high, low)| Some(digit(high)? * 16 + digit(low)?)) {
            Some(value) => {
                bytes.push(value as u8);
                rest = ahead;
            }
            None => bytes.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = "a=1&msg_signature=a%2Bb%3D&name=%E5%BC%A0+%zz&a=2&empty".to_owned();
        let request =
            Request { method: String::new(), path: String::new(), query, headers: Vec::new(), body: Vec::new() };
        let parameter = |name: &str| request.parameter(name);
        assert_eq!(parameter("a").as_deref(), Some("1"));
        assert_eq!(parameter("msg_signature").as_deref(), Some("a+b="));
        assert_eq!(parameter("name").as_deref(), Some("张 %zz"));
        assert_eq!(parameter("empty").as_deref(), Some(""));
        assert_eq!(parameter("other"), None);
    }
}
