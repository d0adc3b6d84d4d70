//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);
const DEADLINE: Duration = Duration::from_secs(120);

/// Looks again and again until there is something, and gives up with a panic that says what was waited for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    until_within(DEADLINE, what, look).await
}

/// The same for what takes longer: work that goes on across ends and new starts of a hub.
pub async fn until_within<T, F: Future<Output = Option<T>>>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < deadline, "waited {} s for this: {what}", deadline.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
}
