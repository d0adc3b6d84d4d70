//! The table of deeds that a plugin may try, in the real binary: what each comes to, while a neighbour works and notices nothing.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use openhub_tests::report::say;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use xtask::demo::setup::Tenant;

/// What an allocator keeps or not; a tenth, if that is more.
const ROOM: u64 = 16 << 20;
const BY_THE_CLOCK: &str = "took too long";
const TOKEN: &str = "the-token-of-the-provider";
/// What an answer gives.
const GIVEN: &str = "a-token-that-an-answer-gave";

/// A provider that means harm, too.
async fn provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("its address").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The hub hangs up on most of what it says.
            tokio::spawn(async move { drop(answer(stream).await) });
        }
    });
    address
}

/// Answers, and reads what still comes: to hang up on it would reset the connection, and the answer with it.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    say_to(&mut stream).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

async fn say_to(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    match path {
        "/redirect" => {
            let inwards = "HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(inwards.as_bytes()).await
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 64 << 10]).await?;
            }
        }
        "/bomb" => {
            let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
            bomb.write_all(&vec![0; 64 << 20])?;
            let bomb = bomb.finish()?;
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                bomb.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bomb).await
        }
        "/hang" => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok(())
        }
        "/token" => {
            let body = json!({"token": GIVEN}).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(head.as_bytes()).await
        }
        _ => {
            let of = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
            let token = [of("authorization: ").unwrap_or("none"), of("x-told: ").unwrap_or_default()].join(" ");
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{token}", token.len());
            stream.write_all(head.as_bytes()).await
        }
    }
}

/// What a rule is told, and what it comes to: the code of its fault, or that it is done.
const RULE: [(&str, &[&str]); 8] = [
    ("loop", &["fuel", "epoch"]),
    ("grow", &["memory"]),
    ("nest", &["stack"]),
    ("panic", &["trap"]),
    ("host-calls", &["fuel"]),
    ("long-line", &["malformed"]),
    ("colours", &["done"]),
    ("nothing", &["done"]),
];

type Deed = (&'static str, Value, &'static str);

/// What the channel is told, and what the fault of its message must have.
fn channel() -> Vec<Deed> {
    let fetch = |url: &str| json!({"deed": "fetch", "url": url});
    let with = |url: &str, name: &str, value: &str| json!({"deed": "fetch", "url": url, "header": [name, value]});
    vec![
        ("a thousand requests in a call", json!({"deed": "fetches"}), "few: "),
        ("loop", json!({"deed": "loop"}), "fuel"),
        ("memory without end", json!({"deed": "grow"}), "memory"),
        ("deep recursion", json!({"deed": "nest"}), "stack"),
        ("panic", json!({"deed": "panic"}), "it was told to"),
        ("calls of the host without end", json!({"deed": "host-calls"}), "too often"),
        ("a host that is not granted", fetch("https://example.com/"), "denied"),
        (
            "a name that leads to this machine",
            fetch("https://localhost/"),
            "denied: no address of `localhost` may be reached",
        ),
        ("the metadata service", fetch("http://169.254.169.254/latest"), "denied"),
        ("this machine, written as a number", fetch("http://2130706433/"), "denied"),
        ("this machine, written in IPv6", fetch("http://[::ffff:127.0.0.1]/"), "denied"),
        ("a name before the host", fetch("https://localhost@example.com/"), "denied"),
        ("a redirect inwards", fetch("/redirect"), "answered: 302"),
        ("an answer without end", fetch("/endless"), "answered: 200 the answer is too long: at most 1048576 bytes"),
        ("a compressed bomb", fetch("/bomb"), "answered: 200"),
        ("an answer that never comes", fetch("/hang"), "unknown"),
        ("another Host header", with("/", "host", "example.com"), "denied"),
        ("a line break in a header", with("/", "x-a", "b\r\nhost: example.com"), "denied"),
        (
            "a secret in its place, read in the answer",
            json!({"deed": "fetch", "url": "/", "secret": true}),
            "answered: 200",
        ),
        ("a secret in another place", json!({"deed": "fetch", "url": "/", "leak": true}), "denied"),
        (
            "a token that an answer gives, read in it and sent back",
            json!({"deed": "fetch", "url": "/", "capture": "given"}),
            "answered: 200  *** 200  {\"token\":\"***\"}",
        ),
        (
            "a token that an answer gives, in another place",
            json!({"deed": "fetch", "url": "/", "capture": "given", "elsewhere": true}),
            "denied: the manifest does not allow the secret",
        ),
        (
            "a secret of the admin's, put by an answer",
            json!({"deed": "fetch", "url": "/", "capture": "token"}),
            "denied: the manifest does not say that an answer gives the secret",
        ),
        (
            "a secret for another host",
            json!({"deed": "fetch", "url": "https://localhost/", "secret": true}),
            "denied: the manifest does not allow the secret",
        ),
    ]
}

