//! A provider that answers as it is told, or hangs.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::patience::until;

/// It takes requests and answers none.
pub const HOLDS: u16 = 0;

#[derive(Clone)]
pub struct Provider {
    pub address: String,
    status: Arc<AtomicU16>,
    /// The idempotency keys that came in, in order.
    keys: Arc<Mutex<Vec<String>>>,
    /// What came in, as JSON.
    bodies: Arc<Mutex<Vec<Value>>>,
    /// Requests that it holds, of callers who are still there.
    held: Arc<AtomicUsize>,
}

impl Provider {
    pub async fn start(status: u16) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let status = Arc::new(AtomicU16::new(status));
        let provider = Provider { address, status, keys: Arc::default(), bodies: Arc::default(), held: Arc::default() };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(connection).await });
            }
        });
        provider
    }

    async fn serve(&self, mut connection: TcpStream) -> Option<()> {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.ok()?);
            }
            let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
            let header = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.unwrap_or_default().trim().to_owned()
            };
            let mut body = vec![0; header("content-length").parse().unwrap_or_default()];
            connection.read_exact(&mut body).await.ok()?;
            self.note(header("webhook-id"), serde_json::from_slice(&body).unwrap_or_default());
            let status = self.status.load(Ordering::SeqCst);
            if status == HOLDS {
                self.held.fetch_add(1, Ordering::SeqCst);
                while connection.read_u8().await.is_ok() {}
                self.held.fetch_sub(1, Ordering::SeqCst);
                return None;
            }
            // Whoever may try again does so when the test says so, and not by the clock.
            let later = if status >= 300 { "retry-after: 3600\r\n" } else { "" };
            let answer = format!("HTTP/1.1 {status} Told\r\n{later}content-length: 0\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.ok()?;
        }
    }

    /// Both lists have the same order.
    fn note(&self, key: String, body: Value) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push(key);
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
    }

    /// From now on it answers so.
    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests it holds now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come in.
    pub async fn took(&self, count: usize) -> Vec<String> {
        until("the provider has requests", || async { Some(self.keys()).filter(|keys| keys.len() >= count) }).await
    }
}
