//! The I/O lane: a channel is handed messages and settles each as soon as its fate is known.

use openhub_model::{Span, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{CallContext, Reason, Receipt};
use crate::bindings::channel::exports::openhub::channel::channel::Message;
use crate::bindings::types::types::Failure;
use crate::capabilities::http::Requests;
use crate::capabilities::secrets::Secrets;
use crate::capabilities::settlement::Settlement;
use crate::fault::{CallFault, FaultKind};
use crate::host::{Host, Io};
use crate::plugin::Plugin;

/// How long a plugin of the I/O lane may hold its thread before others get their turn.
const YIELD_MILLIS: u64 = 5;

/// Tells the time to plugins of the I/O lane.
pub type HostClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a call of the I/O lane is granted.
#[derive(Clone)]
pub struct IoContext {
    pub call: CallContext,
    /// Host names, addresses or `*.` patterns that requests may go to: granted, and settings already resolved.
    pub hosts: Vec<String>,
    /// The decoded bytes of the secrets that were set, by name.
    pub secrets: Arc<BTreeMap<String, Vec<u8>>>,
    pub clock: HostClock,
}

impl fmt::Debug for IoContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: Vec<_> = self.secrets.keys().collect();
        f.debug_struct("IoContext")
            .field("call", &self.call)
            .field("hosts", &self.hosts)
            .field("secrets", &secrets)
            .finish_non_exhaustive()
    }
}

/// A message as a channel gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    /// The same at every attempt of the same message.
    pub idempotency_key: String,
    /// The first is 1.
    pub attempt: u32,
    pub address: String,
    pub customer: String,
    pub purpose: String,
    /// BCP 47.
    pub locale: String,
    /// IANA.
    pub time_zone: String,
    pub expires_at: Option<Timestamp>,
    pub unsubscribe_url: Option<String>,
    /// A JSON object as text.
    pub content: String,
}

/// What became of the messages of a call: always one verdict a message, in order, also after a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub verdicts: Vec<Verdict>,
    pub fault: Option<CallFault>,
    pub receipt: Receipt,
}

/// The fate of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `units` is what the provider bills.
    Accepted {
        provider_id: String,
        units: u32,
    },
    /// Not before `after_ms`; 0 leaves it to the host.
    Retry {
        after_ms: u32,
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

impl Plugin {
    /// Has a channel send messages. Whatever happens, there is one verdict a message.
    pub async fn send(&self, context: IoContext, channel: &str, messages: Vec<OutMessage>) -> Sent {
        self.send_until(context, channel, messages, std::future::pending()).await
    }

    /// As [`Plugin::send`], broken off once `stopped` is over: what was settled by then stands.
    pub async fn send_until(
        &self,
        context: IoContext,
        channel: &str,
        messages: Vec<OutMessage>,
        stopped: impl Future<Output = ()>,
    ) -> Sent {
        let count = messages.len();
        let none = |fault: CallFault| Sent {
            verdicts: Settlement::prepare(count).finish(Err(&fault)),
            fault: Some(fault),
            receipt: Receipt::default(),
        };
        let declared = self.manifest().channels.iter().any(|shape| shape.name == channel);
        let (true, Some(extension)) = (declared, &self.channel) else {
            return none(CallFault::new(FaultKind::Host, format!("the plugin has no channel `{channel}`")));
        };
        let limits = &self.machine.limits;
        if count > limits.messages_per_call as usize {
            let message = format!("the call has {count} messages: at most {}", limits.messages_per_call);
            return none(CallFault::new(FaultKind::Host, message));
        }
        let messages: Vec<Message> = messages.into_iter().map(Message::from).collect();
        let _slot = self.machine.io_slot().await;
        let millis = self.manifest().limits.io_ms.map_or(limits.io_ms, |asked| asked.min(limits.io_ms));
        let fuel = u64::from(millis) * limits.fuel_per_ms;
        let wall = Duration::from_millis(u64::from(limits.io_wall_ms));
        let mut host = Host::new(&self.digest, &context.call, limits, self.memory_bytes(), count);
        host.io = Some(Io {
            deadline: (context.clock)() + Span::from_micros(i64::from(limits.io_wall_ms) * 1_000),
            clock: context.clock,
            secrets: Arc::new(Secrets::prepare(self.manifest(), &context.call.settings, context.secrets)),
            requests: Requests::prepare(&self.egress, &context.hosts, limits, count),
            settlement: Settlement::prepare(count),
        });
        let mut store = match self.machine.store(host, fuel) {
            Ok(store) => store,
            Err(error) => return none(CallFault::host(&error)),
        };
        store.set_epoch_deadline(YIELD_MILLIS);
        store.epoch_deadline_async_yield_and_update(YIELD_MILLIS);
        let called = tokio::time::timeout(wall, async {
            let instance = extension.instantiate_async(&mut store).await?;
            instance.openhub_channel_channel().call_send(&mut store, channel, &messages).await
        });
        let called = tokio::select! {
            called = called => Some(called),
            () = stopped => None,
        };
        let used = fuel.saturating_sub(store.get_fuel().unwrap_or_default());
        let host = store.into_data();
        let receipt = host.receipt(used);
        let answer = match called {
            None => {
                Err(CallFault::new(FaultKind::Refused, "the call was stopped because its plugin is no longer enabled"))
            }
            Some(Ok(Ok(answer))) => Ok(answer.err()),
            Some(Ok(Err(error))) => Err(CallFault::from_error(&error, host.log.last_error())),
            Some(Err(_)) => {
                let message = format!("the call took too long: at most {} ms", limits.io_wall_ms);
                Err(CallFault::new(FaultKind::Epoch, message))
            }
        };
        let settlement = host.io.map_or_else(|| Settlement::prepare(count), |io| io.settlement);
        match answer {
            Ok(failure) => {
                let fault = failure.as_ref().map(refused);
                Sent { verdicts: settlement.finish(Ok(failure)), fault, receipt }
            }
            Err(fault) => Sent { verdicts: settlement.finish(Err(&fault)), fault: Some(fault), receipt },
        }
    }
}

fn refused(failure: &Failure) -> CallFault {
    let reason = match failure {
        Failure::Retry(retry) => &retry.reason,
        Failure::Rejected(reason) | Failure::Misconfigured(reason) => reason,
    };
    CallFault::new(FaultKind::Refused, format!("{}: {}", reason.code, reason.message))
}

impl From<OutMessage> for Message {
    fn from(message: OutMessage) -> Message {
        Message {
            idempotency_key: message.idempotency_key,
            attempt: message.attempt,
            address: message.address,
            customer: message.customer,
            purpose: message.purpose,
            locale: message.locale,
            time_zone: message.time_zone,
            expires_at: message.expires_at.map(Timestamp::micros),
            unsubscribe_url: message.unsubscribe_url,
            content: message.content,
        }
    }
}
