//! Endpoints: the plugin's own HTTP API. The hub has checked the caller's key by then, and says whose it is.
//!
//! What an endpoint writes stands when the write returns, whatever it answers. A caller that gets no answer sends the same request
//! again, with the same `Idempotency-Key`: tell it by [`Call::idempotency_key`].

use serde_json::Value;

use crate::bindings::endpoint::exports::openhub::endpoint::endpoint as raw;
use crate::reason::Failure;
use crate::source::{Request, Response, decoded};

pub use raw::{Caller, Guest};

/// Made by `#[endpoint(…)]` on a function `fn(Call) -> Result<Answer, Failure>`.
pub trait Endpoint {
    const NAME: &'static str;
    const PATH: &'static str;

    fn handle(call: Call) -> Result<Answer, Failure>;
}

/// A request, and who makes it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The id of the caller's key, and its scopes.
    pub caller: Caller,
    /// Its path begins behind the plugin's address.
    pub request: Request,
    template: &'static str,
}

impl Call {
    /// What stands in the path where the endpoint's has `{name}`, decoded.
    pub fn step(&self, name: &str) -> Option<String> {
        let mut steps = self.template.split('/').zip(self.request.path.split('/'));
        let is_named = |step: &str| step.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(name);
        // A plus is a plus in a path.
        steps.find(|(step, _)| is_named(step)).map(|(_, given)| decoded(&given.replace('+', "%2B")))
    }

    /// What the caller names this request by; the same whenever it sends it again.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.request.header("idempotency-key")
    }

    /// Whether the caller's key carries a scope of the hub, such as `objects:write`, or all of them.
    pub fn may(&self, scope: &str) -> bool {
        self.caller.scopes.iter().any(|known| known == scope || known == "*")
    }

    /// The body as JSON; an empty one is `null`. What is no JSON is rejected.
    pub fn json(&self) -> Result<Value, Failure> {
        if self.request.body.is_empty() { Ok(Value::Null) } else { self.request.json() }
    }
}

/// What a call is answered.
#[derive(Clone, Debug)]
pub struct Answer(Response);

impl Answer {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Answer {
        Answer::of(status, body.to_string()).header("content-type", "application/json")
    }

    /// A body of any kind: plain text without a `content-type`.
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer(Response { status, headers: Vec::new(), body: body.into() })
    }

    /// The hub sends `content-type`, `content-language`, `content-disposition`, `cache-control`, `etag` and `retry-after`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Answer {
        self.0.headers.push((name.into(), value.into()));
        self
    }
}

/// Runs one endpoint, for generated code.
pub fn run<E: Endpoint>(caller: Caller, request: Request) -> Result<Response, Failure> {
    E::handle(Call { caller, request, template: E::PATH }).map(|Answer(response)| response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_path_are_named_and_decoded() {
        let path = "/coupons/A%2FB+1/redeem".to_owned();
        let (method, query) = ("POST".to_owned(), String::new());
        let headers = vec![("idempotency-key".to_owned(), "r-1".to_owned())];
        let call = Call {
            caller: Caller { key: "k".to_owned(), scopes: vec!["plugins:call:till".to_owned()] },
            request: Request { method, path, query, headers, body: Vec::new() },
            template: "/coupons/{code}/redeem",
        };
        assert_eq!(call.step("code").as_deref(), Some("A/B+1"));
        assert_eq!((call.step("redeem"), call.step("other")), (None, None));
        assert_eq!(call.idempotency_key(), Some("r-1"));
        assert!(call.may("plugins:call:till") && !call.may("objects:write"));
        assert!(call.json().unwrap().is_null());
    }
}
