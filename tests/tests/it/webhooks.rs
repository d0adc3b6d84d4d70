//! Webhooks in the real binary: nothing is lost however often the hub is killed while it sends, what comes again has its id, a dead
//! receiver costs the others nothing, and the receivers of the guide take what is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests::root;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use openhub_tests::provider::Provider;
use openhub_tests::report::say;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use xtask::demo::setup::Tenant;
use xtask::packages;

/// Webhooks that are well; one more is dead.
const WELL: usize = 9;
const ORDERS: usize = 150;
const KILLS: usize = 4;
/// What a hub sends of a tenant at the same time.
const IN_FLIGHT: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    survives("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    survives("PostgreSQL", Some(server.database().await.expect("a database"))).await;
}

async fn set_up(client: &Client, tenant: &Tenant, name: &str, url: &str, event: &str) -> String {
    let body = json!({"url": url, "events": [event]});
    let made = client.json(Method::PUT, &format!("/api/v1/webhooks/{name}"), &tenant.api_key, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body["secret"].as_str().expect("a secret").to_owned()
}

async fn order(client: &Client, tenant: &Tenant, orders: std::ops::Range<usize>) {
    let order = |number: usize| {
        json!({"type": "track", "event": "Order Completed", "userId": format!("user-{}", number % 7),
            "messageId": format!("order-{number}"), "properties": {"total": number}})
    };
    let batch: Vec<Value> = orders.map(order).collect();
    let sent = client.ingest("/v1/batch", &tenant.write_key, &json!({"batch": batch})).await;
    assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
}

/// An address at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

async fn survives(name: &str, database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let (receiver, dead) = (Provider::start(204).await, nobody().await);
    let flags = [&receiver.address, &dead].map(|address| format!("--allow-private={address}")).to_vec();
    let mut hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    // It comes first.
    set_up(&client, &tenant, "a-dead", &format!("http://{dead}/"), "Order *").await;
    for number in 0..WELL {
        set_up(&client, &tenant, &format!("well-{number}"), &format!("http://{}/", receiver.address), "Order *").await;
    }
    let all = WELL * ORDERS;
    let came = || receiver.keys().iter().cloned().collect::<BTreeSet<String>>().len();
    let mut at_work = 0;
    for kill in 0..KILLS {
        let each = ORDERS / KILLS + 1;
        order(&client, &tenant, kill * each..((kill + 1) * each).min(ORDERS)).await;
        let enough = all * (2 * kill + 1) / (2 * KILLS) * 9 / 10;
        until("it is sending", || async { (came() >= enough).then_some(()) }).await;
        at_work += usize::from(came() < all * (kill + 1) / KILLS);
        let address = hub.address().to_owned();
        hub.kill().await.expect("the hub is killed");
        hub = place.start_again(&address, &flags).await;
    }
    until("everything has come", || async { (came() >= all).then_some(()) }).await;
    let rows = async |of: &str, state: &str| {
        client.rows(&format!("/api/v1/webhooks/{of}/deliveries?state={state}"), "deliveries", &tenant.api_key).await
    };
    for number in 0..WELL {
        let of = format!("well-{number}");
        until("it is settled", || async { (rows(&of, "delivered").await.len() == ORDERS).then_some(()) }).await;
    }
    // Each event has an id for each webhook, whenever it comes.
    let (keys, bodies) = (receiver.keys(), receiver.bodies());
    let mut events: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, body) in keys.iter().zip(&bodies) {
        let event = body["data"]["message_id"].as_str().expect("an event");
        events.entry(event).or_default().insert(key);
    }
    assert_eq!(events.len(), ORDERS, "no event is lost");
    assert!(events.values().all(|ids| ids.len() == WELL), "each webhook has each of them, with one id");
    let again = keys.len() - all;
    assert!(again <= KILLS * IN_FLIGHT, "{again} came again: more than were in flight");
    assert!(at_work > 0, "no kill hit the hub while it was sending");
    say(format!("webhooks on {name}: {at_work} of {KILLS} kills hit the hub at work, {again} of {all} came again"));
    assert_eq!(rows("a-dead", "waiting").await.len(), ORDERS, "and the dead one is not given up");
    assert!(hub.stop().await.expect("the hub ends").success());
}

/// What stands in the guide between lines of three backticks, of a language.
fn of_the_guide(language: &str) -> String {
    let guide = std::fs::read_to_string(root().join("docs/webhooks.md")).expect("the guide");
    let (_, code) = guide.split_once(&format!("```{language}\n")).expect("a receiver in that language");
    code.split_once("\n```").expect("its end").0.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receivers_of_the_guide_take_what_is_sent_and_nothing_else() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let (node, python) = (nobody().await, nobody().await);
    let flags = [&node, &python].map(|address| format!("--allow-private={address}")).to_vec();
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    let modules = packages::node(&root()).expect("the packages are installed");
    let interpreter = packages::python(&root()).expect("the packages are installed");
    for (number, (name, address)) in [("node", &node), ("python", &python)].into_iter().enumerate() {
        let secret = set_up(&client, &tenant, name, &format!("http://{address}/in"), "Order Completed").await;
        let command = |secret: &str| {
            let mut command = match name {
                "node" => Command::new("node"),
                _ => Command::new(&interpreter),
            };
            command.arg(if name == "node" { "-e" } else { "-c" });
            command.arg(of_the_guide(if name == "node" { "js" } else { "python" })).env("NODE_PATH", &modules);
            command.env("PORT", address.rsplit(':').next().expect("a port")).env("WEBHOOK_SECRET", secret);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
            command.spawn().expect("the receiver starts")
        };
        let test = format!("/api/v1/webhooks/{name}/test");
        let tested = async |child: &mut Child| {
            let what = format!("the receiver in {name} answers");
            let status = until(&what, async || {
                let tested = client.json(Method::POST, &test, &tenant.api_key, &json!({})).await;
                tested.body["status"].as_i64()
            });
            let status = status.await;
            assert!(child.try_wait().expect("its state").is_none(), "the receiver in {name} has ended");
            status
        };
        let mut forger = command("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(tested(&mut forger).await, 400, "{name}: it is signed by somebody else");
        forger.kill().await.expect("it ends");
        let mut receiver = command(&secret);
        let lines = receiver.stdout.take().expect("its output");
        assert_eq!(tested(&mut receiver).await, 204, "{name}");
        order(&client, &tenant, number..number + 1).await;
        let mut lines = BufReader::new(lines).lines();
        let line = loop {
            let line = lines.next_line().await.expect("its output").expect("a line");
            if line.contains("Order Completed") {
                break line;
            }
        };
        let delivered = until("it is delivered", || async {
            let path = format!("/api/v1/webhooks/{name}/deliveries?state=delivered");
            client.get(&path, &tenant.api_key).await.body["deliveries"][0]["id"].as_str().map(str::to_owned)
        });
        assert_eq!(line, format!("{} Order Completed order-{number}", delivered.await), "{name}");
        let removed =
            client.json(Method::DELETE, &format!("/api/v1/webhooks/{name}"), &tenant.api_key, &json!({})).await;
        assert_eq!(removed.status, StatusCode::NO_CONTENT, "{removed:?}");
    }
    assert!(hub.stop().await.expect("the hub ends").success());
}
