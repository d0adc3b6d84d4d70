//! A call that a plugin breaks off, or rejects as a whole, is made again with what it left, in smaller calls, until a message that it
//! breaks off on is alone: the others are not held up by it, their attempts are not counted for it, and they do not fail for it.

use std::collections::VecDeque;
use std::time::Duration;

use openhub_runtime::{FaultKind, OutMessage, Sent, Verdict};

/// What is left after so long waits for its next attempt: it passes the gate again then, which knows who has withdrawn a consent meanwhile.
const LONGEST: Duration = Duration::from_secs(10);
/// The code of a message that a call has left, and for which nothing has gone out.
const UNSETTLED: &str = "unsettled";

/// The messages of a call, and what became of them.
pub struct Apart {
    messages: Vec<OutMessage>,
    /// The calls that are still to be made, as places in `messages`.
    open: VecDeque<Vec<usize>>,
    /// The call under way.
    called: Vec<usize>,
    whole: Option<Sent>,
}

impl Apart {
    pub fn new(messages: Vec<OutMessage>) -> Apart {
        let all = (0..messages.len()).collect();
        Apart { messages, open: VecDeque::from([all]), called: Vec::new(), whole: None }
    }

    /// The messages of the next call, which begins so long after the first; none if none is to be made any more, or it is to `end`.
    pub fn next(&mut self, elapsed: Duration, end: bool) -> Option<Vec<OutMessage>> {
        let goes_on = elapsed < LONGEST && !end;
        let next = self.open.pop_front().filter(|_| goes_on || self.whole.is_none())?;
        self.called = next;
        Some(self.called.iter().map(|at| self.messages[*at].clone()).collect())
    }

    /// What came of the call.
    pub fn came(&mut self, sent: Sent) {
        let called = std::mem::take(&mut self.called);
        for (place, left) in pieces(called.len(), &sent).into_iter().enumerate() {
            self.open.insert(place, left.into_iter().map(|at| called[at]).collect());
        }
        match &mut self.whole {
            None => self.whole = Some(sent),
            Some(whole) => {
                for (at, verdict) in called.into_iter().zip(sent.verdicts) {
                    whole.verdicts[at] = verdict;
                }
            }
        }
    }

    /// One verdict a message, in order, with the fault of the first call; none if no call was made.
    pub fn finish(self) -> Option<Sent> {
        self.whole
    }
}

