//! Takes connections and serves each in a task of its own, until the hub stops: then requests under way are finished.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::peer::{Socket, Times};
use super::room::{Place, Room};

/// After an error that is not of one connection: the machine is out of something.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a head, and of what is read of a body at once.
const BUFFER: usize = 128 * 1024;

/// Ends when all connections have, after `stopping` was cancelled.
pub async fn serve(listener: TcpListener, router: Router, most: usize, times: Times, stopping: CancellationToken) {
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
        tasks.spawn(connection(stream, address, place, router.clone(), times, stopping.clone()));
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

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    router: Router,
    times: Times,
    stopping: CancellationToken,
) {
    let peer = &place.peer;
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        let working = peer.work();
        request.extensions_mut().insert(ConnectInfo(address));
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(working);
            answer
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(BUFFER);
    let socket = TokioIo::new(Socket { stream, peer: Arc::clone(peer) });
    let mut served = pin!(builder.serve_connection(socket, service));
    let mut silent = pin!(peer.is_silent(times));
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
