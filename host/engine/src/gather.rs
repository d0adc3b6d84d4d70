//! Waiting for a stream: behind a large batch more events are on their way, most likely, and one commit of many writes
//! fewer pages than many commits of a few.

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

/// Until when the next append is waited for after one at `now`; none if the time is up.
fn wait(until: Instant, now: Instant) -> Option<Instant> {
    (now < until).then(|| until.min(now + QUIET))
}

#[cfg(test)]
mod tests {
    use super::*;

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
