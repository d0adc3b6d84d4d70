//! When something in the outbox waits to be sent, and the rest until then.

use std::time::Duration;

use openhub_model::Timestamp;
use tokio::time::Instant;

use crate::schedule::rest;
use crate::shared::Shared;

/// How long nothing is looked for at most.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// As of the last look at the outbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Now,
    At(Timestamp),
    Never,
}

/// Until something may be due: what waits in the outbox, or another look at it.
pub async fn rests(shared: &Shared, due: Due) {
    let (poll, began) = (shared.config.poll, Instant::now());
    let has_come = || match due {
        Due::Now => true,
        Due::At(due) => due <= (shared.clock)(),
        Due::Never => false,
    };
    loop {
        let now = (shared.clock)();
        tokio::time::sleep(match due {
            Due::Now => poll,
            Due::At(due) => rest::sleep(Some(due), now, poll),
            Due::Never => rest::sleep(None, now, poll),
        })
        .await;
        if has_come() || began.elapsed() >= LOOK_AGAIN {
            return;
        }
    }
}
