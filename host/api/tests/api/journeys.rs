//! Journeys, drawn, checked and published.

use std::time::Duration;

use crate::hub::{Hub, PATIENCE, Tenant};
use insta::assert_json_snapshot;
use openhub_model::Id;
use openhub_model::message::NewMessage;
use openhub_model::run::{Run, RunStatus, Told};
use openhub_store::{Changes, RunFilter, Scope};
use openhub_test_postgres::Server;
use serde_json::{Value, json};

fn welcome() -> Value {
    json!({
        "trigger": {"event": "Signed Up"}, "reentry": "always", "start": "rest",
        "nodes": {
            "rest": {"type": "wait", "duration": "1h", "next": "mark"},
            "mark": {"type": "update", "tags": {"welcomed": true}, "next": "done"},
            "done": {"type": "exit"},
        },
    })
}

#[tokio::test]
async fn a_faulty_graph_is_saved_and_not_published() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let mut faulty = welcome();
    faulty["nodes"]["mark"]["next"] = json!("nowhere");
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(faulty)).await;
    let checked = hub.call("POST", "/api/v1/journeys/welcome/check", key, None).await;
    let published = hub.call("POST", "/api/v1/journeys/welcome/publish", key, None).await;
    assert_eq!(saved.body["faults"], checked.body["faults"]);
    assert_eq!(saved.body["faults"], published.body["faults"]);
    assert_json_snapshot!("journey_faulty", published);
}

#[tokio::test]
async fn a_journey_is_published_paused_and_resumed() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(welcome())).await;
    assert_eq!((saved.status, &saved.body["faults"]), (200, &json!([])), "{saved:?}");
    let act = async |verb: &str| hub.call("POST", &format!("/api/v1/journeys/welcome/{verb}"), key, None).await;
    let early = act("pause").await;
    let mut answers = vec![early];
    for verb in ["publish", "pause", "resume", "publish"] {
        answers.push(act(verb).await);
    }
    assert_json_snapshot!("journey_life", answers);
    let events = json!([{"type": "track", "event": "Signed Up", "userId": "ada"}]);
    hub.send_events(&tenant, events).await;
    assert_json_snapshot!("journey_counts", hub.get("/api/v1/journeys/welcome/counts", key).await);
    let list = hub.get("/api/v1/journeys", key).await;
    assert_eq!(list.body["journeys"][0]["version"], 1, "what says the same is no new version");
    assert_eq!(hub.get("/api/v1/journeys/welcome", key).await.body["draft"], welcome());
    let changed = json!({"reentry": "never"});
    let changed: serde_json::Map<_, _> =
        [welcome(), changed].iter().flat_map(|it| it.as_object().unwrap().clone()).collect();
    assert_eq!(hub.call("PUT", "/api/v1/journeys/welcome", key, Some(json!(changed))).await.status, 200);
    assert_eq!(act("publish").await.body["version"], 2);
    let none = hub.get("/api/v1/messages?journey=welcome", key).await;
    assert_eq!((none.status, none.body), (200, json!({"messages": [], "next": null})));
}

/// What became of runs and of messages, which no node counts.
#[tokio::test]
async fn findings14_f12_a_journey_counts_what_became_of_its_runs_and_messages() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    assert_eq!(hub.call("PUT", "/api/v1/journeys/welcome", key, Some(welcome())).await.status, 200);
    for verb in ["publish", "pause"] {
        assert_eq!(hub.call("POST", &format!("/api/v1/journeys/welcome/{verb}"), key, None).await.status, 200);
    }
    let id = |number: u8| Id::named(&[&[number]]);
    let run = |number: u8, status: RunStatus| Run {
        id: id(number),
        part: id(9),
        journey: "welcome".into(),
        version: 1,
        node: "rest".into(),
        step: 1,
        status,
        awaits: Vec::new(),
        since: 0,
        due: None,
        state: "{}".into(),
        started_at: hub.now(),
        ended_at: None,
        fault: None,
        served_by: None,
        told: Told::default(),
    };
    let message = |number: u8| NewMessage {
        id: id(number),
        part: id(9),
        channel: "mail".into(),
        address: "a".into(),
        purpose: String::new(),
        content: "{}".into(),
        journey: "welcome".into(),
        run: id(1),
        node: "rest".into(),
        created_at: hub.now(),
        expires_at: None,
    };
    let statuses = [RunStatus::Waiting, RunStatus::Done, RunStatus::Failed, RunStatus::Failed];
    let runs = (1..).zip(statuses).map(|(number, status)| run(number, status)).collect();
    hub.commit(&tenant, Changes { runs, messages: vec![message(1), message(2)], ..Changes::default() }).await;
    let counts = hub.get("/api/v1/journeys/welcome/counts", key).await.body;
    assert_eq!(counts["runs"], json!({"waiting": 1, "done": 1, "failed": 2, "stopped": 0}));
    assert_eq!(hub.call("POST", "/api/v1/journeys/welcome/stop", key, None).await.status, 200);
    let counts = hub.get("/api/v1/journeys/welcome/counts", key).await.body;
    assert_eq!(counts["runs"], json!({"waiting": 0, "done": 1, "failed": 2, "stopped": 1}));
    let messages =
        json!({"waiting": 0, "sending": 0, "delivered": 0, "failed": 0, "parked": 0, "dropped": 2, "held": 0});
    assert_eq!(counts["messages"], messages);
}

