//! Plugins that mean harm, in the real binary: each can harm only itself.

use openhub_tests::hub::{Client, Place, programs};
use openhub_tests::{component, guests};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use xtask::demo::setup::Tenant;
use xtask::process::Server;

struct Fixture {
    client: Client,
    tenant: Tenant,
    hub: Server,
    place: Place,
}

impl Fixture {
    /// A hub with one plugin of `tests/hostile`.
    async fn with(plugin: &str) -> Fixture {
        Fixture::on("live", plugin).await
    }

    /// As [`Fixture::with`], on a clock of that kind.
    async fn on(clock: &str, plugin: &str) -> Fixture {
        let component = guests::build(&format!("tests/hostile/{plugin}")).bytes;
        let place = Place::new(None);
        let tenant = place.tenant(clock).await;
        let hub = place.serve().await;
        let client = Client::new(&hub.url);
        client.enable(&tenant.api_key, component).await;
        Fixture { client, tenant, hub, place }
    }

    /// Sends events in one request and waits until the engine has passed them. The status then.
    async fn send(&self, events: Vec<Value>) -> Value {
        let sent = self.client.ingest("/v1/batch", &self.tenant.api_key, &json!({"batch": events})).await;
        assert_eq!((sent.status, &sent.body), (StatusCode::OK, &json!({"success": true})));
        self.client.settled(&self.tenant.api_key).await
    }

    /// A customer's attribute; null if there is no such customer.
    async fn attribute(&self, user: &str, name: &str) -> Value {
        let path = format!("/api/v1/customers?identity=user_id:{user}");
        let answer = self.client.get(&path, &self.tenant.api_key).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["customers"][0]["attributes"][name].clone()
    }

    /// What the hub noted of the events that went on without a rule.
    async fn faults(&self) -> Vec<String> {
        let mut connection = SqliteConnection::connect(&self.place.database).await.expect("the file opens");
        let faults = sqlx::query_scalar("SELECT text FROM faults WHERE kind = 2 ORDER BY position")
            .fetch_all(&mut connection)
            .await;
        connection.close().await.expect("the file closes");
        faults.expect("the faults are read")
    }

    /// The faults among all that is held of a customer.
    async fn faults_told(&self, customer: &str) -> Vec<Value> {
        let data = self.client.get(&format!("/api/v1/customers/{customer}/data"), &self.tenant.api_key).await.body;
        let lines = data.as_str().expect("lines").lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
        lines.filter(|line| line["kind"] == "fault").map(|line| line["data"].clone()).collect()
    }

    /// Makes the call of a fault again by the command: it fails in the same way, with the same fuel.
    async fn replays(&self, fault: &Value) {
        assert_eq!(fault["recorded"], true, "{fault}");
        let path = format!("/api/v1/faults/{}/recording", fault["id"].as_str().expect("an id"));
        let recording = self.client.get(&path, &self.tenant.api_key).await.body;
        let rows = recording["call"]["rule"]["batch"]["rows"].as_u64();
        assert_eq!((rows, &recording["fault"]["kind"]), (Some(1), &fault["code"]), "{recording}");
        let fuel = recording["receipt"]["fuel"].as_u64().expect("fuel");
        assert!(fuel > 0, "{recording}");
        let folder = tempfile::tempdir().expect("a folder");
        let (call, component) = (folder.path().join("call.json"), folder.path().join("plugin.wasm"));
        std::fs::write(&call, recording.to_string()).expect("a file is written");
        std::fs::write(&component, guests::build("tests/hostile/poison").bytes).expect("a file is written");
        let mut replay = tokio::process::Command::new(&programs().hub);
        let output = replay.args(["plugin", "replay"]).args([&call, &component]).output().await.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("it fails in the same way"), "{said}");
        assert!(said.contains(&format!("fuel {fuel} (recorded: {fuel})")), "{said}");
        let printed: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        assert_eq!(printed["fault"], recording["fault"]);
    }

    async fn ends_well(self) {
        let log = self.hub.log_tail();
        let ended = self.hub.stop().await.expect("the hub ends");
        assert!(ended.success(), "{ended}: {log}");
    }
}

fn order(user: &str, properties: Value) -> Value {
    json!({"type": "track", "event": "Order Completed", "userId": user, "properties": properties})
}

fn identify(user: &str) -> Value {
    json!({"type": "identify", "userId": user, "traits": {"plan": "pro"}})
}

