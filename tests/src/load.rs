//! A hub under load that ends, in one way or another, in the middle of the work, and is started again.
//!
//! The client is a task of this process and repeats a request that was not answered, with the same ids; the receiver is
//! a process of its own, which lives on. The truth is a brute-force count of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use xtask::demo::figures::{self, Figures};
use xtask::demo::purchases::{self, Purchase};
use xtask::demo::setup::{self, Tenant};
use xtask::demo::{Api, truths};
use xtask::process::Server;

use crate::guests::root;
use crate::hub::{Place, programs};
use crate::patience::until_within;
use crate::report::say;

const EVERY: u64 = 10;
/// Events a request: few enough that an acknowledgement is near any point of the work.
const EVENTS: usize = 50;
/// Events a transaction of the engine: few enough that the work goes on in small steps.
const BATCH: &str = "200";
const END: &str = "1998-06-30T12:00:00Z";
/// How long the client waits for the clock before it asks again.
const CALL: Duration = Duration::from_secs(5);
/// For what goes on across ends and new starts of the hub.
const DEADLINE: Duration = Duration::from_secs(600);

/// Every tenth customer's purchases on their way through a hub.
pub struct Load {
    name: String,
    place: Place,
    flags: Vec<String>,
    api: Api,
    receiver: Server,
    counted: Api,
    truths: Figures,
    acknowledged: Arc<AtomicU64>,
    client: JoinHandle<()>,
}

/// How far the work has come.
pub struct Progress {
    pub acknowledged: u64,
    pub status: Value,
    /// Of the work: events acknowledged, events computed and messages received, each a third of it.
    pub fraction: f64,
}

impl Load {
    /// Starts hub, receiver and client.
    pub async fn start(name: &str, database: Option<String>) -> (Load, Server) {
        let purchases = purchases::read(&root().join("examples/cdnow/cdnow.csv"), EVERY).expect("the file is read");
        let truths = truths::of(&purchases, EVERY);
        assert!(truths.events > 6_000 && truths.win_back_sent > 3_000, "hardly a tenth of the file: {truths:?}");
        let place = Place::new(database);
        let tenant = place.tenant("replay").await;
        let receiver = place.start_receiver().await.expect("the receiver starts");
        let flags = ["--batch", BATCH, "--allow-private", receiver.address()].map(str::to_owned).to_vec();
        let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
        let components = &programs().components;
        let installed = setup::install(&hub.url, &tenant, components, &receiver.url, &root()).await;
        installed.expect("the plugins are installed");
        let acknowledged = Arc::new(AtomicU64::new(0));
        let client = tokio::spawn(send(hub.url.clone(), tenant.clone(), purchases, acknowledged.clone()));
        let api = Api::new(&hub.url, &tenant.api_key).expect("an HTTP client");
        let counted = Api::new(&receiver.url, "").expect("an HTTP client");
        let load = Load { name: name.to_owned(), place, flags, api, receiver, counted, truths, acknowledged, client };
        (load, hub)
    }

    /// Waits until the work has come to this point.
    pub async fn reach(&self, point: f64) -> Progress {
        until_within(DEADLINE, "the work comes to the next point", || async {
            let progress = self.progress().await;
            (progress.fraction >= point).then_some(progress)
        })
        .await
    }

    async fn progress(&self) -> Progress {
        let status = self.api.get("/api/v1/status").await.expect("the hub answers");
        let received = self.counted.get("/summary").await.expect("the receiver answers")["distinct"].as_u64();
        let acknowledged = self.acknowledged.load(Ordering::Relaxed);
        let computed = acknowledged.saturating_sub(status["behind"].as_u64().expect("a count"));
        let share = |done: u64, all: u64| done as f64 / all as f64 / 3.0;
        let fraction = share(acknowledged, self.truths.events)
            + share(computed, self.truths.events)
            + share(received.expect("a count"), self.truths.win_back_distinct);
        Progress { acknowledged, status, fraction }
    }