/// A tenant to whom nothing happens sleeps: nothing of it is left in memory. It wakes for what arrives, and for what is due.
#[tokio::test]
async fn who_sleeps_wakes_for_events_and_timers() {
    wakes(Hub::start().await).await;
    let server = Server::start().await.expect("a server");
    wakes(Hub::on_postgres(server.database().await.expect("a database")).await).await;
}

async fn wakes(hub: Hub) {
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let scope = Scope::of(tenant.id);
    assert_eq!(hub.call("PUT", "/api/v1/journeys/welcome", key, Some(welcome())).await.status, 200);
    assert_eq!(hub.call("POST", "/api/v1/journeys/welcome/publish", key, None).await.status, 200);
    for round in 1..=3 {
        asleep(&hub, &tenant).await;
        hub.send_events(&tenant, json!([{"type": "track", "event": "Signed Up", "userId": "ada"}])).await;
        asleep(&hub, &tenant).await;
        let ended = async || {
            let runs = hub.store.runs(&scope, &RunFilter { limit: 10, ..RunFilter::default() }).await.unwrap();
            runs.iter().filter(|run| run.status != RunStatus::Waiting).count()
        };
        assert_eq!(ended().await, round - 1, "the last of them waits");
        hub.advance(Duration::from_secs(3_600));
        let wakes = async {
            while ended().await < round {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wakes).await.expect("its time has come, and it goes on");
    }
}

async fn asleep(hub: &Hub, tenant: &Tenant) {
    let falls_asleep = async {
        while hub.engine.catalog(tenant.id).is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, falls_asleep).await.expect("it has nothing to do");
}

#[tokio::test]
async fn conditions_of_a_journey_name_what_there_is() {
    let hub = Hub::start().await;
    let key = &hub.tenant("shop").await.api_key;
    let mut journey = welcome();
    journey["trigger"]["condition"] = json!({"any": [{"segment": "nobody"}, {"journey": {"name": "no", "is": "in"}}]});
    journey["trigger"]["where"] = json!([{"property": "total", "is": "gt", "value": true}]);
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(journey)).await;
    let faults = saved.body["faults"].as_array().unwrap().iter();
    let faults: Vec<(&str, &str)> =
        faults.map(|fault| (fault["pointer"].as_str().unwrap(), fault["code"].as_str().unwrap())).collect();
    let expected = [
        ("/trigger/condition/any/0/segment", "unknown-segment"),
        ("/trigger/condition/any/1/journey/name", "unknown-journey"),
        ("/trigger/where/0/value", "wrong-type"),
    ];
    assert_eq!(faults, expected);
}

#[tokio::test]
async fn a_journey_starts_where_a_segment_is_entered() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    for name in ["best", "other"] {
        let condition = json!({"condition": {"tag": name}});
        assert_eq!(hub.call("PUT", &format!("/api/v1/segments/{name}"), key, Some(condition)).await.status, 200);
    }
    let mut journey = welcome();
    journey["trigger"] = json!({
        "event": "Segment Entered", "where": [{"property": "segment", "is": "eq", "value": "best"}],
        "condition": {"segment": "best"},
    });
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(journey)).await;
    assert_eq!(saved.body["faults"], json!([]));
    assert_eq!(hub.call("POST", "/api/v1/journeys/welcome/publish", key, None).await.status, 200);
    let start = welcome()["start"].as_str().unwrap().to_owned();
    for (user, tag) in [("ada", "best"), ("bob", "other")] {
        let new = json!({"identities": [{"kind": "user_id", "value": user}], "tags": {tag: true}});
        assert!(hub.post("/api/v1/customers", key, new).await.status < 300, "{user}");
    }
    let counts = hub.get("/api/v1/journeys/welcome/counts", key).await.body;
    assert_eq!(counts["versions"][0]["nodes"][&start]["entered"], 1, "{counts}");
    let log = hub.get("/api/v1/events?name=Segment%20Entered", key).await.body;
    assert_eq!(log["events"].as_array().unwrap().len(), 2, "{log}");
}

