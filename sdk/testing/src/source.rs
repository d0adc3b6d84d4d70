//! Sources: a test's requests go through the plugin, and what they come to is told.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::told::{CallFault, Reason, text};

/// A request to a source in the making.
pub struct SourceCase<'h> {
    hub: &'h Hub,
    name: String,
    query: String,
    headers: Vec<(String, String)>,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the source verified a signature, or a token.
    pub verified: bool,
    pub events: Vec<SourceEvent>,
    pub reports: Vec<Report>,
    /// Events that it appended by `openhub_sdk::events` meanwhile.
    pub tracked: Vec<SourceEvent>,
}

/// An event that a source yields, or that a plugin appends by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceEvent {
    pub id: String,
    pub name: String,
    /// RFC 3339; none is when it was received.
    pub at: Option<String>,
    /// Kinds and values.
    pub identities: Vec<(String, String)>,
    pub properties: Value,
}

/// What became of a message that was sent earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub provider_id: String,
    pub status: String,
    pub at: Option<String>,
    pub reason: Option<Reason>,
}

/// Why a source, or an endpoint, gave no answer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Not before `after_ms`; 0 leaves it to the hub.
    Retry {
        after_ms: u64,
        reason: Reason,
    },
    Rejected(Reason),
    Misconfigured(Reason),
    /// The call failed.
    Failed(CallFault),
}

impl Unanswered {
    pub(crate) fn of(told: &Value) -> Option<Unanswered> {
        if let Some(fault) = CallFault::of(&told["fault"]) {
            return Some(Unanswered::Failed(fault));
        }
        let (kind, said) = told["failed"].as_object()?.iter().next()?;
        Some(match kind.as_str() {
            "retry" => Unanswered::Retry {
                after_ms: said["after_ms"].as_u64().unwrap_or_default(),
                reason: Reason::of(&said["reason"]),
            },
            "misconfigured" => Unanswered::Misconfigured(Reason::of(said)),
            _ => Unanswered::Rejected(Reason::of(said)),
        })
    }
}

impl<'h> SourceCase<'h> {
    pub(crate) fn new(hub: &'h Hub, name: &str) -> Self {
        SourceCase { hub, name: name.to_owned(), query: String::new(), headers: Vec::new() }
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

    #[track_caller]
    pub fn post(&self, body: impl AsRef<[u8]>) -> Received {
        self.sent("POST", body)
    }

    #[track_caller]
    pub fn get(&self) -> Received {
        self.sent("GET", "")
    }

    /// # Panics
    /// If the source gives no answer of its own.
    #[track_caller]
    fn sent(&self, method: &str, body: impl AsRef<[u8]>) -> Received {
        self.send(method, body).unwrap_or_else(|why| panic!("the source `{}` did not answer: {why:?}", self.name))
    }

    /// For tests of requests that have no answer of the source's own, too.
    #[track_caller]
    pub fn send(&self, method: &str, body: impl AsRef<[u8]>) -> Result<Received, Unanswered> {
        let (settings, secrets, at) = (self.hub.settings(), self.hub.secrets(), self.hub.now().micros());
        let answer = self.hub.ask(&json!({"source": {
            "name": self.name, "settings": settings, "secrets": secrets, "at": at, "method": method,
            "query": self.query, "headers": self.headers, "body": body.as_ref(),
        }}));
        match Unanswered::of(&answer) {
            Some(why) => Err(why),
            None => Ok(Received::of(&answer)),
        }
    }
}

impl Received {
    fn of(told: &Value) -> Received {
        let list = |name: &str| told[name].as_array().cloned().unwrap_or_default();
        let bytes = list("body").iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
        Received {
            status: told["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
            headers: list("headers").iter().map(pair).collect(),
            body: bytes,
            verified: told["verified"] == true,
            events: list("events").iter().map(SourceEvent::of).collect(),
            reports: list("reports").iter().map(Report::of).collect(),
            tracked: list("tracked").iter().map(SourceEvent::of).collect(),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl SourceEvent {
    pub(crate) fn of(told: &Value) -> SourceEvent {
        SourceEvent {
            id: text(&told["id"]),
            name: text(&told["name"]),
            at: told["at"].as_str().map(str::to_owned),
            identities: told["identities"].as_array().into_iter().flatten().map(pair).collect(),
            properties: told["properties"].clone(),
        }
    }
}

impl Report {
    fn of(told: &Value) -> Report {
        Report {
            provider_id: text(&told["provider_id"]),
            status: text(&told["status"]),
            at: told["at"].as_str().map(str::to_owned),
            reason: told["reason"].is_object().then(|| Reason::of(&told["reason"])),
        }
    }
}

pub(crate) fn pair(told: &Value) -> (String, String) {
    (text(&told[0]), text(&told[1]))
}