    /// Starts the hub again at the same address; neither log nor checkpoint may have gone back. Prints where it was.
    pub async fn restart(&self, address: &str, before: &Progress) -> Server {
        let hub = self.place.start_again(address, &self.flags).await;
        let after = self.api.get("/api/v1/status").await.expect("the hub answers");
        let Progress { acknowledged, status, fraction } = before;
        say(format!(
            "{}: ended at {:4.1} % of the work: {acknowledged} events acknowledged; checkpoint {}, then {} of {}; unsent {}, then {}",
            self.name,
            fraction * 100.0,
            status["checkpoint"],
            after["checkpoint"],
            after["head"],
            status["unsent"],
            after["unsent"],
        ));
        for kept in ["head", "checkpoint"] {
            assert!(after[kept].as_i64() >= status[kept].as_i64(), "{kept} went back: {status} {after}");
        }
        hub
    }

    /// Whether there was still something to do.
    pub fn is_at_work(&self, progress: &Progress) -> bool {
        let Progress { acknowledged, status, fraction } = progress;
        let is_busy = *acknowledged < self.truths.events || status["behind"] != 0 || status["unsent"] != 0;
        is_busy && (0.05..=0.95).contains(fraction)
    }

    async fn idle(&self) {
        until_within(DEADLINE, "nothing is left to do", || async {
            let status = self.api.get("/api/v1/status").await.expect("the hub answers");
            (status["behind"] == 0 && status["unsent"] == 0).then_some(())
        })
        .await;
    }

    /// A message that was under way at two kills in a row is parked, since the hub may have died of it: an admin sees why, and sends
    /// it again. No other message is parked.
    async fn retry_parked(&self) {
        let mut parked = Vec::new();
        let see = |message: &Value| {
            parked.push(message.clone());
            Ok(())
        };
        self.api.each("/api/v1/messages?status=parked", "messages", see).await.expect("the messages are read");
        for message in &parked {
            let fault = message["fault"].as_str().unwrap_or_default();
            assert!(fault.starts_with("hub-stopped: the hub stopped twice"), "{message}");
            let path = format!("/api/v1/messages/{}/retry", message["id"].as_str().expect("an id"));
            self.api.call(Method::POST, &path, None).await.expect("it is tried again");
        }
        say(format!("{}: {} messages were under way at two kills in a row, and sent by hand", self.name, parked.len()));
    }

    /// Waits for the end of the work: every figure is exact. Says how many messages came in again.
    pub async fn finish(mut self, hub: Server) -> u64 {
        (&mut self.client).await.expect("the client ends");
        self.idle().await;
        self.retry_parked().await;
        self.idle().await;
        let mut figures = figures::collect(&self.api, &self.counted).await.expect("the figures are read");
        let again = figures.win_back_sent - figures.win_back_distinct;
        say(format!("{}: {} messages came in, {again} of them again", self.name, figures.win_back_sent));
        figures.win_back_sent = figures.win_back_distinct;
        assert_eq!(figures, self.truths, "{}: {}", self.name, hub.log_tail());
        let ended = hub.stop().await.expect("the hub ends");
        assert!(ended.success(), "{ended}");
        self.receiver.stop().await.expect("the receiver ends");
        again
    }
}

/// Sends everything, one request at a time, and sets the clock; what is not answered is sent again as it was.
async fn send(url: String, tenant: Tenant, purchases: Vec<Purchase>, acknowledged: Arc<AtomicU64>) {
    let api = Api::new(&url, &tenant.api_key).expect("an HTTP client");
    for purchases in purchases.chunks(EVENTS) {
        let events: Vec<String> = purchases.iter().map(Purchase::event).collect();
        let body = format!("{{\"batch\":[{}]}}", events.join(","));
        let answer = until_within(DEADLINE, "a request is answered", || async {
            api.ingest("/v1/batch", body.clone()).await.ok()
        })
        .await;
        assert!(answer["refused"].is_null(), "events were refused: {answer}");
        acknowledged.fetch_add(purchases.len() as u64, Ordering::Relaxed);
    }
    let api = Api::new(&url, &tenant.api_key).expect("an HTTP client");
    let end = json!({"to": END});
    // A call that waits for the end of the work would hold up a hub that is asked to end.
    let call = || tokio::time::timeout(CALL, api.call(Method::POST, "/api/v1/clock", Some(&end)));
    until_within(DEADLINE, "the clock is set", || async { call().await.ok()?.ok() }).await;
}
