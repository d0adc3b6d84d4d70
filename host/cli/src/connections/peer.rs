//! What is known of a connection: whether a request of it is handled, and since when it says nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// How long a caller may do nothing.
#[derive(Clone, Copy)]
pub struct Times {
    /// Before the head of its first request is there,
    pub head: Duration,
    /// and after an answer, or while it does not take one.
    pub idle: Duration,
}

pub struct Peer {
    began: Instant,
    /// Requests that are handled.
    working: AtomicUsize,
    has_asked: AtomicBool,
    /// When it last got something, or a request of it was done, in microseconds after `began`.
    since: AtomicU64,
    /// It is to make room.
    pub leave: CancellationToken,
}

impl Peer {
    pub fn new(now: Instant) -> Peer {
        Peer {
            began: now,
            working: AtomicUsize::new(0),
            has_asked: AtomicBool::new(false),
            since: AtomicU64::new(0),
            leave: CancellationToken::new(),
        }
    }

    /// A request is handled until the answer is dropped.
    pub fn work(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Ordering::Relaxed);
        self.has_asked.store(true, Ordering::Relaxed);
        Working(Arc::clone(self))
    }

    fn moved(&self) {
        self.since.store(self.began.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// Since when it is the caller who has to do something. None while a request is handled: that has limits of its own.
    pub fn waits_since(&self) -> Option<Instant> {
        let since = self.began + Duration::from_micros(self.since.load(Ordering::Relaxed));
        (self.working.load(Ordering::Relaxed) == 0).then_some(since)
    }

    /// Ends when the caller has done nothing for too long.
    pub async fn is_silent(&self, times: Times) {
        loop {
            let time = if self.has_asked.load(Ordering::Relaxed) { times.idle } else { times.head };
            let until = self.waits_since().unwrap_or_else(Instant::now) + time;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until.into()).await;
        }
    }
}

pub struct Working(Arc<Peer>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.moved();
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Its socket: whoever takes what is written to it is not silent. What comes in proves nothing: a head can come letter by
/// letter.
pub struct Socket<S> {
    pub stream: S,
    pub peer: Arc<Peer>,
}

impl<S> Socket<S> {
    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.peer.moved();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { head: Duration::from_secs(5), idle: Duration::from_secs(60) };

    #[tokio::test]
    async fn who_never_asked_is_silent_before_who_has() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(30)).expect("the machine is up for longer");
        let peer = Arc::new(Peer::new(long_ago));
        peer.is_silent(TIMES).await;
        let working = peer.work();
        assert_eq!(peer.waits_since(), None);
        drop(working);
        assert!(peer.waits_since().expect("it waits") > long_ago, "since its request was done");
    }
}
