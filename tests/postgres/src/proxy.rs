//! A proxy between a hub and PostgreSQL that loses answers, and falls silent without a word, when it is told to.
//!
//! It reads what the server says, message by message, and so knows when a COMMIT has been carried out: the answer to one is
//! what it can swallow, and then it cuts the connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The request of a client that would like TLS: length and code.
const TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Statements that a transaction writes with, as the server calls them when they are done.
const WRITES: [&[u8]; 3] = [b"INSERT", b"UPDATE", b"DELETE"];
/// What each transaction of a writer writes at its beginning says nothing yet.
const BEGINS: u32 = 1;

pub struct Proxy {
    port: u16,
    told: Arc<Told>,
    accepting: JoinHandle<()>,
}

/// What the proxy was told to do, and what it did.
#[derive(Default)]
struct Told {
    /// Of so many transactions that write, the answer to one COMMIT is lost; 0: of none.
    cut_every: AtomicU64,
    cuts_left: AtomicU64,
    commits: AtomicU64,
    cuts: AtomicU64,
    /// Falls silent once a transaction has written something and is not committed.
    silent_within: AtomicBool,
    /// Falls silent once a transaction that wrote nothing has its answer.
    silent_after_read: AtomicBool,
    silent: watch::Sender<bool>,
    /// Connections of before it fell silent stay so for good.
    generation: AtomicU64,
}

impl Proxy {
    /// In front of the server of this URL.
    pub async fn start(url: &str) -> io::Result<Proxy> {
        let server = address(url).to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let told = Arc::new(Told::default());
        let accepting = tokio::spawn({
            let told = told.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (told, server) = (told.clone(), server.clone());
                    tokio::spawn(async move {
                        // A connection that breaks is what this is for.
                        let _ = pass(client, &server, &told).await;
                    });
                }
            }
        });
        Ok(Proxy { port, told, accepting })
    }

    /// The same database, through the proxy.
    pub fn through(&self, url: &str) -> String {
        url.replacen(address(url), &format!("127.0.0.1:{}", self.port), 1)
    }

    /// The answer to each `every`th COMMIT of a transaction that writes is lost, `times` times.
    pub fn cut(&self, every: u64, times: u64) {
        self.told.cuts_left.store(times, Ordering::SeqCst);
        self.told.cut_every.store(every, Ordering::SeqCst);
    }

    /// How many COMMITs had no answer.
    pub fn cuts(&self) -> u64 {
        self.told.cuts.load(Ordering::SeqCst)
    }

    /// Passes nothing on any more and closes nothing; new connections are accepted and have no answer.
    pub fn fall_silent(&self) {
        self.told.silent.send_replace(true);
    }

    /// As [`Proxy::fall_silent`], in the middle of the next transaction that writes.
    pub fn fall_silent_within(&self) {
        self.told.silent_within.store(true, Ordering::SeqCst);
    }

    /// As [`Proxy::fall_silent`], right after the next transaction that only reads.
    pub fn fall_silent_after_read(&self) {
        self.told.silent_after_read.store(true, Ordering::SeqCst);
    }

    pub fn is_silent(&self) -> bool {
        *self.told.silent.borrow()
    }

    /// New connections are passed on again; those from before stay silent, as when a router has forgotten them.
    pub fn speak(&self) {
        self.told.generation.fetch_add(1, Ordering::SeqCst);
        self.told.silent.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// `host:port` of a URL.
fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    rest.rsplit_once('@').map_or(rest, |(_, address)| address)
}

impl Told {
    /// Returns once this connection may pass something on: never, if it is of before a silence.
    async fn may_pass(&self, generation: u64) {
        let mut silent = self.silent.subscribe();
        // The sender lives as long as this does.
        let _ = silent.wait_for(|silent| !silent).await;
        if self.generation.load(Ordering::SeqCst) != generation {
            std::future::pending::<()>().await;
        }
    }

    fn cuts_now(&self) -> bool {
        let every = self.cut_every.load(Ordering::SeqCst);
        let commit = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        if every == 0 || !commit.is_multiple_of(every) {
            return false;
        }
        let left = self.cuts_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        left.is_ok()
    }
}

async fn pass(mut client: TcpStream, server: &str, told: &Arc<Told>) -> io::Result<()> {
    let generation = told.generation.load(Ordering::SeqCst);
    told.may_pass(generation).await;
    let mut server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let mut first = [0; 8];
    client.read_exact(&mut first).await?;
    if first == TLS {
        client.write_all(b"N").await?;
    } else {
        server.write_all(&first).await?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        asked = ask(from_client, to_server, told, generation) => asked,
        answered = answer(from_server, to_client, told, generation) => answered,
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, told: &Told, generation: u64) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        told.may_pass(generation).await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, told: &Told, generation: u64) -> io::Result<()> {
    let (mut buffer, mut writes) = (Vec::with_capacity(64 * 1024), 0);
    let (mut has_read, mut falls_silent) = (false, false);
    loop {
        if from.read_buf(&mut buffer).await? == 0 {
            return to.write_all(&buffer).await;
        }
        let mut at = 0;
        // A message is its kind, its length with the four bytes of the length, and the rest.
        while let Some([kind, length @ ..]) = buffer.get(at..at + 5) {
            let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
            let Some(text) = buffer.get(at + 5..at + 1 + length) else { break };
            if *kind == b'C' {
                if text.starts_with(b"BEGIN") {
                    writes = 0;
                } else if text.starts_with(b"COMMIT") {
                    if writes > BEGINS && told.cuts_now() {
                        // Both halves are dropped: the connection is gone.
                        return Ok(());
                    }
                    has_read = writes == 0;
                } else if WRITES.iter().any(|write| text.starts_with(write)) {
                    writes += 1;
                    if writes > BEGINS && told.silent_within.swap(false, Ordering::SeqCst) {
                        told.silent.send_replace(true);
                    }
                }
            } else if *kind == b'Z' {
                // It is ready for the next: the answer to the COMMIT is whole.
                falls_silent |= std::mem::take(&mut has_read) && told.silent_after_read.swap(false, Ordering::SeqCst);
            }
            at += 1 + length;
        }
        told.may_pass(generation).await;
        if std::mem::take(&mut falls_silent) {
            told.silent.send_replace(true);
        }
        to.write_all(&buffer[..at]).await?;
        buffer.drain(..at);
    }
}
