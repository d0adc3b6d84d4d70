//! Channels: one is handed messages and settles each as soon as its fate is known.

use openhub_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{Reason, Receipt};
use crate::bindings::channel::exports::openhub::channel::channel::Message;
use crate::bindings::types::types::Failure;
use crate::capabilities::settlement::Settlement;
use crate::fault::{CallFault, FaultKind};
use crate::io::{Bounds, Called, IoContext};
use crate::plugin::Plugin;
use crate::reason;

/// A message as a channel gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
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
        let given = || json!({"messages": messages});
        let bounds = Bounds { kind: "channel", name: channel, given: &given, items: count, wall_ms: limits.io_wall_ms };
        let asked: Vec<Message> = messages.iter().cloned().map(Message::from).collect();
        let Called { answer, settlement, receipt, .. } = self
            .io(context, bounds, stopped, async |store| {
                let instance = extension.instantiate_async(&mut *store).await?;
                instance.openhub_channel_channel().call_send(&mut *store, channel, &asked).await
            })
            .await;
        match answer {
            Ok(answer) => {
                let fault = answer.as_ref().err().map(refused);
                Sent { verdicts: settlement.finish(Ok(answer.err())), fault, receipt }
            }
            Err(fault) => Sent { verdicts: settlement.finish(Err(&fault)), fault: Some(fault), receipt },
        }
    }
}

pub(crate) fn refused(failure: &Failure) -> CallFault {
    let reason = match failure {
        Failure::Retry(retry) => &retry.reason,
        Failure::Rejected(reason) | Failure::Misconfigured(reason) => reason,
    };
    reason::refused(reason.clone())
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
