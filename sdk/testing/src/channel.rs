//! Channels: messages go out through the plugin to the provider of the test, and their verdicts come back.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::told::{CallFault, Reason, text};

/// A call of a channel in the making.
pub struct ChannelCase<'h> {
    hub: &'h Hub,
    name: String,
    address: String,
    attempt: u32,
    unsubscribe_url: Option<String>,
}

/// What became of the messages of a call: one verdict a message, in order, also after a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub verdicts: Vec<Verdict>,
    pub fault: Option<CallFault>,
}

/// The fate of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `units` is what the provider bills.
    Accepted {
        provider_id: String,
        units: u64,
    },
    /// Not before `after_ms`; 0 leaves it to the hub.
    Retry {
        after_ms: u64,
        reason: Reason,
    },
    Rejected(Reason),
    BadAddress(Reason),
    OptedOut(Reason),
    /// It may have arrived: retry or park, by the channel's setting.
    Unknown(Reason),
    /// An admin must act.
    Misconfigured(Reason),
}

impl<'h> ChannelCase<'h> {
    pub(crate) fn new(hub: &'h Hub, name: &str) -> Self {
        ChannelCase { hub, name: name.to_owned(), address: "address-1".to_owned(), attempt: 1, unsubscribe_url: None }
    }

    /// Where the messages go, of the address kind that the channel declares.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        self.address = address.to_owned();
        self
    }

    /// Which attempt it is; the first is 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Where its receiver says that they want no more; without, it needs no consent.
    #[must_use]
    pub fn unsubscribe_url(mut self, url: &str) -> Self {
        self.unsubscribe_url = Some(url.to_owned());
        self
    }

    /// Sends one message with this content (a JSON object), under the idempotency key `message-1`.
    #[track_caller]
    pub fn send(&self, content: Value) -> Verdict {
        self.send_all(&[content]).remove(0)
    }

    /// Sends several messages in one call; one verdict a message, in order.
    #[track_caller]
    pub fn send_all(&self, contents: &[Value]) -> Vec<Verdict> {
        let sent = self.try_send_all(contents);
        if let Some(fault) = sent.fault {
            panic!("the channel `{}` failed: {fault}", self.name);
        }
        sent.verdicts
    }

    /// Like `send_all`, for tests of calls that fail as a whole.
    #[track_caller]
    pub fn try_send_all(&self, contents: &[Value]) -> Sent {
        let messages = contents.iter().enumerate().map(|(index, content)| {
            let key = format!("message-{}", index + 1);
            json!({
                "idempotency_key": key, "attempt": self.attempt, "address": self.address, "content": content,
                "unsubscribe_url": self.unsubscribe_url,
            })
        });
        let (settings, secrets, at) = (self.hub.settings(), self.hub.secrets(), self.hub.now().micros());
        let messages: Vec<Value> = messages.collect();
        let answer = self.hub.ask(&json!({"channel": {
            "name": self.name, "settings": settings, "secrets": secrets, "at": at, "messages": messages,
        }}));
        let verdicts = answer["verdicts"].as_array().into_iter().flatten().map(Verdict::of).collect();
        Sent { verdicts, fault: CallFault::of(&answer["fault"]) }
    }
}

impl Verdict {
    fn of(told: &Value) -> Verdict {
        let Some((name, said)) = told.as_object().and_then(|told| told.iter().next()) else {
            return Verdict::Unknown(Reason::default());
        };
        match name.as_str() {
            "accepted" => Verdict::Accepted {
                provider_id: text(&said["provider_id"]),
                units: said["units"].as_u64().unwrap_or_default(),
            },
            "retry" => Verdict::Retry {
                after_ms: said["after_ms"].as_u64().unwrap_or_default(),
                reason: Reason::of(&said["reason"]),
            },
            "rejected" => Verdict::Rejected(Reason::of(said)),
            "bad-address" => Verdict::BadAddress(Reason::of(said)),
            "opted-out" => Verdict::OptedOut(Reason::of(said)),
            "misconfigured" => Verdict::Misconfigured(Reason::of(said)),
            _ => Verdict::Unknown(Reason::of(said)),
        }
    }
}