#[tokio::test]
async fn a_segment_that_a_journey_starts_at_stays() {
    let hub = Hub::start().await;
    let key = &hub.tenant("shop").await.api_key;
    let mut journey = welcome();
    journey["trigger"] = json!({"segment": "vip"});
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(journey.clone())).await;
    assert_eq!(saved.body["faults"][0]["pointer"], "/trigger/segment", "{:?}", saved.body);
    let segment = json!({"condition": {"tag": "vip"}});
    assert!(hub.call("PUT", "/api/v1/segments/vip", key, Some(segment)).await.status < 300);
    let saved = hub.call("PUT", "/api/v1/journeys/welcome", key, Some(journey)).await;
    assert_eq!((saved.status, &saved.body["faults"]), (200, &json!([])));
    let removed = hub.call("DELETE", "/api/v1/segments/vip", key, None).await;
    assert_eq!((removed.status, &removed.body["faults"][0]["code"]), (409, &json!("in-use")), "{:?}", removed.body);
}

#[tokio::test]
async fn user14_f8_a_published_journey_is_not_removed() {
    let hub = Hub::start().await;
    let key = &hub.tenant("shop").await.api_key;
    let call = async |method: &str, path: &str, body: Option<Value>| {
        hub.call(method, &format!("/api/v1/journeys/welcome{path}"), key, body).await
    };
    assert_eq!(call("PUT", "", Some(welcome())).await.status, 200);
    assert_eq!(call("POST", "/publish", None).await.status, 200);
    for step in ["/pause", "/resume"] {
        let removed = call("DELETE", "", None).await;
        assert_eq!((removed.status, &removed.body["code"]), (409, &json!("conflict")), "{removed:?}");
        assert_eq!(call("POST", step, None).await.status, 200);
    }
    assert_eq!(call("GET", "", None).await.body["status"], "published");
    assert_eq!(call("POST", "/stop", None).await.status, 200);
    assert_eq!(call("DELETE", "", None).await.status, 204);
    assert_eq!(call("GET", "", None).await.status, 404);
    assert_eq!(call("PUT", "", Some(welcome())).await.status, 200);
    assert_eq!(call("DELETE", "", None).await.status, 204, "a draft is removed as it is");
}

/// Issue 14: what had become of a removed journey's runs was counted as the new one's.
#[tokio::test]
async fn a_journey_counts_its_own_runs_and_not_those_of_one_that_had_its_name() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let path = |path: &str| format!("/api/v1/journeys/welcome{path}");
    let mark = json!({"type": "update", "tags": {"welcomed": true}, "next": "done"});
    let journey = json!({"trigger": {"event": "Signed Up"}, "reentry": "always", "start": "mark",
        "nodes": {"mark": mark, "done": {"type": "exit"}}});
    let made = async || {
        assert_eq!(hub.call("PUT", &path(""), key, Some(journey.clone())).await.status, 200);
        assert_eq!(hub.call("POST", &path("/publish"), key, None).await.status, 200);
    };
    let signs_up = json!([{"type": "track", "event": "Signed Up", "userId": "ada"}]);
    let done = async || hub.get(&path("/counts"), key).await.body["runs"]["done"].clone();
    made().await;
    hub.send_events(&tenant, signs_up.clone()).await;
    hub.send_events(&tenant, signs_up.clone()).await;
    assert_eq!(done().await, 2);
    assert_eq!(hub.call("POST", &path("/stop"), key, None).await.status, 200);
    assert_eq!(hub.call("DELETE", &path(""), key, None).await.status, 204);
    made().await;
    assert_eq!(hub.get(&path(""), key).await.body["version"], 2, "the runs of the first keep theirs");
    assert_ne!(done().await, 2);
    hub.send_events(&tenant, signs_up).await;
    assert_eq!(done().await, 1);
}
