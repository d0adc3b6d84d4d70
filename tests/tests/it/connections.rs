//! Connections that nobody makes use of: they take no room from others, and they end.

use std::net::SocketAddr;

use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const BOUND: usize = 16;

/// Half a request line, and then silence.
async fn half_open(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("all of 127/8 is this machine");
    let mut stream = socket.connect(to).await.expect("the hub listens");
    stream.write_all(b"GET /hea").await.expect("the hub reads");
    stream
}

/// Reads to the end. Whether it is an orderly one is not asked.
async fn is_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    assert_eq!(String::from_utf8_lossy(&rest), "", "nothing was asked");
}

#[tokio::test]
async fn half_open_connections_leave_room_and_end() {
    let place = Place::new(None);
    let file = place.folder.join("hub.toml");
    std::fs::write(&file, format!("connections = {BOUND}\nhead_seconds = 5\n")).expect("a file is written");
    let flags = ["--config".to_owned(), file.display().to_string()];
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let address: SocketAddr = hub.url.strip_prefix("http://").expect("a URL").parse().expect("an address");

    let mut silent = Vec::new();
    for _ in 0..2 * BOUND {
        silent.push(half_open("127.0.0.5", address).await);
        silent.push(half_open("127.0.0.6", address).await);
    }
    let client = Client::new(&hub.url);
    let healthy = client.send(client.request(Method::GET, "/healthz")).await;
    assert_eq!(healthy.status, StatusCode::OK);
    for stream in silent {
        is_closed(stream).await;
    }

    // And who says nothing at all, while there is room for everybody.
    let nothing = TcpStream::connect(address).await.expect("the hub listens");
    is_closed(nothing).await;
    let closed = until("the hub has counted both kinds", || async {
        let metrics = client.send(client.request(Method::GET, "/metrics")).await.body.to_string();
        (metrics.contains(r#"why=\"silent\""#) && metrics.contains(r#"why=\"room\""#)).then_some(())
    });
    closed.await;
    assert!(hub.stop().await.expect("the hub ends").success());
}

/// Issue 14: who sent all that it has to say and closed its half of the connection, as `nc -N` and some gateways do, had no answer.
#[tokio::test]
async fn who_says_no_more_is_answered() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.start_hub("127.0.0.1:0", &[]).await.expect("the hub starts");
    let address: SocketAddr = hub.url.strip_prefix("http://").expect("a URL").parse().expect("an address");
    let event = r#"{"type": "track", "event": "Said", "userId": "u"}"#;
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address).await.expect("the hub listens");
        let request = format!(
            "POST /v1/track HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{event}",
            tenant.write_key,
            event.len(),
        );
        stream.write_all(request.as_bytes()).await.expect("the hub reads");
        stream.shutdown().await.expect("one half is closed");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the hub closes the other");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(hub.stop().await.expect("the hub ends").success());
}