#[tokio::test]
async fn an_instance_remembers_nothing() {
    let hub = Fixture::with("counter").await;
    for round in 0..20 {
        let users: Vec<String> = (0..3).map(|user| format!("user-{user}")).collect();
        let status = hub.send(users.iter().map(|user| order(user, json!({"round": round}))).collect()).await;
        assert_eq!(status["set_aside"], 0);
        for user in &users {
            assert_eq!(hub.attribute(user, "calls").await, 1, "{user} in round {round}");
        }
    }
    hub.ends_well().await;
}

/// The panic of a poison row is logged first; without the grant of `log` that is where the call breaks off.
#[tokio::test]
async fn an_import_that_an_admin_did_not_grant_is_refused_when_it_is_used() {
    let component = guests::build("tests/hostile/poison").bytes;
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let hub = Fixture { client: Client::new(&hub.url), tenant, hub, place };
    let key = &hub.tenant.api_key;
    let installed = hub.client.upload(key, component).await;
    let path = format!("/api/v1/plugins/{}/enable", installed.body["name"].as_str().expect("a name"));
    let wider = json!({"accept": installed.body["digest"], "grant": {"imports": ["openhub:http/http"]}});
    let refused = hub.client.json(Method::POST, &path, key, &wider).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-installation"));
    let narrower = json!({"accept": installed.body["digest"], "grant": {"imports": []}});
    let enabled = hub.client.json(reqwest::Method::POST, &path, key, &narrower).await;
    assert_eq!(enabled.body["status"], "enabled", "{enabled:?}");
    let status = hub.send(vec![order("fine", json!({"amount": 7})), order("poisoned", json!({"amount": 13}))]).await;
    let without = &status["open_faults"]["rule"];
    assert_eq!((without, hub.attribute("fine", "amount").await), (&json!(1), json!(7)), "{status}");
    let faults = hub.faults().await;
    assert!(faults.len() == 1 && faults[0].contains("was not granted"), "{faults:?}");
    hub.ends_well().await;
}

