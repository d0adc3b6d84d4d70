//! Requests to the hosts that were granted, many at once.
//!
//! A request is made of parts: a secret is a part that the host fills in, only where the manifest allows it.

use crate::bindings::io::openhub::http::http;
use crate::channel::Message;
use crate::time::Timestamp;

pub use crate::bindings::io::openhub::http::http::{Fault, Part, Request};
pub use crate::bindings::io::openhub::types::types::Response;

const DEFAULT_TIMEOUT_MS: u32 = 10_000;

impl Request {
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Request {
        Request {
            method: method.into(),
            url: vec![Part::Text(url.into())],
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
            concerns: Vec::new(),
        }
    }

    pub fn get(url: impl Into<String>) -> Request {
        Request::new("GET", url)
    }

    pub fn post(url: impl Into<String>) -> Request {
        Request::new("POST", url)
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), vec![Part::Text(value.into())]));
        self
    }

    /// `parts` such as `Bearer ` and a secret, put together by the host.
    #[must_use]
    pub fn header_of(mut self, name: impl Into<String>, parts: Vec<Part>) -> Request {
        self.headers.push((name.into(), parts));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Request {
        self.body.push(Part::Text(body.into()));
        self
    }

    /// It may deliver this message of the channel's call: if the call ends before the message is settled, it may have arrived, and
    /// messages that no request concerned have not.
    #[must_use]
    pub fn concerning<C>(mut self, message: &Message<C>) -> Request {
        self.concerns.push(message.index());
        self
    }

    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Request {
        self.timeout_ms = timeout_ms;
        self
    }
}

/// Side by side; one answer a request, in order. An answer whose body is too large, or broke off, comes with its status
/// and the header `openhub-cut`, which says why, and without its body.
pub fn fetch(requests: &[Request]) -> Vec<Result<Response, Fault>> {
    http::fetch(requests)
}

/// Sends a request whose answer gives a secret, like the token of an OAuth client: `plugin.toml` says where it stands, as
/// `capture = "/access_token"`. The host keeps it, masks it in the answer, and fills it in where `places` says.
pub fn capture(secret: &str, request: &Request) -> Result<Response, Fault> {
    http::capture(secret, request)
}

/// Since when a captured secret has its value. None: capture it first.
pub fn captured(secret: &str) -> Option<Timestamp> {
    http::captured(secret).map(Timestamp::from_micros)
}

impl Response {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Milliseconds that `Retry-After` (RFC 9110, seconds or a date) asks to wait.
    pub fn retry_after_ms(&self, now: Timestamp) -> Option<u32> {
        let value = self.header("retry-after")?.trim();
        let millis = match value.parse::<u64>() {
            Ok(seconds) => seconds.saturating_mul(1_000),
            Err(_) => {
                let wait = Timestamp::parse_http_date(value)?.micros().saturating_sub(now.micros());
                u64::try_from(wait).unwrap_or(0) / 1_000
            }
        };
        Some(u32::try_from(millis).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(value: &str) -> Option<u32> {
        let now = Timestamp::parse("1994-11-06T08:49:00Z").expect("a time");
        let headers = vec![("Retry-After".to_owned(), value.to_owned())];
        Response { status: 429, headers, body: Vec::new() }.retry_after_ms(now)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(after("120"), Some(120_000));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37_000));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(after("99999999999999"), Some(u32::MAX));
        assert_eq!(after("soon"), None);
    }
}
