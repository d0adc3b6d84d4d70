//! Messages: they go into the outbox with the commit.

use openhub_model::message::NewMessage;

use crate::compute::batch::Batch;

pub fn send(batch: &mut Batch<'_>, message: NewMessage) {
    batch.spent.bytes += message.content.len() as u64;
    batch.traces.messages.push(message);
}
