//! Waiting before a batch is read. For a stream: behind a large batch more events are on their way, most likely, and one
//! commit of many writes fewer pages than many commits of a few. And for those who append, while they crowd the writer, as
//! long as that is a burst: what they are told to have been stored can be computed later.

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
/// How long a lane gives way before it takes a turn all the same.
const GIVE_WAY: Duration = Duration::from_millis(500);
/// How many events it takes then: every append waits for their commit.
const TURN: usize = 500;
/// How long a burst lasts, all in all: who goes on after that takes turns with the engine.
const BURST: Duration = Duration::from_secs(5);
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

/// How long a lane still gives way to those who append. It is spent on bursts, and comes back while the lane has nothing to
/// do: callers who never stop have it once.
#[derive(Debug)]
pub struct Courtesy {
    left: Duration,
    idle_since: Option<Instant>,
}

impl Default for Courtesy {
    fn default() -> Courtesy {
        Courtesy { left: BURST, idle_since: None }
    }
}

impl Courtesy {
    pub fn is_left(&self) -> bool {
        !self.left.is_zero()
    }

    /// The lane has nothing to do.
    pub fn rests(&mut self, now: Instant) {
        self.idle_since.get_or_insert(now);
    }

    fn comes_back(&mut self, now: Instant) {
        if let Some(since) = self.idle_since.take() {
            self.left = BURST.min(self.left + now.saturating_duration_since(since));
        }
    }

    /// Leaves the writer to a crowd for a while. Answers how many of `limit` events the next batch may take: few, if the crowd
    /// is still there and its time is not over.
    pub async fn give_way(&mut self, is_crowded: impl Fn() -> bool, limit: usize, stop: &CancellationToken) -> usize {
        let began = Instant::now();
        self.comes_back(began);
        let until = began + GIVE_WAY.min(self.left);
        let mut gave = false;
        while self.is_left() && is_crowded() && Instant::now() < until && !stop.is_cancelled() {
            gave = true;
            tokio::time::sleep(LOOK).await;
        }
        if gave {
            self.left = self.left.saturating_sub(began.elapsed());
        }
        if self.is_left() && is_crowded() { limit.min(TURN) } else { limit }
    }
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
        let (stop, mut courtesy) = (CancellationToken::new(), Courtesy::default());
        assert_eq!(courtesy.give_way(|| false, 8_000, &stop).await, 8_000);
        assert_eq!(courtesy.left, BURST, "nobody was there");
        let looks = Cell::new(0);
        let leaves = || looks.replace(looks.get() + 1) < 3;
        assert_eq!(courtesy.give_way(leaves, 8_000, &stop).await, 8_000, "they have left");
        assert!(looks.get() > 3);
        let looks = Cell::new(0);
        let stays = || looks.replace(looks.get() + 1) < usize::MAX;
        assert_eq!(courtesy.give_way(stays, 8_000, &stop).await, TURN, "they stay, and this one has its turn");
        assert!(looks.get() > 3, "they were given way to before");
        assert_eq!(courtesy.give_way(stays, 37, &stop).await, 37);
        stop.cancel();
        let looks = Cell::new(0);
        courtesy.give_way(|| looks.replace(looks.get() + 1) < 2, 8_000, &stop).await;
        assert_eq!(looks.get(), 2, "who is stopped waits for nobody");
    }

    #[tokio::test]
    async fn d3_a_crowd_that_never_leaves_is_given_way_to_once() {
        let stop = CancellationToken::new();
        let mut courtesy = Courtesy { left: Duration::from_millis(20), idle_since: None };
        assert_eq!(
            courtesy.give_way(|| true, 8_000, &stop).await,
            8_000,
            "a whole batch, as soon as the burst is over"
        );
        assert!(!courtesy.is_left());
        for _ in 0..1_000 {
            assert_eq!(courtesy.give_way(|| true, 8_000, &stop).await, 8_000);
        }
        assert!(!courtesy.is_left(), "as long as there is something to do, nothing comes back");
        let now = Instant::now();
        courtesy.rests(now);
        courtesy.rests(now + BURST);
        courtesy.comes_back(now + Duration::from_secs(2));
        assert_eq!(courtesy.left, Duration::from_secs(2));
        courtesy.rests(now);
        courtesy.comes_back(now + 10 * BURST);
        assert_eq!(courtesy.left, BURST, "and never more than that");
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
