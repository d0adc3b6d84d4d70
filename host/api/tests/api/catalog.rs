//! What a tenant runs loads all but the entry at fault, and nothing is taken away from who uses it.

use crate::hub::{Hub, Tenant, component};
use openhub_engine::{Catalog, Plugins};
use openhub_model::identity::Authority;
use openhub_model::manifest::{
    ChannelShape, Field, FunctionShape, Manifest, ObjectShape, StepShape, Type, UnknownOutcome,
};
use openhub_model::{ClockKind, EventKind, NewEvent, Timestamp};
use openhub_runtime::{Config as RuntimeConfig, Runtime};
use openhub_store::{Installation, Op, PluginStatus, RunFilter, Scope};
use openhub_test_postgres::Server;
use serde_json::{Value, json};

fn field(name: &str) -> Field {
    Field { required: true, ..Field::new(name, Type::Text) }
}

/// A manifest that no component has inside: what is stored is believed, and nothing of it is called here.
fn letters(version: &str, content: &str) -> Manifest {
    Manifest {
        format: 1,
        name: "letters".into(),
        version: version.into(),
        channels: vec![ChannelShape {
            name: "letter".into(),
            address: "user_id".into(),
            purpose: None,
            unknown: UnknownOutcome::Retry,
            content: vec![field(content)],
        }],
        objects: vec![ObjectShape { name: "stamp".into(), version: 1, fields: vec![field("motif")], owner: None }],
        ..Manifest::default()
    }
}

fn bytes(name: &str) -> Vec<u8> {
    component(Some(json!({"format": 1, "name": name, "version": "1.0.0", "publisher": "x", "imports": []})))
}

/// Of a component; of what is none, a digest all the same.
fn digest(bytes: &[u8]) -> String {
    Runtime::inspect(bytes).map_or_else(|_| "0".repeat(64), |inspected| inspected.digest)
}

fn control(name: &str, body: Value) -> Op {
    Op::Append(NewEvent {
        message_id: format!("{name} {body}"),
        kind: EventKind::Control,
        name: name.into(),
        part: None,
        occurred_at: Default::default(),
        received_at: Default::default(),
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    })
}

/// Behind the API's back, as it came from a time when it was allowed: then the engine reads its catalog anew.
async fn put(hub: &Hub, tenant: &Tenant, manifest: Manifest, component: Vec<u8>) {
    let digest = digest(&component);
    let scope = Scope::of(tenant.id);
    let head = hub.store.standing(&scope).await.expect("a standing").head;
    let enabled = Installation {
        status: PluginStatus::Enabled,
        position: 1,
        ..Installation::uploaded(digest.clone(), manifest, hub.now())
    };
    let ops = vec![
        Op::PutComponent { digest: digest.clone(), bytes: component },
        Op::PutPlugin(enabled),
        control("plugin.secret-set", json!({"plugin": digest, "behind": head})),
    ];
    hub.store.transact(&scope, ops).await.expect("it is stored");
    hub.settle(tenant).await;
}

fn journey() -> Value {
    json!({
        "trigger": {"event": "Signed Up"}, "reentry": "always", "start": "rest",
        "nodes": {
            "rest": {"type": "wait", "duration": "1h", "next": "write"},
            "write": {"type": "send", "channel": "letter", "purpose": "transactional", "content": {"title": "Welcome"}, "next": "done"},
            "done": {"type": "exit"},
        },
    })
}

async fn publish(hub: &Hub, key: &str, name: &str) {
    let saved = hub.call("PUT", &format!("/api/v1/journeys/{name}"), key, Some(journey())).await;
    assert_eq!((saved.status, &saved.body["faults"]), (200, &json!([])), "{saved:?}");
    let published = hub.call("POST", &format!("/api/v1/journeys/{name}/publish"), key, None).await;
    assert_eq!(published.status, 200, "{published:?}");
}

/// Name and reason of what stands out.
async fn standing_out(hub: &Hub, key: &str) -> Vec<(String, String, String)> {
    let status = hub.get("/api/v1/status", key).await.body;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let faults = status["faults"].as_array().expect("a list").iter();
    faults.map(|fault| (text(&fault["kind"]), text(&fault["name"]), text(&fault["reason"]))).collect()
}