/// In which calls what was left is sent: none if the plugin did not break off, or broke off on one message alone. It goes through its
/// messages in order, most likely, and so broke off on the first that it left; if it left all, it may be any.
fn pieces(count: usize, sent: &Sent) -> Vec<Vec<usize>> {
    // A refusal that is for an admin, or passes, speaks for each message by a code of its own: then none is left.
    let is_guests = |kind| {
        matches!(
            kind,
            FaultKind::Fuel
                | FaultKind::Memory
                | FaultKind::Stack
                | FaultKind::Trap
                | FaultKind::Malformed
                | FaultKind::Refused
        )
    };
    if count < 2 || !sent.fault.as_ref().is_some_and(|fault| is_guests(fault.kind)) {
        return Vec::new();
    }
    let is_left = |at: &usize| matches!(&sent.verdicts[*at], Verdict::Retry { reason, .. } if reason.code == UNSETTLED);
    let left: Vec<usize> = (0..count).filter(is_left).collect();
    let first = if left.len() == count { count / 2 } else { 1.min(left.len()) };
    let (first, rest) = left.split_at(first);
    [first, rest].into_iter().filter(|piece| !piece.is_empty()).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use openhub_runtime::{CallFault, Reason, Receipt};

    use super::*;

    fn message(key: usize) -> OutMessage {
        OutMessage {
            idempotency_key: key.to_string(),
            attempt: 1,
            address: String::new(),
            customer: String::new(),
            purpose: String::new(),
            locale: String::new(),
            time_zone: String::new(),
            expires_at: None,
            unsubscribe_url: None,
            content: String::new(),
        }
    }

    fn left() -> Verdict {
        let reason = Reason { code: UNSETTLED.to_owned(), message: String::new(), args: Vec::new() };
        Verdict::Retry { after_ms: 0, reason }
    }

    fn accepted() -> Verdict {
        Verdict::Accepted { provider_id: String::new(), units: 1 }
    }

    /// What becomes of twenty messages, and in how many calls.
    fn sent(call: impl Fn(&[usize]) -> Sent) -> (Vec<Verdict>, usize) {
        let mut apart = Apart::new((0..20).map(message).collect());
        let mut calls = 0;
        while let Some(messages) = apart.next(Duration::ZERO, false) {
            calls += 1;
            let keys = messages.iter().map(|message| message.idempotency_key.parse().expect("a key"));
            apart.came(call(&keys.collect::<Vec<usize>>()));
        }
        (apart.finish().expect("a call was made").verdicts, calls)
    }

    #[test]
    fn only_the_message_that_a_plugin_breaks_off_on_is_left() {
        // A plugin settles one by one, or all at the end.
        for one_by_one in [true, false] {
            for bad in [vec![], vec![0], vec![19], vec![3, 4, 11], (0..20).collect()] {
                let (verdicts, calls) = sent(|keys| {
                    let end = keys.iter().position(|key| bad.contains(key));
                    let settled = end.map_or(keys.len(), |end| if one_by_one { end } else { 0 });
                    let verdicts = (0..keys.len()).map(|at| if at < settled { accepted() } else { left() }).collect();
                    let fault = end.map(|_| CallFault::new(FaultKind::Trap, "it broke off"));
                    Sent { verdicts, fault, receipt: Receipt::default() }
                });
                let expected = (0..20).map(|key| if bad.contains(&key) { left() } else { accepted() });
                assert_eq!(verdicts, expected.collect::<Vec<_>>(), "{bad:?}, {one_by_one}");
                assert!(calls <= 1 + 10 * bad.len(), "{calls} calls for {bad:?}");
            }
        }
    }

    #[test]
    fn f7_only_a_message_that_is_rejected_alone_fails() {
        let rejected = || Verdict::Rejected(Reason { code: "bad".into(), message: String::new(), args: Vec::new() });
        for one_by_one in [true, false] {
            let (verdicts, _) = sent(|keys| {
                let end = keys.iter().position(|key| *key == 12);
                let settled = end.map_or(keys.len(), |end| if one_by_one { end } else { 0 });
                let rest = || if keys.len() == 1 { rejected() } else { left() };
                let verdicts = (0..keys.len()).map(|at| if at < settled { accepted() } else { rest() }).collect();
                let fault = end.map(|_| CallFault::new(FaultKind::Refused, "bad: "));
                Sent { verdicts, fault, receipt: Receipt::default() }
            });
            let expected = (0..20).map(|key| if key == 12 { rejected() } else { accepted() });
            assert_eq!(verdicts, expected.collect::<Vec<_>>(), "{one_by_one}");
        }
    }

    #[test]
    fn what_is_the_hubs_doing_or_may_have_gone_is_not_sent_again() {
        let reason = Reason { code: UNSETTLED.to_owned(), message: String::new(), args: Vec::new() };
        for (kind, verdict) in
            [(FaultKind::Epoch, left()), (FaultKind::Host, left()), (FaultKind::Trap, Verdict::Unknown(reason))]
        {
            let fault = || Some(CallFault::new(kind, ""));
            let all = |keys: &[usize]| vec![verdict.clone(); keys.len()];
            let (verdicts, calls) =
                sent(|keys| Sent { verdicts: all(keys), fault: fault(), receipt: Receipt::default() });
            assert_eq!((verdicts, calls), (vec![verdict.clone(); 20], 1), "{kind}");
        }
    }

    #[test]
    fn what_takes_too_long_waits_for_its_next_attempt() {
        for (elapsed, end) in [(LONGEST, false), (Duration::ZERO, true)] {
            let mut apart = Apart::new((0..2).map(message).collect());
            assert_eq!(apart.next(elapsed, end).map(|messages| messages.len()), Some(2));
            let fault = Some(CallFault::new(FaultKind::Fuel, ""));
            apart.came(Sent { verdicts: vec![left(), left()], fault, receipt: Receipt::default() });
            assert!(apart.next(elapsed, end).is_none());
            assert_eq!(apart.finish().expect("a call was made").verdicts, [left(), left()]);
        }
    }
}
