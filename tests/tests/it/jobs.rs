//! Jobs of plugins, in the real binary: on time, one run at a time whatever dies, from where the run before has left off; and one that
//! means harm costs nobody but itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use openhub_engine::{Config, Engine, Sealer};
use openhub_model::ClockKind;
use openhub_model::Timestamp;
use openhub_store::JobKey;
use openhub_test_postgres::Server as Postgres;
use openhub_tests::house::{HOST_NOW, House};
use openhub_tests::hub::{Answer, Client, Place, programs};
use openhub_tests::patience::until;
use openhub_tests::report::say;
use openhub_tests::{component, guests};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use xtask::demo::setup::Tenant;
use xtask::process::Server;

const PLUGIN: &str = "/api/v1/plugins/hostile-job";

/// A tenant on a hub, with the plugin.
struct Worker<'h> {
    client: &'h Client,
    tenant: Tenant,
}

impl<'h> Worker<'h> {
    async fn with_plugin(client: &'h Client, tenant: Tenant) -> Worker<'h> {
        client.enable(&tenant.api_key, guests::build("tests/hostile/job").bytes).await;
        Worker { client, tenant }
    }

    fn on(&self, client: &'h Client) -> Worker<'h> {
        Worker { client, tenant: self.tenant.clone() }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.client.json(Method::POST, &format!("{PLUGIN}{path}"), &self.tenant.api_key, body).await
    }

    async fn job(&self, name: &str) -> Value {
        let listed = self.client.get(&format!("{PLUGIN}/jobs"), &self.tenant.api_key).await;
        assert_eq!(listed.status, StatusCode::OK, "{listed:?}");
        let jobs = listed.body["jobs"].as_array().expect("jobs").clone();
        jobs.into_iter().find(|job| job["name"] == name).expect("the job is listed")
    }

    /// The numbers that events of that name have, ascending.
    async fn numbers(&self, event: &str) -> Vec<i64> {
        let events = self.client.rows(&format!("/api/v1/events?name={event}"), "events", &self.tenant.api_key).await;
        let numbers = events.iter().map(|event| event["body"]["properties"]["number"].as_i64().expect("a number"));
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        numbers
    }

    /// Each once, and none left out; how many there are.
    async fn each_once(&self, event: &str) -> i64 {
        let numbers = self.numbers(event).await;
        let count = numbers.len() as i64;
        assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "each {event} once, in a row");
        count
    }

    async fn ticks_beyond(&self, count: i64) -> i64 {
        until("the job ticks on", || async { Some(self.each_once("Ticked").await).filter(|now| *now > count) }).await
    }

    async fn is_told(&self, what: &str, customer: &str) {
        let settings = json!({"settings": {"what": what, "customer": customer}});
        let set = self.post("/enable", &settings).await;
        assert_eq!(set.status, StatusCode::OK, "{set:?}");
    }

    /// Runs the job that does what it is told, and answers what came of it.
    async fn told(&self, what: &str, customer: &str) -> Value {
        self.is_told(what, customer).await;
        let before = self.job("told").await["runs"][0]["started_at"].clone();
        let asked = self.post("/jobs/told/run", &json!({})).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
        until(&format!("`{what}` has run"), || async {
            let run = self.job("told").await["runs"][0].clone();
            (run["started_at"] != before).then_some(run)
        })
        .await
    }
}

async fn jobs(database: Option<String>) {
    let place = Place::new(database);
    let (tenant, other) = (place.tenant("live").await, place.create_tenant("other", "live").await.expect("a tenant"));
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    let worker = Worker::with_plugin(&client, tenant).await;
    let quiet = Worker::with_plugin(&client, other).await;

    worker.ticks_beyond(2).await;
    let tick = worker.job("tick").await;
    assert_eq!((&tick["schedule"], &tick["catch_up"]), (&json!("every 1s"), &json!("once")), "{tick}");
    assert!(tick["next_at"].is_string() && tick["runs"][0]["outcome"] == "done" && tick["failures"] == 0, "{tick}");
    let by_hand = worker.job("told").await;
    assert_eq!((&by_hand["schedule"], &by_hand["next_at"]), (&json!("when somebody asks"), &Value::Null));

    keeps(&worker).await;
    fails(&worker, &quiet).await;

    // Who is disabled runs nothing, and goes on from there when it is enabled again.
    let disabled = worker.post("/disable", &json!({})).await;
    assert!(disabled.status.is_success(), "{disabled:?}");
    assert_eq!(worker.job("tick").await["next_at"], Value::Null);
    assert_eq!(worker.post("/jobs/told/run", &json!({})).await.status, StatusCode::CONFLICT);
    let (ticks, others) = (worker.each_once("Ticked").await, quiet.each_once("Ticked").await);
    quiet.ticks_beyond(others + 2).await;
    assert_eq!(worker.each_once("Ticked").await, ticks, "it ticks no more");
    upgraded(&worker, ticks).await;
    refused(&worker).await;
    assert!(hub.stop().await.expect("the hub ends").success());
}

/// What a plugin keeps of a customer is told them, and goes with them.
async fn keeps(worker: &Worker<'_>) {
    let (client, key) = (worker.client, &worker.tenant.api_key);
    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    let made = client.json(Method::POST, "/api/v1/customers", key, &ada).await;
    let ada = made.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(worker.told("keep", &ada).await["note"], "kept");
    assert_eq!(worker.told("look", "").await["note"], "1 entries");
    let data = client.get(&format!("/api/v1/customers/{ada}/data"), key).await.body;
    let lines = data.as_str().expect("lines").lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let kept: Vec<Value> = lines.filter(|line: &Value| line["kind"] == "kept").collect();
    let told = json!({"plugin": "hostile-job", "key": "of/1", "value": "what is known of them"});
    assert_eq!(kept, [json!({"kind": "kept", "data": told})]);
    let erased = client.json(Method::DELETE, &format!("/api/v1/customers/{ada}"), key, &json!({})).await;
    let places = erased.body["places"].as_array().expect("a receipt").clone();
    assert!(places.contains(&json!({"place": "plugin_kv", "count": 1})), "{erased:?}");
    assert_eq!(worker.told("look", "").await["note"], "0 entries");
    let gone = worker.told("keep", &ada).await;
    assert_eq!((&gone["outcome"], &gone["code"]), (&json!("failed"), &json!("unknown-customer")), "{gone}");
}

/// Each way to fail has its word, and a neighbour's job goes on meanwhile.
async fn fails(worker: &Worker<'_>, quiet: &Worker<'_>) {
    let mut ticks = quiet.each_once("Ticked").await;
    for (what, outcome, code) in [
        ("spin", "retried", "fuel"),
        ("panic", "retried", "trap"),
        ("grow", "retried", "memory"),
        ("flood", "retried", "fuel"),
        ("call", "retried", "fuel"),
        ("bad-cursor", "failed", "malformed"),
        ("retry", "retried", "because"),
        ("reject", "failed", "because"),
        ("misconfigured", "failed", "because"),
    ] {
        let run = worker.told(what, "").await;
        assert_eq!((&run["outcome"], &run["code"]), (&json!(outcome), &json!(code)), "{what}: {run}");
        ticks = quiet.ticks_beyond(ticks).await;
    }
    assert_eq!(worker.told("undeclared", "").await["note"], "undeclared-event");
    let talked = worker.told("talk", "").await;
    let log = talked["log"].as_array().expect("lines");
    let (last, said) = log.split_last().expect("lines");
    assert!(said.len() == 19 && said.iter().all(|line| line == "info: x\\u{1b}[31my"), "{talked}");
    assert!(last.as_str().is_some_and(|last| last.starts_with("error: the call broke off: fuel")), "{talked}");
    // The admin reads it, too: cut to what one tenant may say, and told so.
    until("its lines are kept", || async {
        let kept = worker.client.rows(&format!("{PLUGIN}/logs?level=info"), "lines", &worker.tenant.api_key).await;
        let said = |line: &Value| line["message"].as_str().is_some_and(|line| line.contains("the hub dropped"));
        kept.iter().any(said).then_some(())
    })
    .await;
    let health = worker.client.get(&format!("{PLUGIN}/health"), &worker.tenant.api_key).await.body;
    assert!(health["versions"][0]["latency"]["p99_ms"].as_f64().is_some_and(|took| took > 0.0), "{health}");
    // What never comes to an end takes its turns, and leaves others theirs.
    worker.told("endless", "").await;
    let ticks = (worker.each_once("Ticked").await, quiet.each_once("Ticked").await);
    worker.ticks_beyond(ticks.0 + 1).await;
    quiet.ticks_beyond(ticks.1 + 1).await;
    worker.is_told("nothing", "").await;
    until("it comes to its end", || async { (worker.job("told").await["runs"][0]["note"] == "nothing").then_some(()) })
        .await;
    until("failures are listed", || async {
        let faults = worker.client.rows("/api/v1/faults?", "faults", &worker.tenant.api_key).await;
        let of =
            |code: &str| faults.iter().any(|fault| fault["code"] == code && fault["subject"] == "hostile-job/told");
        (of("because") && of("unknown-customer")).then_some(())
    })
    .await;
}

async fn upgraded(worker: &Worker<'_>, ticks: i64) {
    let plugin = guests::build("tests/hostile/job");
    let mut manifest = serde_json::to_value(&plugin.manifest).expect("JSON");
    manifest["version"] = json!("1.0.1");
    let bytes = component::without_manifest(&plugin.bytes);
    let newer = component::with_manifest(bytes, manifest.to_string().as_bytes());
    let uploaded = worker.client.upload(&worker.tenant.api_key, newer).await;
    assert_eq!(uploaded.status, StatusCode::CREATED, "{uploaded:?}");
    let enabled = worker.post("/enable", &json!({"accept": uploaded.body["candidate"]["digest"]})).await;
    assert_eq!(enabled.status, StatusCode::OK, "{enabled:?}");
    worker.ticks_beyond(ticks + 1).await;
    until("the new version runs", || async {
        (worker.job("tick").await["runs"][0]["version"] == "1.0.1").then_some(())
    })
    .await;
}

/// What an admin does not grant is there, and breaks the run off.
async fn refused(worker: &Worker<'_>) {
    let plugin = worker.client.get(PLUGIN, &worker.tenant.api_key).await.body;
    let imports = plugin["manifest"]["imports"].as_array().expect("imports");
    let granted: Vec<&Value> =
        imports.iter().filter(|import| !import.as_str().is_some_and(|it| it.contains("/kv"))).collect();
    assert_eq!(granted.len() + 1, imports.len(), "{imports:?}");
    let grant = json!({"accept": plugin["digest"], "grant": {"imports": granted}});
    let enabled = worker.post("/enable", &grant).await;
    assert_eq!(enabled.status, StatusCode::OK, "{enabled:?}");
    let run = worker.told("look", "").await;
    assert_eq!((&run["outcome"], &run["code"]), (&json!("retried"), &json!("not-granted")), "{run}");
    assert!(run["note"].as_str().is_some_and(|note| note.contains("was not granted")), "{run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_run_by_the_clock_and_harm_nobody_on_sqlite() {
    jobs(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_run_by_the_clock_and_harm_nobody_on_postgres() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    jobs(Some(postgres.database().await.expect("a database"))).await;
}

/// A plugin reads what it was granted of customers and objects, and writes objects as the API does.
async fn records(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    let key = tenant.api_key.clone();
    client.enable(&key, guests::build("plugins/coupon").bytes).await;
    let worker = Worker::with_plugin(&client, tenant).await;
    let ada = json!({"userId": "ada", "traits": {"email": "ada@example.com", "points": 7, "secret": "x"}});
    assert!(client.ingest("/v1/identify", &key, &ada).await.status.is_success());
    let rich = json!({"condition": {"attribute": {"name": "points", "is": "ge", "value": 7}}});
    let saved = client.json(Method::PUT, "/api/v1/segments/rich", &key, &rich).await;
    assert!(saved.status.is_success(), "{saved:?}");
    client.settled(&key).await;
    let all = json!({"rate": 1});
    let begun = client.json(Method::PUT, &format!("{PLUGIN}/recording"), &key, &all).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    let told = r#"{"attributes":{"points":7},"identities":{"email":["ada@example.com"]}} true true"#;
    until("she is in the segment", || async { (worker.told("read", "ada").await["note"] == told).then_some(()) }).await;

    let found = client.get("/api/v1/customers?identity=user_id:ada", &key).await.body;
    let owner = found["customers"][0]["id"].clone();
    let coupon = async |issued_at: &str| {
        let fields = json!({"fields": {"percent": 10, "owner": owner, "issued_at": issued_at}});
        let made = client.json(Method::POST, "/api/v1/objects/coupon", &key, &fields).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        made.body["key"].as_str().expect("a key").to_owned()
    };
    let (old, new) = (coupon("2020-01-01T00:00:00Z").await, coupon("2099-01-01T00:00:00Z").await);
    assert_eq!(worker.told("coupons", "").await["note"], "2 of 2");
    for (what, code) in [
        ("members", "not-granted"),
        ("others-objects", "not-granted"),
        ("forge", "not-granted"),
        ("mistaken", "unknown-field"),
        ("everybody", "fuel"),
    ] {
        let run = worker.told(what, "").await;
        assert_eq!(run["code"], code, "{what}: {run}");
    }
    let run = worker.told("panic", "").await;
    assert_eq!(run["code"], "trap", "{run}");
    replayed(&worker).await;

    // Coupons that are too old expire: through their check, with their event in the log.
    let coupons = "/api/v1/plugins/coupon";
    let terms = json!({"settings": {"expire_after_days": 30}});
    let set = client.json(Method::POST, &format!("{coupons}/enable"), &key, &terms).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    let asked = client.json(Method::POST, &format!("{coupons}/jobs/expire/run"), &key, &json!({})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let status = async |key_of: &str| {
        let object = client.get(&format!("/api/v1/objects/coupon/{key_of}"), &key).await;
        object.body["fields"]["status"].clone()
    };
    until("the old one expires", || async { (status(&old).await == "expired").then_some(()) }).await;
    assert_eq!(status(&new).await, "issued");
    let updated = client.rows("/api/v1/events?name=coupon.updated", "events", &key).await;
    let principal = &updated[0]["principal"];
    assert_eq!((updated.len(), &principal["kind"], &principal["name"]), (1, &json!("plugin"), &json!("coupon")));
    assert!(hub.stop().await.expect("the hub ends").success());
}

/// What was recorded shows nobody, and is made again by the command, without a hub: with the same answers and the same fuel.
async fn replayed(worker: &Worker<'_>) {
    let (client, key) = (worker.client, &worker.tenant.api_key);
    let recordings = format!("{PLUGIN}/recordings");
    let whole = until("they are recorded", || async {
        let mut whole = Vec::new();
        for listed in client.rows(&format!("{recordings}?"), "recordings", key).await {
            let path = format!("{recordings}/{}", listed["id"].as_str().expect("an id"));
            whole.push(client.get(&path, key).await.body);
        }
        whole.iter().any(|one: &Value| one["fault"]["kind"] == "trap").then_some(whole)
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let component = folder.path().join("plugin.wasm");
    std::fs::write(&component, guests::build("tests/hostile/job").bytes).expect("a file is written");
    for (what, says) in
        [("read", "it answers the same"), ("coupons", "it answers the same"), ("panic", "in the same way")]
    {
        let of = |one: &&Value| one["settings"]["what"] == what && one["call"]["io"]["name"] == "told";
        let recording = whole.iter().find(of).unwrap_or_else(|| panic!("{what} is recorded: {whole:#?}"));
        let asked = recording["call"]["io"]["asked"].as_array().expect("what it asked").len();
        assert_eq!(
            asked,
            match what {
                "read" => 3,
                "coupons" => 2,
                _ => 0,
            }
        );
        let text = recording.to_string();
        assert!(!text.contains("ada@example.com") && !text.contains("\"points\":7,\"secret\""), "{text}");
        let call = folder.path().join(format!("{what}.json"));
        std::fs::write(&call, text).expect("a file is written");
        let mut replay = tokio::process::Command::new(&programs().hub);
        let output = replay.args(["plugin", "replay"]).args([&call, &component]).output().await.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let fuel = &recording["receipt"]["fuel"];
        assert!(output.status.success() && said.contains(says), "{what}: {said}");
        assert!(said.contains(&format!("fuel {fuel} (recorded: {fuel})\n")), "{what}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_uses_customers_and_objects_as_it_was_granted_on_sqlite() {
    records(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_uses_customers_and_objects_as_it_was_granted_on_postgres() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    records(Some(postgres.database().await.expect("a database"))).await;
}

/// So many steps are done when the hub is killed.
const KILLS: [usize; 12] = [2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32, 35];
const STEPS: i64 = 40;

/// A run that dies in its middle is made again from its cursor, and nothing that it said is doubled.
async fn killed(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let mut hub = place.serve().await;
    let mut client = Client::new(&hub.url);
    let worker = Worker::with_plugin(&client, tenant.clone()).await;
    worker.is_told("steps", "").await;
    let mut lost = BTreeSet::new();
    for kill in KILLS {
        let worker = Worker { client: &client, tenant: tenant.clone() };
        let asked = worker.post("/jobs/told/run", &json!({})).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
        until("it comes to the next kill", || async { (worker.numbers("Stepped").await.len() >= kill).then_some(()) })
            .await;
        let address = hub.address().to_owned();
        hub.kill().await.expect("the hub is killed");
        hub = place.start_again(&address, &[]).await;
        client = Client::new(&hub.url);
        let worker = Worker { client: &client, tenant: tenant.clone() };
        let running = until("it is not known to run any more", || async {
            let job = worker.job("told").await;
            let is_left = job["running_since"].is_string() && job["next_at"].is_string();
            (!is_left || job["runs"][0]["outcome"] == "lost").then_some(job)
        })
        .await;
        lost.extend(
            running["runs"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|run| run["outcome"] == "lost")
                .map(Value::to_string),
        );
    }
    let worker = Worker { client: &client, tenant };
    assert_eq!(worker.post("/jobs/told/run", &json!({})).await.status, StatusCode::ACCEPTED);
    until("all steps are done", || async { (worker.job("told").await["cursor"] == STEPS).then_some(()) }).await;
    assert_eq!(worker.each_once("Stepped").await, STEPS);
    assert!(!lost.is_empty(), "no kill hit a run in its middle");
    say(format!("{} of {} kills hit a run in its middle; {STEPS} steps, each once", lost.len(), KILLS.len()));
    assert!(hub.stop().await.expect("the hub ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_is_made_again_on_sqlite() {
    killed(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_is_made_again_on_postgres() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    killed(Some(postgres.database().await.expect("a database"))).await;
}

/// Which of two hubs moves the tenant: the name that it has in leases.
async fn owner(database: &str) -> String {
    let mut connection = PgConnection::connect(database).await.expect("the database opens");
    let owner: Option<String> =
        sqlx::query_scalar("SELECT owner FROM partitions").fetch_one(&mut connection).await.expect("a partition");
    connection.close().await.expect("it closes");
    owner.unwrap_or_default()
}

fn node(place: &Place) -> String {
    std::fs::read_to_string(place.folder.join("node")).expect("a node has a name").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hubs_run_a_job_once_and_one_takes_it_over_from_the_other() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    let database = postgres.database().await.expect("a database");
    let places = [Place::new(Some(database.clone())), Place::new(Some(database.clone()))];
    let tenant = places[0].tenant("live").await;
    let first = places[0].serve().await;
    let key = "secret.key";
    std::fs::copy(places[0].folder.join(key), places[1].folder.join(key)).expect("the key is copied");
    let second = places[1].serve().await;
    let clients = [Client::new(&first.url), Client::new(&second.url)];
    let worker = Worker::with_plugin(&clients[0], tenant).await;
    let beside = worker.on(&clients[1]);
    worker.ticks_beyond(2).await;
    // Whoever is asked, the one that moves the tenant runs it.
    for asked in [&worker, &beside] {
        assert_eq!(asked.told("nothing", "").await["note"], "nothing");
    }
    let ticks = worker.each_once("Ticked").await;
    let mut hubs: Vec<(Server, Worker<'_>, String)> =
        vec![(first, worker.on(&clients[0]), node(&places[0])), (second, beside, node(&places[1]))];
    let moves = owner(&database).await;
    let index = hubs.iter().position(|(.., name)| *name == moves).expect("one of them moves it");
    let (hub, ..) = hubs.remove(index);
    hub.kill().await.expect("the hub is killed");
    let (left, worker, name) = hubs.pop().expect("the other");
    worker.ticks_beyond(ticks + 2).await;
    assert_eq!(owner(&database).await, name);
    let runs = worker.job("tick").await["runs"].clone();
    let raced = runs.as_array().into_iter().flatten().any(|run| run["code"] == "raced");
    assert!(!raced, "two runs wrote at the same time: {runs}");
    assert!(left.stop().await.expect("the hub ends").success());
}

/// What was missed while nobody ran is caught up as the manifest says.
async fn caught_up(url: Option<String>) {
    let house = House::open_on(url, ClockKind::Live).await;
    let plugin = guests::build("tests/hostile/job");
    house.install(&plugin, json!({})).await;
    let now = Arc::new(AtomicI64::new(HOST_NOW.micros()));
    let start = || {
        let clock = now.clone();
        let config = Config { poll: Duration::from_millis(50), ..Config::default() };
        let sealer = Arc::new(Sealer::from_key([1; 32]));
        let clock = Arc::new(move || Timestamp::from_micros(clock.load(Ordering::SeqCst)));
        Engine::start(house.store.clone(), house.runtime.clone(), sealer, clock, config)
    };
    let row = async |job: &str| {
        let rows = house.store.jobs(&house.scope).await.expect("jobs");
        rows.into_iter().find(|row| row.key.job == job)
    };
    let at = |text: &str| Some(text.parse::<Timestamp>().expect("a time"));
    let engine = start();
    until("the jobs are planned", async || row("each").await.filter(|row| row.due == at("2023-11-14T23:00:00Z"))).await;
    engine.stop().await;
    now.fetch_add(16_200_000_000, Ordering::SeqCst);
    let engine = start();
    let due = at("2023-11-15T03:00:00Z");
    for job in ["each", "latest", "never-late"] {
        until("it is caught up", async || row(job).await.filter(|row| row.due == due && row.claimed_by.is_none()))
            .await;
    }
    let runs = async |job: &str| {
        let key = JobKey { plugin: "hostile-job".to_owned(), job: job.to_owned() };
        let mut runs = house.store.job_runs(&house.scope, &key, 100).await.expect("runs");
        runs.reverse();
        runs.into_iter().filter_map(|run| run.note).collect::<Vec<_>>()
    };
    let hours = ["2023-11-15T00:00:00Z", "2023-11-15T01:00:00Z", "2023-11-15T02:00:00Z"];
    assert_eq!(runs("each").await, hours, "the last three of four");
    assert_eq!(runs("latest").await, hours[2..]);
    assert_eq!(runs("never-late").await, [""; 0]);
    // On time they all run.
    now.fetch_add(1_010_000_000, Ordering::SeqCst);
    for (job, count) in [("each", 4), ("latest", 2), ("never-late", 1)] {
        until("it runs on time", async || (runs(job).await.len() == count).then_some(())).await;
    }
    engine.stop().await;
    house.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_caught_up_as_the_manifest_says() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    for url in [None, Some(postgres.database().await.expect("a database"))] {
        caught_up(url).await;
    }
}

/// A replay's clock is moved by events: no time of the host runs a job, but who asks for one gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaying_tenants_jobs_run_only_when_somebody_asks() {
    let place = Place::new(None);
    let tenant = place.tenant("replay").await;
    let other = place.create_tenant("other", "live").await.expect("a tenant");
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    let replays = Worker::with_plugin(&client, tenant).await;
    let lives = Worker::with_plugin(&client, other).await;
    assert_eq!(replays.told("nothing", "").await["note"], "nothing");
    lives.ticks_beyond(2).await;
    let tick = replays.job("tick").await;
    assert_eq!((&tick["next_at"], &tick["runs"]), (&Value::Null, &json!([])), "{tick}");
    assert!(hub.stop().await.expect("the hub ends").success());
}
