//! The end of a hub: the first SIGTERM or SIGINT drains, the second ends at once.

use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first signal cancels. Signals are caught from here on.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stopping = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("shutting down: requests and batches under way are finished; a second signal ends at once");
        stopping.cancel();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::warn!("second signal: ending without draining");
        std::process::exit(130);
    });
    Ok(token)
}

/// Waits for `work`, but after `token` was cancelled only for `grace` more. Says whether it ended by itself.
pub async fn within<F: Future>(work: F, token: &CancellationToken, grace: std::time::Duration) -> Option<F::Output> {
    tokio::select! {
        output = work => Some(output),
        () = async { token.cancelled().await; tokio::time::sleep(grace).await; } => None,
    }
}
