//! `kill -9` of the hub while objects are migrated, and while a removal erases them: the hub that is started next goes on behind the last
//! step, so that each object is changed once, and none is left.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use openhub_tests::report::say;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use xtask::demo::setup::Tenant;

const OBJECTS: usize = 8_000;
/// Rows of a request.
const REQUEST: usize = 1_000;
/// A hub may be through before it is killed.
const TRIES: i64 = 6;

struct Hub {
    client: Client,
    tenant: Tenant,
}

impl Hub {
    async fn import(&self, kind: &str, row: impl Fn(usize) -> Value) {
        for first in (0..OBJECTS).step_by(REQUEST) {
            let rows: Vec<Value> = (first..first + REQUEST).map(&row).collect();
            let path = format!("/api/v1/import/objects/{kind}");
            let rows = json!({ "rows": rows });
            // A machine that is crowded says that nothing was accepted.
            let made = until("the rows are taken", || async {
                let made = self.client.json(Method::POST, &path, &self.tenant.api_key, &rows).await;
                (made.status != StatusCode::SERVICE_UNAVAILABLE).then_some(made)
            })
            .await;
            assert_eq!(made.body["accepted"], REQUEST, "{made:?}");
        }
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(path, &self.tenant.api_key).await.body
    }

    async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.client.json(Method::PUT, path, &self.tenant.api_key, body).await;
        (answer.status, answer.body)
    }

    /// The status of the answer, if the hub lives to give one.
    async fn asks(&self, method: Method, path: &str, body: &Value) -> Option<StatusCode> {
        let request = self.client.request(method, path).bearer_auth(&self.tenant.api_key).json(body);
        request.send().await.ok().map(|answer| answer.status())
    }
}

fn card(round: i64) -> Value {
    let fields = [
        json!({"name": "n", "type": "integer", "required": true}),
        json!({"name": "status", "type": {"enum": ["open", "closed"]}}),
    ];
    let more = (1..=round).map(|round| json!({"name": format!("round{round}"), "type": "integer"}));
    json!({"key": "n", "fields": fields.into_iter().chain(more).collect::<Vec<_>>()})
}

/// The map is one that is not to be applied twice: who is closed is open then.
async fn migrates(name: &str, database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let mut server = place.serve().await;
    let address = server.address().to_owned();
    let hub = Hub { client: Client::new(&server.url), tenant };
    let path = "/api/v1/object-types/card";
    assert_eq!(hub.put(path, &card(0)).await.0, StatusCode::OK);
    let status = |n: usize| if n.is_multiple_of(2) { "open" } else { "closed" };
    hub.import("card", |n| json!({"id": format!("r{n}"), "fields": {"n": n, "status": status(n)}})).await;

    let mut narrower = card(0);
    narrower["fields"][1]["type"]["enum"] = json!(["open"]);
    let (refused, body) = hub.put(path, &narrower).await;
    assert_eq!((refused, &body["code"]), (StatusCode::CONFLICT, &json!("narrows")), "{body}");
    assert_eq!(body["faults"][0]["pointer"], "/fields/1/type", "{body}");

    let mut rounds = 0;
    let mut is_hit = false;
    while !is_hit {
        rounds += 1;
        assert!(rounds <= TRIES, "each time it was through before the kill: the test proves nothing");
        let mut turned = card(rounds);
        turned["migrate"] = json!({"status": {"map": {"open": "closed", "closed": "open"}}});
        let killed = async {
            let waits = until("a write of the type meets the migration", || async {
                let one = hub.client.get("/api/v1/objects/card/0", &hub.tenant.api_key).await;
                let change = json!({"fields": {"n": 0, "status": one.body["fields"]["status"]}});
                let written =
                    hub.client.json(Method::PATCH, "/api/v1/objects/card/0", &hub.tenant.api_key, &change).await;
                let is_through = || async { hub.get(path).await["version"] == rounds + 1 };
                (written.status == StatusCode::SERVICE_UNAVAILABLE || is_through().await).then_some(written)
            })
            .await;
            server.kill().await.expect("the hub is killed");
            waits
        };
        let (asked, waits) = tokio::join!(hub.asks(Method::PUT, path, &turned), killed);
        is_hit = waits.status == StatusCode::SERVICE_UNAVAILABLE && asked.is_none();
        if waits.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(waits.problem(), "unavailable", "{waits:?}");
        }
        say(format!("{name}: round {rounds} of a migration, in its midst: {is_hit}"));
        server = place.start_again(&address, &[]).await;
        until("the migration is done", || async {
            let now = hub.get(path).await;
            (now["version"] == rounds + 1 && now["migrating"] == false).then_some(())
        })
        .await;
    }
    let (mut objects, mut next) = (Vec::new(), json!(""));
    while let Some(after) = next.as_str() {
        let after = if after.is_empty() { String::new() } else { format!("&after={after}") };
        let mut page = hub.get(&format!("/api/v1/objects/card?limit=1000{after}")).await;
        objects.append(page["objects"].as_array_mut().expect("a page"));
        next = page["next"].take();
    }
    assert_eq!(objects.len(), OBJECTS);
    for object in &objects {
        let n = object["fields"]["n"].as_i64().expect("a number");
        let expected = if (n + rounds) % 2 == 0 { "open" } else { "closed" };
        assert_eq!(object["fields"]["status"], expected, "each is turned once a round: {object}");
    }
    assert!(server.stop().await.expect("the hub ends").success());
}

