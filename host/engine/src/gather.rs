//! Waiting before a batch is read. For a stream: behind a large batch more events are on their way, most likely, and one
//! commit of many writes fewer pages than many commits of a few. And for those who append, while they crowd the writer:
//! what they are told to have been stored can be computed later.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

/// A batch of so many events is part of a stream.
const MANY: usize = 1_000;
/// How far apart two batches of a stream begin, unless the first was full.
const GATHER: Duration = Duration::from_millis(100);
/// When nothing was appended for so long, nothing more is waited for.
const QUIET: Duration = Duration::from_millis(25);
/// How long a lane stands back before it takes its turn with the others.
const STAND_BACK: Duration = Duration::from_millis(500);
/// How many events it takes then: every append waits for their commit.
const TURN: usize = 500;
/// How often it looks whether it is its turn.
const LOOK: Duration = Duration::from_millis(5);

/// How long the batch behind one may be waited for that began at `began` and took in so many events of at most `limit`.
pub fn until(began: Instant, events: usize, limit: usize) -> Option<Instant> {
    (MANY..limit).contains(&events).then(|| began + GATHER)
}

/// Lets events come in until then, as long as they do.
pub async fn gather(until: Instant, appended: &mut watch::Receiver<u64>, stop: &CancellationToken) {
    appended.mark_unchanged();
    while let Some(wait) = wait(until, Instant::now())
        && !stop.is_cancelled()
        && matches!(timeout_at(wait.into(), appended.changed()).await, Ok(Ok(())))
    {}
}

/// Leaves the writer to those who append, as long as there is a crowd of them, and not for ever. Answers how many of
/// `limit` events the next batch may take: few, if they are still there.
pub async fn stand_back(is_crowded: impl Fn() -> bool, limit: usize, stop: &CancellationToken) -> usize {
    let until = Instant::now() + STAND_BACK;
    while is_crowded() && Instant::now() < until && !stop.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
    if is_crowded() { limit.min(TURN) } else { limit }
}

/// Until when the next append is waited for after one at `now`; none if the time is up.
fn wait(until: Instant, now: Instant) -> Option<Instant> {
    (now < until).then(|| until.min(now + QUIET))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn few_events_are_no_stream_and_a_full_batch_waits_for_nothing() {
        let began = Instant::now();
        assert_eq!(until(began, MANY - 1, 8_000), None);
        assert_eq!(until(began, MANY, 8_000), Some(began + GATHER));
        assert_eq!(until(began, 8_000, 8_000), None);
        assert_eq!(until(began, 37, 37), None);
    }

    #[test]
    fn a_stream_is_let_in_until_the_time_is_up_or_it_pauses() {
        let (began, millis) = (Instant::now(), Duration::from_millis);
        let until = began + GATHER;
        assert_eq!(wait(until, began), Some(began + QUIET));
        assert_eq!(wait(until, began + millis(90)), Some(until));
        assert_eq!(wait(until, until), None);
    }

    #[tokio::test]
    async fn a_crowd_is_waited_for_and_not_for_ever() {
        let stop = CancellationToken::new();
        assert_eq!(stand_back(|| false, 8_000, &stop).await, 8_000);
        let looks = Cell::new(0);
        let leaves = || looks.replace(looks.get() + 1) < 3;
        assert_eq!(stand_back(leaves, 8_000, &stop).await, 8_000, "they have left");
        assert!(looks.get() > 3);
        let looks = Cell::new(0);
        let stays = || looks.replace(looks.get() + 1) < usize::MAX;
        assert_eq!(stand_back(stays, 8_000, &stop).await, TURN, "they stay, and this one has its turn");
        assert!(looks.get() > 3, "they were given way to before");
        assert_eq!(stand_back(stays, 37, &stop).await, 37);
        stop.cancel();
        let looks = Cell::new(0);
        stand_back(|| looks.replace(looks.get() + 1) < 2, 8_000, &stop).await;
        assert_eq!(looks.get(), 2, "who is stopped waits for nobody");
    }

    /// Who waited on would hang here: nothing is appended any more, or never was, and the time is not up for a day.
    #[tokio::test]
    async fn nothing_is_waited_for_that_does_not_come() {
        let far = Instant::now() + Duration::from_secs(86_400);
        let (appends, mut appended) = watch::channel(0);
        gather(far, &mut appended, &CancellationToken::new()).await;
        let stream = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(QUIET / 5).await;
                appends.send_modify(|appends| *appends += 1);
            }
            appends
        });
        gather(far, &mut appended, &CancellationToken::new()).await;
        let appends = stream.await.expect("three appends");
        appends.send_modify(|appends| *appends += 1);
        let stop = CancellationToken::new();
        stop.cancel();
        gather(far, &mut appended, &stop).await;
        drop(appends);
        gather(far, &mut appended, &CancellationToken::new()).await;
    }
}
