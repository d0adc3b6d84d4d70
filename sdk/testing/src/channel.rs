//! Channels: messages go out through the plugin to the provider of the test, and their verdicts come back.

use openhub_model::manifest::ChannelShape;
use openhub_runtime::{OutMessage, Sent, Verdict};
use serde_json::Value;

use crate::hub::Hub;

/// A call of a channel in the making.
pub struct ChannelCase<'h> {
    hub: &'h Hub,
    shape: &'h ChannelShape,
    address: String,
    attempt: u32,
}

impl<'h> ChannelCase<'h> {
    pub(crate) fn new(hub: &'h Hub, shape: &'h ChannelShape) -> Self {
        ChannelCase { hub, shape, address: "address-1".to_owned(), attempt: 1 }
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
            panic!("the channel `{}` failed: {fault}", self.shape.name);
        }
        sent.verdicts
    }

    /// Like `send_all`, for tests of calls that fail as a whole.
    pub fn try_send_all(&self, contents: &[Value]) -> Sent {
        let messages = contents.iter().enumerate().map(|(index, content)| OutMessage {
            idempotency_key: format!("message-{}", index + 1),
            attempt: self.attempt,
            address: self.address.clone(),
            customer: "customer-1".to_owned(),
            purpose: self.shape.purpose.clone().unwrap_or_default(),
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
            expires_at: None,
            unsubscribe_url: None,
            content: content.to_string(),
        });
        let sending = self.hub.plugin().send(self.hub.io(), &self.shape.name, messages.collect());
        self.hub.tasks.block_on(sending)
    }
}