struct Fixture {
    client: Client,
    crook: Tenant,
    table: Vec<(String, String)>,
}

impl Fixture {
    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.client.json(method, path, &self.crook.api_key, &body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    async fn plugin(&self, provider: &str) {
        let component = guests::build("tests/hostile/crook").bytes;
        let installed = self.client.upload(&self.crook.api_key, component).await;
        assert_eq!(installed.status, StatusCode::CREATED, "{:?}", installed.body);
        let plugin = "/api/v1/plugins/hostile-crook";
        self.call(Method::PUT, &format!("{plugin}/secrets/token"), json!({"value": TOKEN})).await;
        let settings = json!({"url": format!("http://{provider}")});
        let agreed = json!({"accept": installed.body["digest"], "settings": settings});
        self.call(Method::POST, &format!("{plugin}/enable"), agreed).await;
        for (number, (_, content, _)) in channel().into_iter().enumerate() {
            let journey = json!({
                "trigger": {"event": format!("Deed {number}")}, "reentry": "always", "start": "send",
                "nodes": {
                    "send": {"type": "send", "channel": "crooked", "purpose": "transactional", "content": content, "next": "end"},
                    "end": {"type": "exit", "reason": "sent"},
                },
            });
            self.call(Method::PUT, &format!("/api/v1/journeys/deed-{number}"), journey).await;
            self.call(Method::POST, &format!("/api/v1/journeys/deed-{number}/publish"), json!({})).await;
        }
    }

    async fn send(&self, events: Vec<Value>) {
        let sent = self.client.ingest("/v1/batch", &self.crook.api_key, &json!({"batch": events})).await;
        assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
    }

    /// Each deed of the rule in a batch of honest rows; then what it came to.
    async fn rules(&mut self, round: usize) {
        let mut events = Vec::new();
        for (deed, _) in RULE {
            let user = |deed: &str| format!("{deed}-{round}");
            let told = |user: String, deed: &str| {
                let properties = json!({"deed": deed});
                json!({"type": "track", "event": "Told", "userId": user, "messageId": format!("m-{user}"), "properties": properties})
            };
            events.extend([told(user(deed), deed), told(user(&format!("honest-beside-{deed}")), "nothing")]);
        }
        self.send(events).await;
        self.client.settled(&self.crook.api_key).await;
        let faults = self.client.rows("/api/v1/faults?kind=rule&", "faults", &self.crook.api_key).await;
        for (deed, expected) in RULE {
            let id = format!("m-{deed}-{round}");
            let fault = faults.iter().find(|fault| fault["message_id"] == *id);
            let outcome = fault.map_or("done", |fault| fault["code"].as_str().expect("a code"));
            assert!(expected.contains(&outcome) || outcome == "epoch", "{deed}: {outcome}, {fault:?}");
            let text = fault.map(|fault| fault["text"].as_str().unwrap_or_default()).unwrap_or_default();
            self.table.push((format!("a rule: {deed}"), format!("{outcome} {text}")));
            for (user, is_done) in
                [(format!("{deed}-{round}"), outcome == "done"), (format!("honest-beside-{deed}-{round}"), true)]
            {
                let found =
                    self.client.get(&format!("/api/v1/customers?identity=user_id:{user}"), &self.crook.api_key).await;
                let done = !found.body["customers"][0]["attributes"]["done"].is_null();
                assert_eq!(done, is_done, "{user}");
            }
        }
    }

    /// Each deed of the channel, one message each; then what became of it.
    async fn messages(&mut self, round: usize) {
        let told = |number: usize| json!({"type": "track", "event": format!("Deed {number}"), "userId": format!("receiver-{round}-{number}")});
        let deeds = channel();
        self.send((1..deeds.len()).map(told).collect()).await;
        self.outcomes(round, deeds.iter().enumerate().skip(1)).await;
        // It takes the requests of all who are in its call.
        self.send(vec![told(0)]).await;
        self.outcomes(round, deeds.iter().enumerate().take(1)).await;
    }

    async fn outcomes(&mut self, round: usize, deeds: impl Iterator<Item = (usize, &Deed)>) {
        for (number, (deed, _, expected)) in deeds {
            let message = until(deed, || async {
                let path = format!("/api/v1/messages?journey=deed-{number}&");
                let messages = self.client.rows(&path, "messages", &self.crook.api_key).await;
                // A slow machine may end a call by the clock: what is left of it is sent again.
                let has_come =
                    |message: &Value| message["fault"].as_str().is_some_and(|fault| !fault.contains(BY_THE_CLOCK));
                let all = messages.len() > round && messages.iter().all(has_come);
                all.then(|| messages.into_iter().next()).flatten()
            })
            .await;
            let fault = message["fault"].as_str().expect("a fault");
            assert!(fault.contains(*expected), "{deed}: {fault}");
            assert!(![TOKEN, GIVEN].iter().any(|token| message.to_string().contains(token)), "{deed}: {message}");
            self.table.push((
                format!("a channel: {deed}"),
                format!("{} {fault}", message["status"].as_str().unwrap_or_default()),
            ));
        }
    }
}

/// Bytes of the hub that are in memory.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
    line.trim().split(' ').next().expect("a number").parse::<u64>().expect("a number") * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_plugin_tries_a_neighbour_works_and_the_memory_comes_back() {
    let place = Place::new(None);
    let crook = place.tenant("live").await;
    let neighbour = place.create_tenant("neighbour", "live").await.expect("a tenant is made");
    let provider = provider().await;
    let flags = ["--allow-private".to_owned(), provider.clone()];
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let mut fixture = Fixture { client: Client::new(&hub.url), crook, table: Vec::new() };
    fixture.plugin(&provider).await;

    let (stops, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let works = tokio::spawn({
        let (client, key) = (Client::new(&hub.url), neighbour.api_key.clone());
        let (stops, calls) = (Arc::clone(&stops), Arc::clone(&calls));
        async move {
            while !stops.load(Ordering::Relaxed) {
                let number = calls.fetch_add(1, Ordering::Relaxed);
                let event = json!({"type": "track", "event": "Worked", "userId": format!("worker-{}", number % 20)});
                let sent = client.ingest("/v1/track", &key, &event).await;
                assert_eq!(sent.status, StatusCode::OK, "call {number} of the neighbour: {sent:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    // What is made once stays: pools, caches, compiled code.
    for round in 0..2 {
        fixture.rules(round).await;
        fixture.messages(round).await;
    }
    let before = resident(hub.pid());
    fixture.table.clear();
    for round in 2..4 {
        fixture.rules(round).await;
        fixture.messages(round).await;
    }
    stops.store(true, Ordering::Relaxed);
    works.await.expect("no call of the neighbour failed");
    let calls = calls.load(Ordering::Relaxed);
    let status = fixture.client.settled(&neighbour.api_key).await;
    assert_eq!((&status["set_aside"], &status["open_faults"]), (&json!(0), &json!({})), "{status}");
    until("the memory is back", || async { (resident(hub.pid()) <= before + (before / 10).max(ROOM)).then_some(()) })
        .await;

    let rows = fixture.table.len() / 2;
    say(format!(
        "hostile: {rows} deeds, twice; {calls} calls of the neighbour, 0 errors; {} MiB before, {} MiB after",
        before >> 20,
        resident(hub.pid()) >> 20
    ));
    for (deed, outcome) in &fixture.table[..rows] {
        say(format!("  {deed:<52} {}", outcome.chars().take(110).collect::<String>().escape_debug()));
    }
    let log = hub.log_tail();
    assert!(!log.contains('\u{1b}') && !log.contains(TOKEN) && !log.contains(GIVEN), "{log}");
    assert!(hub.stop().await.expect("the hub ends").success(), "{log}");
}
