//! The provider of a test: a real HTTP server on this machine, which answers by script and keeps what came.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};

/// Answers 200 with an empty body, unless told otherwise.
pub struct Provider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    requests: Vec<Request>,
}

/// What the provider does with one request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// None breaks the connection off after the request has arrived.
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: String,
}

/// A request as it came.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    method: String,
    /// With its query.
    path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Provider {
    pub async fn start() -> std::io::Result<Provider> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        tokio::spawn(serve(listener, state.clone()));
        Ok(Provider { address, state })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Adds an answer to the script; the next requests take them in order.
    pub fn answer(&self, answer: Answer) {
        lock(&self.state).script.push_back(answer);
    }

    /// The requests that came since this was asked last.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut lock(&self.state).requests)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, state.clone()));
    }
}

async fn connection(stream: TcpStream, state: Arc<Mutex<State>>) {
    let service = service_fn(|request| handle(request, &state));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    // A broken connection is what the script asked for, or the plugin's own doing; the test sees it in the verdict.
    drop(served);
}

async fn handle(
    request: hyper::Request<Incoming>,
    state: &Mutex<State>,
) -> Result<hyper::Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let request = Request { method: head.method.to_string(), path, headers: headers.collect(), body };
    let answer = {
        let mut state = lock(state);
        state.requests.push(request);
        state.script.pop_front().unwrap_or_else(|| Answer {
            status: Some(200),
            headers: Vec::new(),
            body: String::new(),
        })
    };
    let status = answer.status.ok_or("the script ends here")?;
    let mut response = hyper::Response::builder().status(status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(answer.body)))?)
}
