//! Receivers of webhooks: real ones, each with its own manners.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Takes,
    /// This status, and a time after which it wants to be asked again.
    Answers(u16, Option<u32>),
    /// It never answers.
    Hangs,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("a text")
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// How many of its signatures are by this secret.
    pub fn signed_by(&self, secret: &str) -> usize {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("its beginning")).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key of any length");
        mac.update(format!("{}.{}.", self.id(), self.header("webhook-timestamp")).as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').filter(|signature| *signature == expected).count()
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Receiver {
    pub async fn start(manner: Manner) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Receiver { address, manner: Arc::new(Mutex::new(manner)), calls: Arc::default() };
        let router = Router::new().fallback(answer).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }

    pub fn behaves(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.calls().iter().map(|call| call.id().to_owned()).collect()
    }
}

/// An address at which nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

async fn answer(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    receiver.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Call { headers, body });
    let manner = *receiver.manner.lock().unwrap_or_else(PoisonError::into_inner);
    match manner {
        Manner::Takes => StatusCode::NO_CONTENT.into_response(),
        Manner::Answers(status, after) => {
            let status = StatusCode::from_u16(status).expect("a status");
            let mut response = (status, "not now").into_response();
            if let Some(after) = after {
                response.headers_mut().insert(header::RETRY_AFTER, after.into());
            }
            response
        }
        Manner::Hangs => std::future::pending().await,
    }
}
