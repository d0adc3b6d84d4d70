//! Endpoints: a test calls the plugin's own HTTP API by method and path, as a holder of a key would.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::source::{SourceEvent, Unanswered, pair};

/// A call in the making.
pub struct EndpointCase<'h> {
    hub: &'h Hub,
    key: String,
    scopes: Vec<String>,
    query: String,
    headers: Vec<(String, String)>,
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Events that it appended by `openhub_sdk::events`.
    pub tracked: Vec<SourceEvent>,
}

impl<'h> EndpointCase<'h> {
    pub(crate) fn new(hub: &'h Hub) -> Self {
        let scopes = vec!["plugins:call".to_owned()];
        EndpointCase { hub, key: "key-1".to_owned(), scopes, query: String::new(), headers: Vec::new() }
    }

    /// The id of the caller's key, and its scopes.
    #[must_use]
    pub fn by(mut self, key: &str, scopes: &[&str]) -> Self {
        self.key = key.to_owned();
        self.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    /// What stands behind `?`, encoded.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        self.query = query.to_owned();
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// The path begins behind the plugin's address: `/coupons/A/redeem`.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answered {
        self.sent("POST", path, body.to_string())
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answered {
        self.sent("GET", path, "")
    }

    /// # Panics
    /// If the endpoint gives no answer of its own.
    #[track_caller]
    fn sent(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> Answered {
        self.send(method, path, body).unwrap_or_else(|why| panic!("{method} {path} was not answered: {why:?}"))
    }

    /// For tests of calls that have no answer of the endpoint's own, too.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> Result<Answered, Unanswered> {
        let (settings, secrets, at) = (self.hub.settings(), self.hub.secrets(), self.hub.now().micros());
        let told = self.hub.ask(&json!({"endpoint": {
            "settings": settings, "secrets": secrets, "at": at, "key": self.key, "scopes": self.scopes, "method": method,
            "path": path, "query": self.query, "headers": self.headers, "body": body.as_ref(),
        }}));
        match Unanswered::of(&told) {
            Some(why) => Err(why),
            None => Ok(Answered::of(&told)),
        }
    }
}

impl Answered {
    fn of(told: &Value) -> Answered {
        let list = |name: &str| told[name].as_array().cloned().unwrap_or_default();
        Answered {
            status: told["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
            headers: list("headers").iter().map(pair).collect(),
            body: list("body").iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect(),
            tracked: list("tracked").iter().map(SourceEvent::of).collect(),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}
