//! Rest: a lane or a delivery without work asks the database nothing. It is woken by what is appended in this process, by a
//! time that it knows of, and for what other processes append by the node, which asks about all of its tenants at once.

use std::sync::Arc;
use std::time::Duration;

use openhub_model::{TenantId, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::shared::{Clock, Shared};

/// A rest lasts so long at most: whatever was missed is found then.
const LONGEST: Duration = Duration::from_secs(60);
/// The clock is looked at so often: it is a parameter, and may jump.
const TICK: Duration = Duration::from_secs(1);

/// Why a rest is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    Called,
    /// A time has come, or it was long.
    Due,
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
        if works || due.is_some_and(|due| due <= clock()) || Instant::now() >= ends {
            return Woken::Due;
        }
    }
}

/// Wakes the tenants of this node of which another process has appended something: another node, or a command of the operator.
pub async fn watch_others(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(shared.config.poll) => {}
            () = stop.cancelled() => return,
        }
        match shared.store.behind_here().await {
            Ok(behind) => behind.into_iter().for_each(|tenant: TenantId| shared.store.wake(tenant)),
            Err(error) => tracing::warn!(%error, "What other processes have appended could not be read."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(rest(&clock, poll, &mut appended, due, &stop, has_work).await, Woken::Due);
        assert_eq!(looks, 3);
        calls.send_replace(1);
        assert_eq!(rest(&clock, poll, &mut appended, due, &stop, || false).await, Woken::Called);
        stop.cancel();
        assert_eq!(rest(&clock, poll, &mut appended, due, &stop, || false).await, Woken::Stopped);
    }
}
