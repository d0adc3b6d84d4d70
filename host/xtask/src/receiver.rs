//! The demo's receiver: a stranger to the hub that verifies each webhook (Standard Webhooks) and counts.
//!
//! What it counts is what came in over HTTP; it knows neither the file nor the hub's database.

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standardwebhooks::{HEADER_WEBHOOK_ID, Webhook};
use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;

/// The template of the journey that the demo publishes.
const TEMPLATE: &str = "win-back";

#[derive(Args)]
pub struct Options {
    /// `whsec_…`
    #[arg(long, env = "RECEIVER_SECRET", hide_env_values = true)]
    secret: String,
}

/// What came in so far.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Win-back messages, every attempt.
    pub received: u64,
    /// Win-back messages by their idempotency key.
    pub distinct: u64,
    /// Different coupon codes in them.
    pub codes: u64,
    /// Messages of other kinds.
    pub others: u64,
    /// Requests whose signature did not hold; they were answered 401.
    pub forged: u64,
}

#[derive(Default)]
struct Tally {
    received: u64,
    others: u64,
    forged: u64,
    keys: HashSet<String>,
    codes: HashSet<String>,
}

struct Receiver {
    webhook: Webhook,
    tally: Mutex<Tally>,
}

impl Receiver {
    /// A panic elsewhere cannot leave a count half-made: each is one statement.
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn run(options: &Options) -> Result<()> {
    let receiver = Arc::new(Receiver { webhook: Webhook::new(&options.secret)?, tally: Mutex::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout();
        writeln!(out, "listening on http://{}", listener.local_addr()?)?;
        out.flush()?;
        axum::serve(listener, router(receiver)).await.context("the receiver failed")
    })
}

fn router(receiver: Arc<Receiver>) -> Router {
    Router::new()
        .route("/messages", post(receive))
        .route("/summary", get(summary))
        .route("/codes", get(codes))
        .with_state(receiver)
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let key = headers.get(HEADER_WEBHOOK_ID).and_then(|key| key.to_str().ok());
    let (Some(key), Ok(())) = (key, receiver.webhook.verify(&body, &headers)) else {
        receiver.tally().forged += 1;
        return StatusCode::UNAUTHORIZED;
    };
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut tally = receiver.tally();
    if find(&message, "template").and_then(Value::as_str) != Some(TEMPLATE) {
        tally.others += 1;
        return StatusCode::NO_CONTENT;
    }
    tally.received += 1;
    tally.keys.insert(key.to_owned());
    if let Some(code) = find(&message, "code").and_then(Value::as_str) {
        tally.codes.insert(code.to_owned());
    }
    StatusCode::NO_CONTENT
}

async fn summary(State(receiver): State<Arc<Receiver>>) -> Json<Summary> {
    let tally = receiver.tally();
    Json(Summary {
        received: tally.received,
        distinct: tally.keys.len() as u64,
        codes: tally.codes.len() as u64,
        others: tally.others,
        forged: tally.forged,
    })
}

async fn codes(State(receiver): State<Arc<Receiver>>) -> Json<Vec<String>> {
    Json(receiver.tally().codes.iter().cloned().collect())
}

/// The content's field, wherever the envelope puts the content.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_object()?;
    fields.get(name).or_else(|| fields.values().find_map(|inner| find(inner, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn receiver() -> Arc<Receiver> {
        let webhook = Webhook::from_bytes(b"a key of the test's own".to_vec()).unwrap();
        Arc::new(Receiver { webhook, tally: Mutex::default() })
    }

    fn signed(receiver: &Receiver, key: &str, body: &str) -> HeaderMap {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let signature = receiver.webhook.sign(key, now, body.as_bytes()).unwrap();
        let pairs =
            [("webhook-id", key.to_owned()), ("webhook-timestamp", now.to_string()), ("webhook-signature", signature)];
        let parsed =
            |(name, value): (&'static str, String)| (axum::http::HeaderName::from_static(name), value.parse().unwrap());
        pairs.into_iter().map(parsed).collect()
    }

    #[tokio::test]
    async fn a_repeated_message_is_received_twice_and_distinct_once() {
        let receiver = receiver();
        let body = r#"{"data":{"template":"win-back","code":"ABC"}}"#;
        for _ in 0..2 {
            let headers = signed(&receiver, "msg_1", body);
            assert_eq!(receive(State(receiver.clone()), headers, body.into()).await, StatusCode::NO_CONTENT);
        }
        let Json(counted) = summary(State(receiver)).await;
        assert_eq!(counted, Summary { received: 2, distinct: 1, codes: 1, others: 0, forged: 0 });
    }

    #[tokio::test]
    async fn a_forged_message_counts_as_nothing_else() {
        let receiver = receiver();
        let headers = signed(&receiver, "msg_1", r#"{"template":"win-back"}"#);
        let answer = receive(State(receiver.clone()), headers, r#"{"template":"win-back","code":"X"}"#.into()).await;
        assert_eq!(answer, StatusCode::UNAUTHORIZED);
        let Json(counted) = summary(State(receiver)).await;
        assert_eq!(counted, Summary { forged: 1, ..Summary::default() });
    }
}
