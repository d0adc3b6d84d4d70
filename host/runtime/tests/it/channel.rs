//! The I/O lane: settling, requests under the egress check, secrets.

use openhub_model::Timestamp;
use openhub_runtime::{Config, FaultKind, HostPort, IoContext, OutMessage, Plugin, Runtime, Verdict};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::guest::{self, CHANNEL_IMPORTS, POSTING, call, channel_manifest, component, settling_wat};

const WORLD: &str = "openhub:plugin/channel-plugin@1.0.0";
pub const SECRET: &str = "s3cret-value";

pub fn context(hosts: &[&str]) -> IoContext {
    IoContext {
        call: call(),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        secrets: Arc::new(BTreeMap::from([("key".to_owned(), SECRET.as_bytes().to_vec())])),
        captured: Arc::default(),
        clock: Arc::new(|| Timestamp::from_micros(0)),
        kv: None,
        events: None,
        customers: None,
        objects: None,
        access: Vec::new(),
        played: None,
    }
}

pub fn message(address: &str, attempt: u32) -> OutMessage {
    OutMessage {
        idempotency_key: "m".to_owned(),
        attempt,
        address: address.to_owned(),
        customer: "c".to_owned(),
        purpose: String::new(),
        locale: "en".to_owned(),
        time_zone: "UTC".to_owned(),
        expires_at: None,
        unsubscribe_url: None,
        content: r#"{"hello":"world"}"#.to_owned(),
    }
}

pub async fn settling(rest: &str) -> Arc<Plugin> {
    let manifest = channel_manifest(&CHANNEL_IMPORTS[..1]);
    guest::runtime().prepare(&component(WORLD, &settling_wat(rest), Some(&manifest))).await.unwrap()
}

pub async fn posting(allow_private: Vec<HostPort>) -> Arc<Plugin> {
    let config = Config { allow_private, instances: 2, ..Config::default() };
    let bytes = component(WORLD, POSTING, Some(&channel_manifest(&CHANNEL_IMPORTS)));
    Runtime::new(config).unwrap().prepare(&bytes).await.unwrap()
}

fn three() -> Vec<OutMessage> {
    vec![message("a", 1), message("b", 1), message("c", 1)]
}

#[tokio::test]
async fn a_trap_keeps_what_was_settled() {
    let sent = settling("unreachable").await.send(context(&[]), "c", three()).await;
    let accepted = Verdict::Accepted { provider_id: "id".to_owned(), units: 1 };
    assert_eq!(sent.verdicts[..2], [accepted.clone(), accepted]);
    assert!(matches!(sent.verdicts[2], Verdict::Retry { .. }));
    assert_eq!(sent.fault.unwrap().kind, FaultKind::Trap);
    assert_eq!(sent.receipt.host_calls, 2);
}

#[tokio::test]
async fn what_is_left_unsettled_is_tried_again() {
    let sent = settling("(i32.const 5000)").await.send(context(&[]), "c", three()).await;
    assert!(matches!(sent.verdicts[2], Verdict::Retry { .. }) && sent.fault.is_none());
}

#[tokio::test]
async fn settling_twice_or_what_is_not_there_breaks_off() {
    for rest in ["(call $accept (i32.const 0)) (i32.const 5000)", "(call $accept (i32.const 9)) (i32.const 5000)"] {
        let sent = settling(rest).await.send(context(&[]), "c", three()).await;
        assert_eq!(sent.fault.unwrap().kind, FaultKind::Malformed);
        assert!(matches!(sent.verdicts[0], Verdict::Accepted { .. }));
    }
}

#[tokio::test]
async fn an_endless_loop_is_stopped_by_its_fuel() {
    let mut config = Config { instances: 1, ..Config::default() };
    config.limits.io_ms = 50;
    let bytes = component(
        WORLD,
        &settling_wat("(loop $again (br $again)) (i32.const 0)"),
        Some(&channel_manifest(&CHANNEL_IMPORTS[..1])),
    );
    let plugin = Runtime::new(config).unwrap().prepare(&bytes).await.unwrap();
    let sent = plugin.send(context(&[]), "c", three()).await;
    assert_eq!(sent.fault.unwrap().kind, FaultKind::Fuel);
    assert!(matches!(sent.verdicts[1], Verdict::Accepted { .. }));
}