async fn erases(name: &str, database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let mut server = place.serve().await;
    let address = server.address().to_owned();
    let hub = Hub { client: Client::new(&server.url), tenant };
    let path = "/api/v1/plugins/hostile-stamps";
    let mut tries = 0;
    loop {
        tries += 1;
        assert!(tries <= TRIES, "each time it was through before the kill: the test proves nothing");
        hub.client.enable(&hub.tenant.api_key, guests::build("tests/hostile/stamps").bytes).await;
        hub.import("stamp", |n| json!({"id": format!("r{tries}-{n}"), "fields": {"title": format!("Bird {n}")}})).await;
        let (erase, nothing) = (format!("{path}?data=erase"), json!({}));
        let killed = async {
            let receipt = until("the removal has erased some", || async {
                let removals = hub.get("/api/v1/plugin-removals").await;
                let removals = removals["removals"].as_array().cloned().unwrap_or_default();
                let new = removals.into_iter().find(|receipt| tries == 1 || receipt["done_at"].is_null());
                new.filter(|receipt| receipt["objects"].as_i64().is_some_and(|objects| objects > 0))
            })
            .await;
            server.kill().await.expect("the hub is killed");
            receipt
        };
        let (asked, receipt) = tokio::join!(hub.asks(Method::DELETE, &erase, &nothing), killed);
        let is_hit = receipt["done_at"].is_null() && asked.is_none();
        say(format!(
            "{name}: killed when {} of {OBJECTS} objects were erased, in the midst: {is_hit}",
            receipt["objects"]
        ));
        server = place.start_again(&address, &[]).await;
        let done = format!("/api/v1/plugin-removals/{}", receipt["id"].as_str().expect("an id"));
        let done = until("the removal is done", || async {
            let receipt = hub.get(&done).await;
            receipt["done_at"].is_string().then_some(receipt)
        })
        .await;
        assert_eq!((&done["objects"], done.get("refusal")), (&json!(OBJECTS), None), "each is counted once: {done}");
        assert_eq!(hub.client.get(path, &hub.tenant.api_key).await.status, StatusCode::NOT_FOUND);
        if is_hit {
            break;
        }
    }
    // Nothing is left for a plugin of the same name.
    hub.client.enable(&hub.tenant.api_key, guests::build("tests/hostile/stamps").bytes).await;
    assert_eq!(hub.get("/api/v1/objects/stamp").await["objects"], json!([]));
    assert!(server.stop().await.expect("the hub ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_migrated_once() {
    migrates("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_migrated_once_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    migrates("PostgreSQL", Some(server.database().await.expect("a database"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_erases_all() {
    erases("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_erases_all_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    erases("PostgreSQL", Some(server.database().await.expect("a database"))).await;
}
