//! One thing to send to one address through one channel.

use serde::{Deserialize, Serialize};

use crate::id::{Id, PartId};
use crate::time::Timestamp;

/// The purpose of what a customer has to get: no consent is asked for it. Who publishes such a send needs a permission of
/// its own.
pub const TRANSACTIONAL: &str = "transactional";

/// A message as a journey makes it, on its way into the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// Also the idempotency key: hash(tenant, run, step, message), the same at every attempt.
    pub id: Id,
    pub part: PartId,
    pub channel: String,
    /// Of the address kind that the channel declares.
    pub address: String,
    pub purpose: String,
    /// Rendered content: a JSON object as text.
    pub content: String,
    pub journey: String,
    pub run: Id,
    pub node: String,
    /// The tenant's clock when it was made.
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum MessageStatus {
    /// Waits for its first or next attempt.
    Pending = 0,
    /// The provider took it.
    Accepted = 1,
    /// For good: the provider's verdict, or attempts used up. Can be replayed by hand.
    Failed = 2,
    /// It may have arrived, and the channel's setting says not to try again.
    Parked = 3,
    /// The gate or the expiry dropped it before it was sent.
    Dropped = 4,
    /// Its channel is being called with it. Whoever finds it so after that call's hub has died does not know whether it went.
    Sending = 5,
    /// Its journey is paused: it waits until that is resumed.
    Held = 6,
}

impl MessageStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<MessageStatus> {
        use MessageStatus::*;
        [Pending, Accepted, Failed, Parked, Dropped, Sending, Held].into_iter().find(|status| status.code() == code)
    }
}