#[tokio::test]
async fn too_many_messages_and_unknown_channels_are_the_hubs_fault() {
    let plugin = settling("(i32.const 5000)").await;
    for sent in [
        plugin.send(context(&[]), "other", three()).await,
        plugin.send(context(&[]), "c", vec![message("a", 1); 21]).await,
    ] {
        assert_eq!(sent.fault.unwrap().kind, FaultKind::Host);
        assert!(sent.verdicts.iter().all(|verdict| matches!(verdict, Verdict::Retry { .. })));
    }
}

/// Answers with what it was asked, with a redirect, or with 2 MiB.
pub async fn serve(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&chunk[..read]);
    }
    let path = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default().to_vec();
    let body = if path == b"/big" { vec![b'x'; 2 * 1024 * 1024] } else { request };
    let head = match path.as_slice() {
        b"/redirect" => "302 Found\r\nlocation: http://169.254.169.254/".to_owned(),
        _ => "200 OK".to_owned(),
    };
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}

#[tokio::test]
async fn an_allowed_host_is_reached_and_secrets_are_masked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(serve(listener));
    let plugin = posting(vec![at.parse().unwrap()]).await;
    let url = |path: &str| format!("http://{at}{path}");
    let messages = vec![
        message(&url("/echo"), 1),
        message(&url("/redirect"), 2),
        message(&url("/big"), 2),
        message("http://169.254.169.254/latest", 2),
    ];
    let sent = plugin.send(context(&[at.as_str(), "169.254.169.254"]), "c", messages).await;
    server.abort();
    assert_eq!(sent.fault, None);
    assert_eq!((sent.receipt.fetches, sent.receipt.host_calls), (3, 5));
    match &sent.verdicts[0] {
        Verdict::Accepted { provider_id: echo, units: 200 } => {
            assert!(echo.contains("authorization: ***") && echo.ends_with(r#"{"hello":"world"}"#), "{echo}");
            assert!(!echo.contains(SECRET));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(&sent.verdicts[1], Verdict::Accepted { units: 302, .. }), "{:?}", sent.verdicts[1]);
    // The body is too large: its status has been told all the same.
    assert!(matches!(&sent.verdicts[2], Verdict::Accepted { units: 200, .. }), "{:?}", sent.verdicts[2]);
    assert!(
        matches!(&sent.verdicts[3], Verdict::Rejected(reason) if reason.code == "denied"),
        "{:?}",
        sent.verdicts[3]
    );
}

#[tokio::test]
async fn without_the_operators_word_a_private_address_stays_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plugin = posting(Vec::new()).await;
    let messages = vec![
        message(&format!("http://127.0.0.1:{port}/"), 2),
        message(&format!("http://localhost:{port}/"), 2),
        message("https://not-granted.example/", 2),
    ];
    let sent = plugin.send(context(&["127.0.0.1", "localhost"]), "c", messages).await;
    for verdict in sent.verdicts {
        assert!(matches!(&verdict, Verdict::Rejected(reason) if reason.code == "denied"), "{verdict:?}");
    }
}

/// A provider that takes the request and never answers: the call ends by the clock, which counts waiting, too.
#[tokio::test]
async fn a_call_that_waits_too_long_is_ended_by_the_clock() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let mut config = Config { allow_private: vec![at.parse().unwrap()], instances: 2, ..Config::default() };
    config.limits.io_wall_ms = 300;
    let bytes = component(WORLD, POSTING, Some(&channel_manifest(&CHANNEL_IMPORTS)));
    let plugin = Runtime::new(config).unwrap().prepare(&bytes).await.unwrap();
    let sent = plugin.send(context(&[&at]), "c", vec![message(&format!("http://{at}/"), 1)]).await;
    let fault = sent.fault.unwrap();
    assert_eq!(fault.kind, FaultKind::Epoch, "{fault}");
    assert!(fault.message.contains("took too long: at most 300 ms"), "{fault}");
    drop(listener);
}