#[tokio::test]
async fn a2_what_a_journey_or_a_segment_uses_is_not_taken_away() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    put(&hub, &tenant, letters("1.0.0", "title"), bytes("one")).await;
    publish(&hub, key, "welcome").await;
    let condition = json!({"condition": {"object": {"kind": "stamp", "quantifier": "count", "is": "ge", "value": 1}}});
    assert_eq!(hub.call("PUT", "/api/v1/segments/collectors", key, Some(condition)).await.status, 200);

    for (method, path) in [("DELETE", "/api/v1/plugins/letters"), ("POST", "/api/v1/plugins/letters/disable")] {
        let refused = hub.call(method, path, key, None).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        let users: Vec<&str> =
            refused.body["faults"].as_array().unwrap().iter().map(|user| user["pointer"].as_str().unwrap()).collect();
        assert_eq!(users, ["/journeys/welcome/versions/1", "/segments/collectors"], "{refused:?}");
        assert!(refused.body["detail"].as_str().unwrap().contains("/journeys/welcome/versions/1"), "{refused:?}");
    }
    // The same at its place in the log: it does nothing there, and is listed.
    let removed = control("plugin.removed", json!({"plugin": "letters"}));
    hub.store.transact(&Scope::of(tenant.id), vec![removed]).await.expect("it is appended");
    hub.settle(&tenant).await;
    assert_eq!(hub.get("/api/v1/plugins/letters", key).await.body["status"], "enabled");
    let faults = standing_out(&hub, key).await;
    assert!(faults[0].0 == "change" && faults[0].2.contains("`welcome`"), "{faults:?}");

    // Once nobody uses it, it goes.
    assert_eq!(hub.call("POST", "/api/v1/journeys/welcome/pause", key, None).await.status, 200);
    assert_eq!(hub.call("DELETE", "/api/v1/segments/collectors", key, None).await.status, 204);
    assert_eq!(hub.call("POST", "/api/v1/plugins/letters/disable", key, None).await.status, 200);
    let resumed = hub.call("POST", "/api/v1/journeys/welcome/resume", key, None).await;
    assert!(resumed.status == 422 && resumed.body["faults"][0]["code"] == "unknown-channel", "{resumed:?}");
}

/// A manifest with a step and a function.
fn tools(version: &str, outlets: &[&str], function: &str) -> Manifest {
    let step = StepShape {
        name: "route".into(),
        outlets: outlets.iter().map(|outlet| (*outlet).to_owned()).collect(),
        ..StepShape::default()
    };
    let function = FunctionShape { name: function.into(), arguments: vec![field("name")], returns: Type::Text };
    let (steps, functions) = (vec![step], vec![function]);
    Manifest { name: "my-tools".into(), version: version.into(), steps, functions, ..letters(version, "title") }
}

#[tokio::test]
async fn a_step_and_a_function_that_a_journey_uses_are_not_taken_away() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    put(&hub, &tenant, tools("1.0.0", &["yes", "no"], "greeting"), bytes("tools")).await;
    let journey = |outlet: &str, text: &str| {
        json!({
            "trigger": {"event": "Signed Up"}, "start": "ask",
            "nodes": {
                "ask": {"type": "step", "plugin": "my-tools", "step": "route", "outlets": {"yes": "write", (outlet): "done"}},
                "write": {"type": "send", "channel": "letter", "purpose": "transactional", "content": {"title": text}, "next": "done"},
                "done": {"type": "exit"},
            },
        })
    };
    let save = async |journey: Value| hub.call("PUT", "/api/v1/journeys/tools", key, Some(journey)).await;
    for (wrong, pointer, code, meant) in [
        (journey("noo", "x"), "/nodes/ask/outlets/noo", "unknown-outlet", "`no`"),
        (
            journey("no", "{{ my_tools.greting('x') }}"),
            "/nodes/write/content/title",
            "unknown-function",
            "`my_tools.greeting`",
        ),
    ] {
        assert_eq!(save(wrong).await.status, 200);
        let refused = hub.call("POST", "/api/v1/journeys/tools/publish", key, None).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        let faults = refused.body["faults"].as_array().expect("faults");
        let fault = faults.iter().find(|fault| fault["pointer"] == pointer).expect("the fault");
        assert_eq!(fault["code"], code, "{fault}");
        let message = fault["message"].as_str().expect("a message");
        assert!(message.contains(&format!("Did you mean {meant}?")), "{message}");
    }
    assert_eq!(save(journey("no", "{{ my_tools.greeting('x') }}")).await.body["faults"], json!([]));
    assert_eq!(hub.call("POST", "/api/v1/journeys/tools/publish", key, None).await.status, 200);
    for (method, path) in [("DELETE", "/api/v1/plugins/my-tools"), ("POST", "/api/v1/plugins/my-tools/disable")] {
        let refused = hub.call(method, path, key, None).await;
        let user = &refused.body["faults"][0];
        assert_eq!((refused.status, &user["pointer"]), (409, &json!("/journeys/tools/versions/1")), "{refused:?}");
    }
    // A version without the outlet, or without the function, stands out where it came behind the API's back.
    let versions = [("2.0.0", "two", &["yes"][..], "greeting"), ("3.0.0", "three", &["yes", "no"], "welcome")];
    for (version, component, outlets, function) in versions {
        put(&hub, &tenant, tools(version, outlets, function), bytes(component)).await;
        let faults = standing_out(&hub, key).await;
        assert!(faults.iter().any(|(kind, name, _)| kind == "journey" && name == "tools"), "{version}: {faults:?}");
    }
}

#[tokio::test]
async fn a2_e2_a_journey_that_no_longer_compiles_holds_its_runs_and_nothing_else_stands() {
    holds_its_runs(Hub::start().await).await;
}

