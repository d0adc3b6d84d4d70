//! Channels: messages come in batches and are settled one by one, as soon as their fate is known, so that a fault
//! later on resends nothing that is settled.

use std::marker::PhantomData;

use crate::bindings::channel::exports::openhub::channel::channel as raw;
use crate::bindings::channel::openhub::channel::settlement;
use crate::reason::{Failure, Reason};
use crate::record::{self, Record};
use crate::time::Timestamp;

pub use crate::bindings::channel::openhub::channel::types::{Receipt, Verdict};
pub use raw::{Guest, Message as RawMessage};

/// Made by `#[channel(…)]` on a function `fn(Messages<C>) -> Result<(), Failure>`.
pub trait Channel {
    const NAME: &'static str;
    type Content: Content;

    fn send(messages: Messages<Self::Content>) -> Result<(), Failure>;
}

/// What a message of a channel says; made by `#[derive(Content)]`.
pub trait Content: Sized {
    fn read(json: &str) -> Result<Self, Reason>;
}

/// Any JSON object, as its text, for channels that pass content on as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(pub String);

impl Content for Json {
    fn read(json: &str) -> Result<Self, Reason> {
        Ok(Json(json.to_owned()))
    }
}

/// The content of a record type, for generated code.
pub fn read_record<T: Record>(json: &str) -> Result<T, Reason> {
    T::parse(json).map_err(|faults| record::reason("content", &faults))
}

/// Runs one channel over a batch.
pub fn run<C: Channel>(messages: Vec<RawMessage>) -> Result<(), Failure> {
    C::send(Messages { rest: messages.into_iter().enumerate(), content: PhantomData })
}

/// A batch. Messages whose content is not the channel's are rejected as they are met.
pub struct Messages<C> {
    rest: std::iter::Enumerate<std::vec::IntoIter<RawMessage>>,
    content: PhantomData<C>,
}

impl<C: Content> Iterator for Messages<C> {
    type Item = Message<C>;

    fn next(&mut self) -> Option<Message<C>> {
        loop {
            let (index, raw) = self.rest.next()?;
            let index = index as u32;
            match C::read(&raw.content) {
                Ok(content) => return Some(Message::new(index, raw, content)),
                Err(reason) => settlement::settle(index, &Verdict::Rejected(reason)),
            }
        }
    }
}

/// One message to one address. Left unsettled it is tried again, or counts as unknown if a request may have delivered it.
#[derive(Clone, Debug)]
pub struct Message<C> {
    index: u32,
    /// The same at every attempt of the same message.
    pub idempotency_key: String,
    pub attempt: u32,
    /// Of the address kind that the channel declares.
    pub address: String,
    /// By id.
    pub customer: String,
    pub purpose: String,
    /// BCP 47.
    pub locale: String,
    /// IANA.
    pub time_zone: String,
    pub expires_at: Option<Timestamp>,
    pub unsubscribe_url: Option<String>,
    pub content: C,
}

impl<C> Message<C> {
    fn new(index: u32, raw: RawMessage, content: C) -> Self {
        Message {
            index,
            idempotency_key: raw.idempotency_key,
            attempt: raw.attempt,
            address: raw.address,
            customer: raw.customer,
            purpose: raw.purpose,
            locale: raw.locale,
            time_zone: raw.time_zone,
            expires_at: raw.expires_at.map(Timestamp::from_micros),
            unsubscribe_url: raw.unsubscribe_url,
            content,
        }
    }

    /// Its place in the call.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    pub fn settle(self, verdict: Verdict) {
        settlement::settle(self.index, &verdict);
    }
}
