//! What one channel has to send: read from the outbox, claimed, in a call. Each channel has its own bound of calls, so that
//! one that hangs holds its own places only.

use std::collections::{HashSet, VecDeque};

use openhub_model::manifest::UnknownOutcome;
use openhub_model::{Id, Timestamp};
use openhub_store::Outgoing;

use super::breaker::Breaker;
use super::verdict::hub_stopped;

/// Messages of one call at most.
pub const MESSAGES: usize = 20;

#[derive(Default)]
pub struct Queue {
    /// Read, and free to be claimed by whoever holds the lease.
    pub ready: VecDeque<Outgoing>,
    /// Claimed, and in no call yet.
    pub claimed: VecDeque<Outgoing>,
    /// Under way.
    pub calls: usize,
    pub breaker: Breaker,
    /// While its channel is not enabled, it is not looked at before.
    pub blocked_until: Option<Timestamp>,
}

impl Queue {
    /// Calls that may begin, of `bound` at a time.
    pub fn room(&self, bound: usize) -> usize {
        bound.saturating_sub(self.calls)
    }

    /// How many messages more are to be claimed. Where an unknown outcome is tried again, a round of calls is claimed ahead, so
    /// that many share a commit; where it is parked, only what is called at once: a crash must not park what was never sent. The
    /// second crash parks everywhere.
    pub fn lacks(&self, bound: usize, unknown: UnknownOutcome) -> usize {
        let at_once = self.room(bound) * MESSAGES;
        let ahead = match unknown {
            UnknownOutcome::Retry if bound > 1 && !self.ready.iter().any(hub_stopped) => bound * MESSAGES,
            UnknownOutcome::Retry | UnknownOutcome::Park => 0,
        };
        if self.claimed.len() < at_once.max(ahead / 2) {
            (at_once + ahead).saturating_sub(self.claimed.len()).min(self.ready.len())
        } else {
            0
        }
    }

    /// Adds what was read and is not here yet.
    pub fn read(&mut self, due: Vec<Outgoing>) {
        let known: HashSet<Id> = self.ready.iter().map(|ready| ready.message.id).collect();
        self.ready.extend(due.into_iter().filter(|due| !known.contains(&due.message.id)));
    }

    /// The claimed messages of the next call; none if there are none.
    pub fn next_call(&mut self) -> Option<Vec<Outgoing>> {
        let messages: Vec<Outgoing> = self.claimed.drain(..MESSAGES.min(self.claimed.len())).collect();
        (!messages.is_empty()).then_some(messages)
    }

    /// Whether nothing of it needs to be remembered.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.claimed.is_empty() && self.calls == 0
    }
}

#[cfg(test)]
mod tests {
    use openhub_model::message::NewMessage;

    use super::*;

    fn queue(ready: usize, claimed: usize, calls: usize) -> Queue {
        let outgoing = |number: usize| {
            let id = Id::named(&[&number.to_le_bytes()]);
            let text = String::new;
            let message = NewMessage {
                id,
                part: id,
                channel: text(),
                address: text(),
                purpose: text(),
                content: text(),
                journey: text(),
                run: id,
                node: text(),
                created_at: Timestamp::from_micros(0),
                expires_at: None,
            };
            Outgoing { message, attempt: 0, fault: None }
        };
        let mut queue = Queue { calls, ..Queue::default() };
        queue.read((0..ready).map(outgoing).collect());
        queue.claimed = (ready..ready + claimed).map(outgoing).collect();
        queue
    }

    #[test]
    fn what_may_be_parked_is_claimed_for_calls_that_begin_at_once() {
        assert_eq!(queue(400, 0, 0).lacks(8, UnknownOutcome::Park), 160);
        assert_eq!(queue(400, 0, 7).lacks(8, UnknownOutcome::Park), 20);
        assert_eq!(queue(400, 0, 8).lacks(8, UnknownOutcome::Park), 0);
    }

    #[test]
    fn what_is_tried_again_is_claimed_a_round_ahead() {
        assert_eq!(queue(400, 0, 0).lacks(8, UnknownOutcome::Retry), 320);
        assert_eq!(queue(400, 160, 8).lacks(8, UnknownOutcome::Retry), 0);
        assert_eq!(queue(400, 140, 8).lacks(8, UnknownOutcome::Retry), 0, "not a commit a call");
        assert_eq!(queue(400, 60, 8).lacks(8, UnknownOutcome::Retry), 100);
        assert_eq!(queue(9, 60, 8).lacks(8, UnknownOutcome::Retry), 9);
        assert_eq!(queue(400, 0, 0).lacks(1, UnknownOutcome::Retry), 20, "one call at a time reads nothing ahead");
    }

    #[test]
    fn what_a_hub_died_of_is_claimed_for_calls_that_begin_at_once() {
        let mut queue = queue(400, 0, 0);
        queue.ready[0].fault = Some(crate::delivery::verdict::STOPPED_ONCE.to_owned());
        assert_eq!(queue.lacks(8, UnknownOutcome::Retry), 160);
    }

    #[test]
    fn what_is_read_again_is_not_there_twice() {
        let mut queue = queue(5, 0, 0);
        let again: Vec<Outgoing> = queue.ready.iter().cloned().collect();
        queue.read(again);
        assert_eq!(queue.ready.len(), 5);
    }
}
