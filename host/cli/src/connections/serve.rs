//! Takes connections and serves each in a task of its own, until the hub stops: then requests under way are finished.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, HeaderValue};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::peer::{Socket, Times};
use super::room::{Place, Room};
use super::tls::Tls;

/// After an error that is not of one connection: the machine is out of something.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a head, and of what is read of a body at once.
const BUFFER: usize = 128 * 1024;

/// Where callers come in, and what answers them.
pub struct Door {
    pub listener: TcpListener,
    pub router: Router,
    /// Connections at the same time.
    pub most: usize,
    pub times: Times,
    /// None: what is said is in the clear.
    pub tls: Option<Tls>,
}

/// Ends when all connections have, after `stopping` was cancelled.
pub async fn serve(door: Door, stopping: CancellationToken) {
    let Door { listener, router, most, times, tls } = door;
    let (room, tasks) = (Room::new(most), TaskTracker::new());
    while let Some((stream, address)) = accept(&listener, &stopping).await {
        // A handle is free for it, of those that are left for the hub.
        let Some(place) = room.enter(address.ip()).await else {
            closed("full");
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's delay");
        }
        let caller = Caller { address, place, times, stopping: stopping.clone() };
        tasks.spawn(connection(stream, caller, router.clone(), tls.clone()));
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// None when the hub stops.
async fn accept(listener: &TcpListener, stopping: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => return None,
        };
        match accepted {
            Ok(accepted) => return Some(accepted),
            Err(error) => {
                let kind = error.kind();
                let is_gone = [ErrorKind::ConnectionRefused, ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset];
                if !is_gone.contains(&kind) {
                    tracing::error!(%error, "no connection could be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Who is connected.
struct Caller {
    address: SocketAddr,
    place: Place,
    times: Times,
    stopping: CancellationToken,
}

async fn connection(stream: TcpStream, caller: Caller, router: Router, tls: Option<Tls>) {
    let socket = Socket { stream, peer: Arc::clone(&caller.place.peer) };
    let Some(tls) = tls else { return talk(socket, &caller, router, Scheme::Plain).await };
    let secured = tokio::select! {
        secured = tls.accept(socket) => secured,
        () = caller.place.peer.is_silent(caller.times) => return closed("silent"),
        () = caller.place.peer.leave.cancelled() => return closed("room"),
        () = caller.stopping.cancelled() => return,
    };
    match secured {
        Ok(secured) => talk(secured, &caller, router, Scheme::Secured).await,
        Err(error) => {
            tracing::debug!(%error, "a caller spoke no TLS that this hub speaks");
            closed("tls");
        }
    }
}

/// Whether a caller speaks TLS with the hub itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Plain,
    Secured,
}

/// What a proxy says that speaks TLS in the hub's place.
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

async fn talk(socket: impl AsyncRead + AsyncWrite + Unpin + 'static, caller: &Caller, router: Router, scheme: Scheme) {
    let Caller { address, place, times, stopping } = caller;
    let (address, peer) = (*address, &place.peer);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        let working = peer.work();
        request.extensions_mut().insert(ConnectInfo(address));
        if scheme == Scheme::Secured {
            request.headers_mut().insert(PROTO, HeaderValue::from_static("https"));
        }
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(working);
            answer
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Who says that nothing more will come still waits for the answer.
    builder.http1().max_buf_size(BUFFER).half_close(true);
    let mut served = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let mut silent = pin!(peer.is_silent(*times));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection broke off");
                }
                return;
            }
            () = silent.as_mut() => return closed("silent"),
            () = peer.leave.cancelled() => return closed("room"),
            () = stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

fn closed(why: &'static str) {
    metrics::counter!("openhub_connections_closed_total", "why" => why).increment(1);
}