#[tokio::test]
async fn a2_e2_a_journey_that_no_longer_compiles_holds_its_runs_and_nothing_else_stands_on_postgres() {
    let server = Server::start().await.expect("a server");
    let database = server.database().await.expect("a database");
    holds_its_runs(Hub::on_postgres(database).await).await;
}

async fn holds_its_runs(hub: Hub) {
    let tenant = hub.tenant_on("shop", ClockKind::Replay).await;
    let (key, scope) = (&tenant.api_key, Scope::of(tenant.id));
    put(&hub, &tenant, letters("1.0.0", "title"), bytes("one")).await;
    publish(&hub, key, "welcome").await;
    let signed_up =
        |user: &str, at: &str| json!([{"type": "track", "event": "Signed Up", "userId": user, "timestamp": at}]);
    hub.send_events(&tenant, signed_up("ada", "2026-01-01T12:00:00Z")).await;

    // A version whose content has another field, as an old hub let in.
    put(&hub, &tenant, letters("2.0.0", "heading"), bytes("two")).await;
    let faults = standing_out(&hub, key).await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].0 == "journey" && faults[0].1 == "welcome" && faults[0].2.contains("title"), "{faults:?}");
    let ready = hub.get("/readyz", key).await;
    assert!(ready.status == 200 && ready.body.as_str().unwrap().contains("not in force"), "{ready:?}");

    // Later events and changes are taken; the run waits, whatever the clock says; nobody else is started.
    hub.send_events(&tenant, signed_up("bob", "2026-01-01T13:00:00Z")).await;
    let to = json!({"to": "2027-01-01T00:00:00Z"});
    assert_eq!(hub.post("/api/v1/clock", key, to).await.status, 200);
    let declared = hub.call("PUT", "/api/v1/attributes/tier", key, Some(json!({"type": "text"}))).await;
    assert!(declared.status < 300, "{declared:?}");
    let runs = hub.store.runs(&scope, &RunFilter { limit: 10, ..RunFilter::default() }).await.unwrap();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].status, openhub_model::run::RunStatus::Waiting);
    assert_eq!(hub.get("/api/v1/status", key).await.body["behind"], 0);
    // As after a restart.
    let runtime = Runtime::new(RuntimeConfig::default()).expect("a runtime");
    let fresh = Catalog::load(
        &hub.store,
        &scope,
        &Plugins::new(hub.store.clone(), runtime, std::sync::Arc::new(|| Timestamp::from_micros(0))),
    )
    .await
    .expect("it loads");
    assert_eq!(fresh.faults.len(), 1, "{:?}", fresh.faults);

    // The way back: the version before.
    put(&hub, &tenant, letters("1.0.0", "title"), bytes("one")).await;
    assert_eq!(standing_out(&hub, key).await, []);
    assert_eq!(hub.post("/api/v1/clock", key, json!({"to": "2027-01-02T00:00:00Z"})).await.status, 200);
    let messages = hub.get("/api/v1/messages?journey=welcome", key).await.body;
    assert_eq!(messages["messages"].as_array().unwrap().len(), 1, "{messages}");
}

#[tokio::test]
async fn a2_a_plugin_whose_component_is_broken_stands_out_alone() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let (key, scope) = (&tenant.api_key, Scope::of(tenant.id));
    put(&hub, &tenant, letters("1.0.0", "title"), b"no component".to_vec()).await;
    let mut other = letters("1.0.0", "title");
    (other.name, other.channels[0].name, other.objects[0].name) = ("cards".into(), "card".into(), "frame".into());
    put(&hub, &tenant, other, bytes("cards")).await;
    let mut rival = letters("1.0.0", "title");
    (rival.name, rival.channels[0].name) = ("rival".into(), "bill".into());
    put(&hub, &tenant, rival.clone(), bytes("rival")).await;
    rival.name = "second".into();
    let second = Installation {
        status: PluginStatus::Enabled,
        ..Installation::uploaded(digest(&bytes("second")), rival, hub.now())
    };
    let ops = vec![
        Op::PutComponent { digest: digest(&bytes("second")), bytes: bytes("second") },
        Op::PutPlugin(second),
        control("plugin.secret-set", json!({})),
    ];
    hub.store.transact(&scope, ops).await.expect("it is stored");
    hub.settle(&tenant).await;
    let faults = standing_out(&hub, key).await;
    let out: Vec<(&str, &str)> = faults.iter().map(|(kind, name, _)| (kind.as_str(), name.as_str())).collect();
    assert_eq!(out, [("plugin", "letters"), ("plugin", "second")], "{faults:?}");
    assert!(faults[1].2.contains("already owns"), "two that own the same: {faults:?}");
    let catalog = hub.engine.in_force(&Scope::of(tenant.id)).await.expect("a catalog");
    assert_eq!(catalog.plugins.keys().collect::<Vec<_>>(), ["cards", "rival"]);
    hub.send_events(&tenant, json!([{"type": "track", "event": "E", "userId": "ada"}])).await;
    assert_eq!(hub.get("/api/v1/status", key).await.body["behind"], 0);
}
