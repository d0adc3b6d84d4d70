//! `kill -9` of the hub in the middle of erasures: the one that is started next carries each of them out to the end, the
//! receipt counts every row once, and nothing readable of who was erased is left.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use openhub_tests::report::say;
use openhub_tests::seed::seed;
use openhub_tests::traces::texts;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use xtask::demo::setup::Tenant;

/// Of each customer: some steps of an erasure.
const EVENTS: usize = 9_000;
/// Events a request.
const REQUEST: usize = 1_000;
const KILLS: usize = 4;
/// The first one is erased by a hub that lives, the last one stays.
const CUSTOMERS: usize = KILLS + 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    survives("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    survives("PostgreSQL", Some(server.database().await.expect("a database"))).await;
}

async fn survives(name: &str, database: Option<String>) {
    let scrubs = database.is_none();
    let seed = seed(name);
    let mut random = StdRng::seed_from_u64(seed);
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let mut server = place.serve().await;
    let address = server.address().to_owned();
    let hub = Hub { client: Client::new(&server.url), tenant, scrubs };
    hub.fill().await;
    let before = texts(&place.database).await;
    for number in 0..CUSTOMERS {
        assert!(mentions(&before, number).contains(&"event_bodies"), "customer {number} was not there");
    }
    hub.ask(0).await;
    let whole = hub.receipt(0).await;
    assert_eq!(
        rows(&whole, "events"),
        EVENTS as i64 + 2,
        "with the profile, and the segment that was entered: {whole}"
    );
    let mut in_between = 0;
    for kill in 0..KILLS {
        let number = kill + 1;
        // Asked for, as the first one is for sure, somewhere on the way, or done and not yet scrubbed.
        let last = if kill == 0 { 0 } else { EVENTS as i64 + 2 };
        let point = random.random_range(0..=last);
        let (asked, reached) = tokio::join!(hub.ask(number), async {
            let reached = until("the erasure comes to the next point", || async {
                hub.erasure(number).await.filter(|receipt| rows(receipt, "events") >= point)
            })
            .await;
            server.kill().await.expect("the hub is killed");
            reached
        });
        in_between += usize::from(reached["done_at"].is_null());
        say(format!(
            "{name}: killed at {} of {} events, answered: {asked}",
            rows(&reached, "events"),
            rows(&whole, "events")
        ));
        server = place.start_again(&address, &[]).await;
        let receipt = hub.receipt(number).await;
        assert_eq!(receipt["places"], whole["places"], "customer {number}");
        assert_eq!(receipt["identities"], "suppressed");
    }
    assert!(in_between > 0, "no kill hit an erasure: the test proves nothing");
    let after = texts(&place.database).await;
    for number in 0..=KILLS {
        assert!(mentions(&after, number).is_empty(), "customer {number} is in {:?}", mentions(&after, number));
        let refused = hub.identify(number).await;
        assert_eq!(refused.0, StatusCode::BAD_REQUEST, "customer {number} comes back: {}", refused.1);
    }
    let tables = |found: &[(String, String)]| {
        let stays = mentions(found, KILLS + 1).into_iter().filter(|place| !place.contains('/'));
        stays.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(tables(&before), tables(&after), "of the other customer all stays");
    assert!(server.stop().await.expect("the hub ends").success());
}

struct Hub {
    client: Client,
    tenant: Tenant,
    /// Whether the database's file is written anew.
    scrubs: bool,
}

impl Hub {
    async fn fill(&self) {
        let ordered = json!({"condition": {"event": {"name": "Order Completed", "is": "ge", "value": 1}}});
        let path = "/api/v1/segments/ordered";
        let put = self.client.json(Method::PUT, path, &self.tenant.api_key, &ordered).await;
        assert!(put.status.is_success(), "{put:?}");
        for number in 0..CUSTOMERS {
            assert_eq!(self.identify(number).await.0, StatusCode::OK);
            let events: Vec<Value> = (0..EVENTS).map(|row| order(number, row)).collect();
            for events in events.chunks(REQUEST) {
                let sent = self.client.ingest("/v1/batch", &self.tenant.api_key, &json!({"batch": events})).await;
                assert_eq!((sent.status, &sent.body), (StatusCode::OK, &json!({"success": true})));
            }
        }
        self.client.settled(&self.tenant.api_key).await;
    }

    async fn identify(&self, number: usize) -> (StatusCode, Value) {
        let text = |kind: &str| canary(kind, number);
        let identify = json!({
            "type": "identify", "userId": text("user"), "anonymousId": text("visitor"), "messageId": text("id"),
            "traits": {"email": format!("{}@example.com", text("mail")), "name": text("name")},
            "consents": {"news": {"state": "granted", "source": text("source")}}, "tags": {"vip": true},
        });
        let answer = self.client.ingest("/v1/identify", &self.tenant.api_key, &identify).await;
        (answer.status, answer.body)
    }

    /// Asks for an erasure; the answer's status, if the hub lives to give one.
    async fn ask(&self, number: usize) -> String {
        let path = format!("/api/v1/customers/{}?suppress=true", self.customer(number).await);
        let request = self.client.request(Method::DELETE, &path).bearer_auth(&self.tenant.api_key);
        request.send().await.map_or("not at all".to_owned(), |answer| answer.status().to_string())
    }

    async fn customer(&self, number: usize) -> String {
        let path = format!("/api/v1/customers?identity=user_id:{}", canary("user", number));
        let found = self.client.get(&path, &self.tenant.api_key).await.body;
        found["customers"][0]["id"].as_str().expect("a customer").to_owned()
    }

    /// The receipt as it stands. They are listed in the order in which they were asked for.
    async fn erasure(&self, number: usize) -> Option<Value> {
        let erasures = self.client.get("/api/v1/erasures", &self.tenant.api_key).await.body;
        erasures["erasures"].as_array()?.get(number).cloned()
    }

    /// The receipt once nothing is left to do.
    async fn receipt(&self, number: usize) -> Value {
        until("an erasure is done", || async {
            let receipt = self.erasure(number).await.expect("it was asked for");
            let done = !receipt["done_at"].is_null() && receipt["scrubbed_at"].is_null() != self.scrubs;
            done.then_some(receipt)
        })
        .await
    }
}

fn canary(kind: &str, number: usize) -> String {
    format!("canary-{kind}-{number}-")
}

fn order(number: usize, row: usize) -> Value {
    json!({
        "type": "track", "event": "Order Completed", "userId": canary("user", number),
        "messageId": format!("{}{row}", canary("id", number)), "properties": {"note": canary("note", number)},
    })
}

fn rows(receipt: &Value, place: &str) -> i64 {
    let places = receipt["places"].as_array().into_iter().flatten();
    places.filter(|each| each["place"] == place).filter_map(|each| each["count"].as_i64()).sum()
}

/// Where a customer can be read of.
fn mentions(found: &[(String, String)], number: usize) -> Vec<&str> {
    let kinds = ["user", "visitor", "id", "mail", "name", "source", "note"].map(|kind| canary(kind, number));
    let names = |text: &str| kinds.iter().any(|canary| text.contains(canary.as_str()));
    let mut places: Vec<&str> = found.iter().filter(|(_, text)| names(text)).map(|(place, _)| place.as_str()).collect();
    places.dedup();
    places
}
