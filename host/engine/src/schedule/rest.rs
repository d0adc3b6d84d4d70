//! Rest: a lane, a delivery, what runs jobs or sends webhooks, awake and without work, asks the database nothing. It is woken by what is appended in this
//! process, by a time that it knows of, and by the node for what other processes append.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openhub_model::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// A rest lasts so long at most: whatever was missed is found then.
const LONGEST: Duration = Duration::from_secs(60);
/// The clock is looked at so often: it is a parameter, and may jump.
const TICK: Duration = Duration::from_secs(1);

/// Why a rest is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    Called,
    Due,
    /// To look again: it was long, or there is work that no clock of a tenant knows of.
    Looks,
    Stopped,
}

/// How long who rests until `due` by the clock sleeps before it looks at the clock again.
pub fn sleep(due: Option<Timestamp>, now: Timestamp, poll: Duration) -> Duration {
    let tick = TICK.max(poll);
    let left = due.map(|due| due.micros().saturating_sub(now.micros()).max(0).unsigned_abs());
    left.map_or(tick, |left| tick.min(Duration::from_micros(left)))
}

/// Rests until something is appended or `due` has come by the clock. Each time that it looks at the clock it asks whether
/// there is work that no clock of a tenant knows of, which ends the rest too.
pub async fn rest(
    clock: &Clock,
    poll: Duration,
    appended: &mut watch::Receiver<u64>,
    due: Option<Timestamp>,
    stop: &CancellationToken,
    mut has_work: impl FnMut() -> bool,
) -> Woken {
    let ends = Instant::now() + LONGEST.max(poll);
    loop {
        let pause = sleep(due, clock(), poll);
        let works;
        tokio::select! {
            _ = appended.changed() => return Woken::Called,
            () = stop.cancelled() => return Woken::Stopped,
            () = tokio::time::sleep(pause) => works = has_work(),
        }
        if due.is_some_and(|due| due <= clock()) {
            return Woken::Due;
        }
        if works || Instant::now() >= ends {
            return Woken::Looks;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Lane,
    Delivery,
    Jobs,
    Requests,
    Webhooks,
}

/// How many there are.
const HALVES: usize = 5;

/// Who was woken to be looked at, and had nothing to do, sleeps on after so long.
const NOTHING: Duration = Duration::from_secs(1);

/// Which of them has nothing to do, and nothing in hand.
#[derive(Default)]
pub struct Rests {
    all: watch::Sender<[bool; HALVES]>,
    /// Whether there was something to do at all.
    worked: AtomicBool,
}

impl Rests {
    pub fn says(&self, half: Half, rests: bool) {
        let place = match half {
            Half::Lane => 0,
            Half::Delivery => 1,
            Half::Jobs => 2,
            Half::Requests => 3,
            Half::Webhooks => 4,
        };
        self.all.send_if_modified(|all| std::mem::replace(&mut all[place], rests) != rests);
    }

    pub fn worked(&self) {
        self.worked.store(true, Ordering::Relaxed);
    }

    pub fn all(&self) -> bool {
        *self.all.borrow() == [true; HALVES]
    }

    /// Waits until all have rested for so long.
    pub async fn all_for(&self, hold: Duration) {
        let mut all = self.all.subscribe();
        // The sender lives as long as this.
        while all.wait_for(|all| *all == [true; HALVES]).await.is_ok() {
            let hold = if self.worked.load(Ordering::Relaxed) { hold } else { hold.min(NOTHING) };
            let ends = tokio::time::timeout(hold, all.wait_for(|all| *all != [true; HALVES])).await;
            if ends.is_err() {
                return;
            }
        }
    }
}

/// Whether it is worth sleeping until then, after having rested for so long.
pub fn is_far(due: Option<Timestamp>, now: Timestamp, hold: Duration) -> bool {
    due.is_none_or(|due| i128::from(due.micros()) - i128::from(now.micros()) > hold.as_micros() as i128)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_due_soon_is_not_slept_until() {
        let at = Timestamp::from_micros;
        let hold = Duration::from_secs(60);
        assert!(is_far(None, at(5), hold));
        assert!(is_far(Some(at(60_000_001)), at(0), hold));
        assert!(!is_far(Some(at(60_000_000)), at(0), hold));
        assert!(!is_far(Some(at(i64::MIN)), at(i64::MAX), hold));
    }

    #[test]
    fn who_rests_looks_at_the_clock_now_and_then_and_at_the_time_that_it_waits_for() {
        let at = Timestamp::from_micros;
        let poll = Duration::from_millis(200);
        assert_eq!(sleep(None, at(5), poll), TICK);
        assert_eq!(sleep(Some(at(5_000_000)), at(0), poll), TICK);
        assert_eq!(sleep(Some(at(300_000)), at(0), poll), Duration::from_millis(300));
        assert_eq!(sleep(Some(at(0)), at(300_000), poll), Duration::ZERO);
        assert_eq!(sleep(None, at(5), Duration::from_secs(600)), Duration::from_secs(600));
    }

    #[tokio::test]
    async fn a_rest_ends_when_there_is_work_again() {
        let (clock, poll): (Clock, _) = (Arc::new(|| Timestamp::from_micros(0)), Duration::from_millis(200));
        // It never comes: the clock stands.
        let due = Some(Timestamp::from_micros(2_000));
        let (calls, mut appended) = watch::channel(0);
        let stop = CancellationToken::new();
        let mut looks = 0;
        let has_work = || {
            looks += 1;
            looks == 3
        };
        assert_eq!(rest(&clock, poll, &mut appended, due, &stop, has_work).await, Woken::Looks);
        assert_eq!(looks, 3);
        calls.send_replace(1);
        assert_eq!(rest(&clock, poll, &mut appended, due, &stop, || false).await, Woken::Called);
        stop.cancel();
        assert_eq!(rest(&clock, poll, &mut appended, due, &stop, || false).await, Woken::Stopped);
    }

    #[tokio::test]
    async fn a_tenant_sleeps_once_all_have_rested_for_long_enough() {
        let (rests, hold) = (Arc::new(Rests::default()), Duration::from_millis(20));
        let mut asleep = Box::pin({
            let rests = rests.clone();
            async move { rests.all_for(hold).await }
        });
        rests.says(Half::Lane, true);
        assert!(tokio::time::timeout(3 * hold, &mut asleep).await.is_err(), "its delivery is at work");
        rests.says(Half::Delivery, true);
        assert!(tokio::time::timeout(3 * hold, &mut asleep).await.is_err(), "a job of it runs");
        rests.says(Half::Jobs, true);
        assert!(tokio::time::timeout(3 * hold, &mut asleep).await.is_err(), "a plugin is asked to erase");
        rests.says(Half::Requests, true);
        assert!(tokio::time::timeout(3 * hold, &mut asleep).await.is_err(), "a webhook is sent");
        rests.says(Half::Webhooks, true);
        assert!(futures::poll!(&mut asleep).is_pending(), "not at once");
        rests.says(Half::Lane, false);
        assert!(tokio::time::timeout(3 * hold, &mut asleep).await.is_err(), "something has come");
        rests.says(Half::Lane, true);
        asleep.await;
    }
}