/// Installs what takes long to compile into a hub that grants so little; the answer's problem and its reason.
async fn compiled_under(
    bounds: &[(&str, &str)],
    (functions, additions): (usize, usize),
) -> (StatusCode, String, String) {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let config = place.folder.join("hub.toml");
    let text: String = bounds.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    std::fs::write(&config, text).expect("a file is written");
    let flags = ["--config".to_owned(), config.display().to_string()];
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    let (_, rfm) = programs().components.iter().find(|(name, _)| name == "rfm").expect("rfm is ours");
    let answer = client.upload(&tenant.api_key, component::with_work(rfm.clone(), functions, additions)).await;
    // The hub lives. A plugin of ours would not compile in time on a slow machine.
    assert_eq!(client.get("/api/v1/plugins", &tenant.api_key).await.status, StatusCode::OK);
    assert!(hub.stop().await.expect("the hub ends").success());
    (answer.status, answer.problem().to_owned(), answer.body["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn what_compiles_too_long_or_too_large_is_refused() {
    let (status, problem, detail) = compiled_under(&[], (1, 100)).await;
    assert_eq!(status, StatusCode::CREATED, "{problem}: {detail}");
    let refused = compiled_under(&[("compile_seconds", "1")], (250, 8_000)).await;
    assert_eq!(
        (refused.0, refused.1.as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "compile-too-long"),
        "{}",
        refused.2
    );
    let refused = compiled_under(&[("compile_mib", "256")], (1, 1_000_000)).await;
    assert_eq!((refused.0, refused.1.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "compile-failed"), "{}", refused.2);
    println!("{}", refused.2);
}

#[tokio::test]
async fn a_loop_is_stopped_and_others_go_on() {
    let hub = Fixture::with("spinner").await;
    let others: Vec<String> = (0..40).map(|user| format!("other-{user}")).collect();
    let mut events: Vec<Value> = others.iter().map(|user| identify(user)).collect();
    events.insert(20, order("victim", json!({})));
    let status = hub.send(events).await;
    assert_eq!((&status["set_aside"], &status["open_faults"]["rule"]), (&json!(0), &json!(1)), "{status}");
    for user in &others {
        assert_eq!(hub.attribute(user, "plan").await, "pro", "{user}");
    }
    assert_eq!(hub.attribute("victim", "turns").await, Value::Null);
    let faults = hub.faults().await;
    // On a slow machine the clock may end it before its fuel does.
    assert!(faults.len() == 1 && ["fuel", "interrupt"].iter().any(|end| faults[0].contains(end)), "{faults:?}");
    // The customer is not lost: what comes later, and runs through no loop, has its effects.
    let status = hub.send(vec![identify("victim")]).await;
    assert_eq!((hub.attribute("victim", "plan").await, &status["set_aside"]), (json!("pro"), &json!(0)));
    hub.ends_well().await;
}

#[tokio::test]
async fn e7_only_the_rule_misses_the_poison_row() {
    let hub = Fixture::with("poison").await;
    let ordered = json!({"condition": {"event": {"name": "Order Completed", "is": "ge", "value": 1}}});
    let put = hub.client.json(Method::PUT, "/api/v1/segments/ordered", &hub.tenant.api_key, &ordered).await;
    assert!(put.status.is_success(), "{put:?}");
    let orders = (0..50).map(|amount| order(&format!("user-{amount}"), json!({"amount": amount})));
    let status = hub.send(orders.collect()).await;
    assert_eq!((&status["set_aside"], &status["open_faults"]["rule"]), (&json!(0), &json!(1)), "{status}");
    for amount in 0..50 {
        let expected = if amount == 13 { Value::Null } else { json!(amount) };
        assert_eq!(hub.attribute(&format!("user-{amount}"), "amount").await, expected, "the row {amount}");
    }
    let faults = hub.faults().await;
    assert!(faults.len() == 1 && faults[0].contains("this row is poison"), "{faults:?}");
    // The order itself counts, and its customer is there.
    let members = hub.client.get("/api/v1/segments/ordered", &hub.tenant.api_key).await.body["members"].clone();
    let preview = hub.client.json(Method::POST, "/api/v1/segments/preview", &hub.tenant.api_key, &ordered).await.body;
    assert_eq!((&members, &preview["count"]), (&json!(50), &json!(50)));
    let found = hub.client.get("/api/v1/customers?identity=user_id:user-13", &hub.tenant.api_key).await.body;
    let id = found["customers"][0]["id"].as_str().expect("an id");
    let timeline = hub.client.rows(&format!("/api/v1/customers/{id}/timeline?"), "items", &hub.tenant.api_key).await;
    let kinds: Vec<&str> = timeline.iter().filter_map(|item| item["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "set-aside").count(), 0, "{kinds:?}");
    // It is told whom it is of, and nobody else.
    let listed = hub.client.rows(&format!("/api/v1/faults?customer={id}&"), "faults", &hub.tenant.api_key).await;
    assert_eq!((listed.len(), listed[0]["customer"].as_str()), (1, Some(id)), "{listed:?}");
    assert_eq!(hub.faults_told(id).await, listed);
    hub.replays(&listed[0]).await;
    let found = hub.client.get("/api/v1/customers?identity=user_id:user-14", &hub.tenant.api_key).await.body;
    assert_eq!(hub.faults_told(found["customers"][0]["id"].as_str().expect("an id")).await, Vec::<Value>::new());
    hub.ends_well().await;
}

/// Who leaves a segment leaves it, whatever a rule makes of it; the rule alone misses it.
#[tokio::test]
async fn a7_who_leaves_a_segment_leaves_it_without_the_rule_that_fails() {
    let hub = Fixture::on("replay", "poison").await;
    let key = hub.tenant.api_key.as_str();
    let lately = json!({"event": {"name": "Order Completed", "within": "1d", "is": "ge", "value": 1}});
    for segment in ["poison", "lately"] {
        let path = format!("/api/v1/segments/{segment}");
        let put = hub.client.json(Method::PUT, &path, key, &json!({"condition": lately})).await;
        assert!(put.status.is_success(), "{put:?}");
    }
    let members = async || {
        let mut counts = Vec::new();
        for segment in ["poison", "lately"] {
            counts.push(hub.client.get(&format!("/api/v1/segments/{segment}"), key).await.body["members"].clone());
        }
        counts
    };
    let advance = async |to: &str| {
        let answer = hub.client.json(Method::POST, "/api/v1/clock", key, &json!({"to": to})).await;
        assert!(answer.status.is_success(), "{answer:?}");
        hub.client.settled(key).await
    };
    let mut ordered = order("user", json!({"amount": 7}));
    ordered["timestamp"] = json!("2026-01-01T12:00:00Z");
    hub.send(vec![ordered]).await;
    assert_eq!(members().await, [json!(1), json!(1)]);
    let status = advance("2026-01-03T12:00:00Z").await;
    assert_eq!(members().await, [json!(0), json!(0)]);
    assert_eq!((&status["set_aside"], &status["open_faults"]["rule"]), (&json!(0), &json!(1)), "{status}");
    hub.ends_well().await;
}
