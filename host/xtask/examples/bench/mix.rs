//! What P2 and P2s have in force besides segments and rules: a journey that sends, and who receives what it sends.

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::audiences;

/// What the webhook signs with.
pub const SECRET: &str = "whsec_b3Blbmh1YiBiZW5jaDogb25seSBmb3IgdGhpcyBtYWNoaW5lLg==";

/// Every tenth order starts a run, which sends a message and waits for the next order.
pub fn journey() -> Value {
    json!({
        "trigger": {"event": audiences::ORDER, "where": [{"property": "total", "is": "ge", "value": 450}]},
        "reentry": "always",
        "start": "thank",
        "nodes": {
            "thank": {"type": "send", "channel": "webhook", "purpose": "transactional", "content": {"template": "thanks"}, "next": "next-order"},
            "next-order": {"type": "wait", "for": {"event": audiences::ORDER}, "timeout": "60d",
                "on_event": "back", "on_timeout": "quiet"},
            "back": {"type": "exit", "reason": "bought again"},
            "quiet": {"type": "exit", "reason": "did not come back"},
        },
    })
}

/// Takes whatever is sent to it, and counts it.
pub async fn receive() -> Result<(SocketAddr, Arc<AtomicU64>)> {
    let received = Arc::new(AtomicU64::new(0));
    let counter = received.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let take = async move || {
        counter.fetch_add(1, Ordering::Relaxed);
        StatusCode::NO_CONTENT
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
    Ok((address, received))
}

/// How many it has counted so far.
pub fn count(received: &AtomicU64) -> u64 {
    received.load(Ordering::Relaxed)
}
