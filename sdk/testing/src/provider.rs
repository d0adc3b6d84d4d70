//! The provider of a test: a real HTTP server on this machine, which answers by script and keeps what came.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::told::text;

/// Answers 200 with an empty body, unless told otherwise.
pub struct Provider<'h> {
    hub: &'h Hub,
    address: &'h str,
}

/// What the provider does with one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// None breaks the connection off after the request has arrived.
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: String,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(status: u16) -> Answer {
        Answer { status: Some(status), headers: Vec::new(), body: String::new() }
    }

    /// Takes the request and breaks off: the sender cannot know what became of it.
    pub fn broken() -> Answer {
        Answer { status: None, headers: Vec::new(), body: String::new() }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Answer {
        self.body = body.into();
        self
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body is not JSON: {error}"))
    }

    fn of(told: &Value) -> Request {
        let headers = told["headers"].as_array().into_iter().flatten();
        let body = told["body"].as_array().into_iter().flatten();
        Request {
            method: text(&told["method"]),
            path: text(&told["path"]),
            headers: headers.map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
            body: body.filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect(),
        }
    }
}

impl<'h> Provider<'h> {
    pub(crate) fn new(hub: &'h Hub, address: &'h str) -> Self {
        Provider { hub, address }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_owned()
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Adds an answer to the script; the next requests take them in order.
    pub fn answer(&self, answer: Answer) -> &Self {
        let Answer { status, headers, body } = answer;
        self.hub.ask(&json!({"answer": {"status": status, "headers": headers, "body": body}}));
        self
    }

    /// The requests that came since this was asked last.
    pub fn take_requests(&self) -> Vec<Request> {
        self.hub.ask(&json!({"requests": {}})).as_array().into_iter().flatten().map(Request::of).collect()
    }
}
