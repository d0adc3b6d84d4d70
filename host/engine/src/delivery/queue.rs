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

    /// How many of those that are read no hub has died under.
    pub fn unsuspected(&self) -> usize {
        self.ready.iter().filter(|ready| !hub_stopped(ready)).count()
    }

    /// Whether a message under which a hub died is claimed.
    pub fn has_suspect(&self) -> bool {
        self.claimed.iter().any(hub_stopped)
    }

    /// How many messages more are to be claimed. Where an unknown outcome is tried again, a round of calls is claimed ahead, so
    /// that many share a commit; where it is parked, only what is called at once: a crash must not park what was never sent.
    fn lacks(&self, bound: usize, unknown: UnknownOutcome) -> usize {
        let at_once = self.room(bound) * MESSAGES;
        let ahead = match unknown {
            UnknownOutcome::Retry if bound > 1 => bound * MESSAGES,
            UnknownOutcome::Retry | UnknownOutcome::Park => 0,
        };
        if self.claimed.len() < at_once.max(ahead / 2) {
            (at_once + ahead).saturating_sub(self.claimed.len())
        } else {
            0
        }
    }

    /// What is to be claimed. Messages under which a hub died go one at a time: if a hub dies of one of them, no other is taken for
    /// it. `suspects` says whether one may go now.
    pub fn take(&mut self, bound: usize, unknown: UnknownOutcome, suspects: bool) -> Vec<Outgoing> {
        let (mut left, mut suspects) = (self.lacks(bound, unknown), suspects);
        let (mut taken, mut rest) = (Vec::new(), VecDeque::with_capacity(self.ready.len()));
        for ready in self.ready.drain(..) {
            let is_suspect = hub_stopped(&ready);
            if left == 0 || (is_suspect && !suspects) {
                rest.push_back(ready);
                continue;
            }
            suspects &= !is_suspect;
            left -= 1;
            taken.push(ready);
        }
        self.ready = rest;
        taken
    }

    /// Adds what was read and is not here yet.
    pub fn read(&mut self, due: Vec<Outgoing>) {
        let known: HashSet<Id> = self.ready.iter().map(|ready| ready.message.id).collect();
        self.ready.extend(due.into_iter().filter(|due| !known.contains(&due.message.id)));
    }

    /// The claimed messages of the next call; none if there are none. One under which a hub died is alone in its call.
    pub fn next_call(&mut self) -> Option<Vec<Outgoing>> {
        let innocent = self.claimed.iter().take_while(|claimed| !hub_stopped(claimed)).count();
        let count = MESSAGES.min(innocent.max(1)).min(self.claimed.len());
        let messages: Vec<Outgoing> = self.claimed.drain(..count).collect();
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
        assert_eq!(queue(9, 60, 8).take(8, UnknownOutcome::Retry, true).len(), 9);
        assert_eq!(queue(400, 0, 0).lacks(1, UnknownOutcome::Retry), 20, "one call at a time reads nothing ahead");
    }

    #[test]
    fn what_a_hub_died_of_goes_one_at_a_time_and_alone() {
        let mut queue = queue(40, 0, 0);
        for at in [3, 4, 30] {
            queue.ready[at].fault = Some(crate::delivery::verdict::STOPPED_ONCE.to_owned());
        }
        assert_eq!(queue.unsuspected(), 37);
        let taken = queue.take(8, UnknownOutcome::Retry, true);
        assert_eq!((taken.len(), taken.iter().filter(|taken| hub_stopped(taken)).count()), (38, 1));
        queue.claimed.extend(taken);
        assert!(queue.has_suspect() && queue.take(8, UnknownOutcome::Retry, false).is_empty());
        let calls = std::iter::from_fn(|| queue.next_call()).map(|call| (call.len(), call.iter().any(hub_stopped)));
        assert_eq!(calls.collect::<Vec<_>>(), [(3, false), (1, true), (20, false), (14, false)]);
        assert_eq!(queue.take(8, UnknownOutcome::Retry, true).len(), 1, "the next of them");
    }

    #[test]
    fn what_is_read_again_is_not_there_twice() {
        let mut queue = queue(5, 0, 0);
        let again: Vec<Outgoing> = queue.ready.iter().cloned().collect();
        queue.read(again);
        assert_eq!(queue.ready.len(), 5);
    }
}
