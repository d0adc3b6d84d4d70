//! What becomes of messages when a provider hangs, a hub dies or a plugin goes, in the real binary.

use openhub_model::manifest::{Manifest, UnknownOutcome};
use openhub_test_postgres::Server as Postgres;
use openhub_tests::component::{with_manifest, without_manifest};
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place, programs};
use openhub_tests::patience::until;
use openhub_tests::provider::{HOLDS, Provider};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use xtask::demo::setup::{SIGNING_SECRET, Tenant};
use xtask::process::Server;

struct Fixture {
    client: Client,
    tenant: Tenant,
    hub: Server,
    place: Place,
    flags: Vec<String>,
}

impl Fixture {
    async fn new(database: Option<String>, providers: &[&Provider]) -> Fixture {
        let place = Place::new(database);
        let tenant = place.tenant("live").await;
        let flags: Vec<String> =
            providers.iter().flat_map(|provider| ["--allow-private".to_owned(), provider.address.clone()]).collect();
        let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
        Fixture { client: Client::new(&hub.url), tenant, hub, place, flags }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.client.json(method, path, &self.tenant.api_key, &body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    /// Our webhook plugin, which does this with what may have arrived.
    async fn webhook(&self, unknown: UnknownOutcome, provider: &Provider) {
        let (_, webhook) = programs().components.iter().find(|(name, _)| name == "webhook").expect("webhook is ours");
        let mut manifest: Manifest = openhub_runtime::Runtime::inspect(webhook).expect("a component").manifest;
        manifest.channels[0].unknown = unknown;
        let manifest = serde_json::to_vec(&manifest).expect("JSON");
        let component = with_manifest(without_manifest(webhook), &manifest);
        let installed = self.client.upload(&self.tenant.api_key, component).await;
        assert_eq!(installed.status, StatusCode::CREATED, "{:?}", installed.body);
        let plugin = "/api/v1/plugins/webhook";
        self.call(Method::PUT, &format!("{plugin}/secrets/signing"), json!({"value": SIGNING_SECRET})).await;
        let url = format!("http://{}/hook", provider.address);
        let settings = json!({"accept": installed.body["digest"], "settings": {"url": url}});
        self.call(Method::POST, &format!("{plugin}/enable"), settings).await;
    }

    /// A journey that sends through a channel to whoever orders.
    async fn journey(&self, channel: &str) {
        let thanks = json!({
            "trigger": {"event": "Order Completed"}, "reentry": "always", "start": "send",
            "nodes": {
                "send": {"type": "send", "channel": channel, "purpose": "transactional", "content": {"template": "thanks"}, "next": "end"},
                "end": {"type": "exit", "reason": "sent"},
            },
        });
        self.call(Method::PUT, "/api/v1/journeys/thanks", thanks).await;
        self.call(Method::POST, "/api/v1/journeys/thanks/publish", json!({})).await;
    }

    async fn order(&self, user: &str) {
        let order = json!({"type": "track", "event": "Order Completed", "userId": user});
        let sent = self.client.ingest("/v1/track", &self.tenant.write_key, &order).await;
        assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
    }

    /// Waits until so many messages have this status.
    async fn messages(&self, status: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} messages are {status}"), || async {
            let path = format!("/api/v1/messages?status={status}");
            let found = self.client.rows(&path, "messages", &self.tenant.api_key).await;
            (found.len() == count).then_some(found)
        })
        .await
    }

    /// `kill -9`, and another hub on the same data.
    async fn dies(self) -> Fixture {
        let Fixture { tenant, hub, place, flags, .. } = self;
        hub.kill().await.expect("the hub is killed");
        let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts again");
        Fixture { client: Client::new(&hub.url), tenant, hub, place, flags }
    }

    /// What a command of the hub's binary prints, with this hub and this key.
    async fn command(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new(&programs().hub);
        let command =
            command.args(arguments).env("OPENHUB_URL", &self.hub.url).env("OPENHUB_KEY", &self.tenant.api_key);
        let output = command.output().await.expect("the command runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn ends_well(self) {
        let log = self.hub.log_tail();
        let ended = self.hub.stop().await.expect("the hub ends");
        assert!(ended.success(), "{ended}: {log}");
    }
}

/// A channel's plugin is upgraded and rolled back on the command line, while orders come in: each has its message once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_under_load_loses_and_doubles_no_message() {
    let provider = Provider::start(200).await;
    let hub = Fixture::new(None, &[&provider]).await;
    hub.webhook(UnknownOutcome::Park, &provider).await;
    hub.journey("webhook").await;
    let orders = async |from: usize| {
        for user in from..from + 25 {
            hub.order(&format!("user-{user}")).await;
        }
    };
    orders(0).await;
    hub.messages("accepted", 25).await;

    let (_, webhook) = programs().components.iter().find(|(name, _)| name == "webhook").expect("webhook is ours");
    let mut manifest: Manifest = openhub_runtime::Runtime::inspect(webhook).expect("a component").manifest;
    manifest.version = "99.0.0".to_owned();
    manifest.channels[0].unknown = UnknownOutcome::Park;
    let newer = with_manifest(without_manifest(webhook), &serde_json::to_vec(&manifest).expect("JSON"));
    let uploaded = hub.client.upload(&hub.tenant.api_key, newer).await;
    assert_eq!(uploaded.status, StatusCode::CREATED, "{uploaded:?}");
    let (told, ()) = tokio::join!(hub.command(&["plugin", "activate", "webhook", "--accept", "shown"]), orders(25));
    assert!(told.contains("webhook 99.0.0 is active"), "{told}");
    orders(50).await;
    hub.messages("accepted", 75).await;
    let (told, ()) = tokio::join!(hub.command(&["plugin", "rollback", "webhook", "--accept", "shown"]), orders(75));
    assert!(told.contains("is active") && !told.contains("webhook 99.0.0 is active"), "{told}");
    orders(100).await;

    let messages = hub.messages("accepted", 125).await;
    let mut sent = provider.keys();
    sent.sort();
    sent.dedup();
    assert_eq!((sent.len(), provider.keys().len()), (125, 125), "each once");
    // Each says which component sent it, and both did.
    let newer = uploaded.body["difference"]["to"].as_str().expect("a digest");
    let by_newer = messages.iter().filter(|message| message["plugin_digest"] == newer).count();
    assert!((25..=100).contains(&by_newer), "{by_newer} were sent by the newer version");
    hub.ends_well().await;
}

async fn a_kill_while_the_provider_holds_the_request_parks(database: Option<String>) {
    let provider = Provider::start(HOLDS).await;
    let hub = Fixture::new(database, &[&provider]).await;
    hub.webhook(UnknownOutcome::Park, &provider).await;
    hub.journey("webhook").await;
    hub.order("ada").await;
    let [first] = provider.took(1).await.try_into().expect("one request");
    assert_eq!(hub.messages("sending", 1).await[0]["id"], first);
    provider.answers(200);
    let hub = hub.dies().await;
    let parked = hub.messages("parked", 1).await;
    assert_eq!(parked[0]["id"], first);
    assert!(parked[0]["fault"].as_str().is_some_and(|fault| fault.contains("may have arrived")), "{parked:?}");
    // The channel goes on, and what is parked stays so.
    hub.order("bob").await;
    hub.messages("accepted", 1).await;
    assert_eq!(provider.keys().iter().filter(|key| **key == first).count(), 1, "it is not sent again");
    let hub = hub.dies().await;
    hub.messages("parked", 1).await;
    assert_eq!(provider.keys().len(), 2);
    // Until somebody says so.
    let path = format!("/api/v1/messages/{first}");
    assert_eq!(hub.call(Method::POST, &format!("{path}/retry"), json!({})).await["id"], first);
    hub.messages("accepted", 2).await;
    assert_eq!(provider.keys()[2], first, "under the same key");
    for deed in ["retry", "discard"] {
        let path = format!("{path}/{deed}");
        let refused = hub.client.json(Method::POST, &path, &hub.tenant.api_key, &json!({})).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "what is accepted stays so: {refused:?}");
    }
    provider.answers(410);
    hub.order("eve").await;
    let failed = hub.messages("failed", 1).await;
    let path = format!("/api/v1/messages/{}/discard", failed[0]["id"].as_str().expect("an id"));
    assert_eq!(hub.call(Method::POST, &path, json!({})).await["status"], "dropped");
    hub.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b7_a_kill_while_the_provider_holds_the_request_parks_sqlite() {
    a_kill_while_the_provider_holds_the_request_parks(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b7_a_kill_while_the_provider_holds_the_request_parks_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    a_kill_while_the_provider_holds_the_request_parks(Some(database)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b7_where_the_channel_says_retry_it_is_sent_again_under_the_same_key() {
    let provider = Provider::start(HOLDS).await;
    let hub = Fixture::new(None, &[&provider]).await;
    hub.webhook(UnknownOutcome::Retry, &provider).await;
    hub.journey("webhook").await;
    hub.order("ada").await;
    let [first] = provider.took(1).await.try_into().expect("one request");
    provider.answers(200);
    let hub = hub.dies().await;
    let accepted = hub.messages("accepted", 1).await;
    assert_eq!((&accepted[0]["id"], &accepted[0]["attempts"]), (&json!(first), &json!(2)));
    let made = accepted[0]["attempts_made"].as_array().expect("a list");
    let outcomes: Vec<_> = made.iter().map(|made| (&made["outcome"], made["plugin_digest"].is_string())).collect();
    assert_eq!(outcomes, [(&json!("retried"), false), (&json!("accepted"), true)], "{made:?}");
    assert!(made[0]["reason"].as_str().is_some_and(|reason| reason.starts_with("hub-stopped")), "{made:?}");
    assert_eq!(provider.keys(), [first.clone(), first]);
    hub.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_19_a_receiver_that_does_not_know_the_way_once_is_asked_again() {
    let provider = Provider::start(404).await;
    let hub = Fixture::new(None, &[&provider]).await;
    hub.webhook(UnknownOutcome::Retry, &provider).await;
    hub.journey("webhook").await;
    hub.order("ada").await;
    let [first] = provider.took(1).await.try_into().expect("one request");
    let waiting = hub.messages("pending", 1).await;
    assert!(waiting[0]["fault"].as_str().is_some_and(|fault| fault.contains("404")), "{waiting:?}");
    let path = format!("/api/v1/customers/{}/timeline?kind=message", waiting[0]["customer"].as_str().expect("an id"));
    let seen = hub.client.get(&path, &hub.tenant.api_key).await.body["items"][0]["detail"].clone();
    assert_eq!((&seen["status"], &seen["fault"]), (&json!("pending"), &waiting[0]["fault"]), "{seen}");
    assert!(seen["next_attempt_at"].is_string(), "{seen}");
    provider.answers(200);
    hub.call(Method::POST, &format!("/api/v1/messages/{first}/retry"), json!({})).await;
    assert_eq!(hub.messages("accepted", 1).await[0]["id"], json!(first));
    assert_eq!(provider.keys(), [first.clone(), first], "under the same key");
    provider.answers(410);
    hub.order("bob").await;
    hub.messages("failed", 1).await;
    assert_eq!(provider.keys().len(), 3);
    hub.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_21_a_webhook_to_what_is_no_http_address_is_refused_when_it_is_enabled() {
    let provider = Provider::start(200).await;
    let hub = Fixture::new(None, &[&provider]).await;
    hub.webhook(UnknownOutcome::Retry, &provider).await;
    let path = "/api/v1/plugins/webhook/enable";
    let ftp = json!({"settings": {"url": "ftp://example.com/in"}});
    let refused = hub.client.json(Method::POST, path, &hub.tenant.api_key, &ftp).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-installation"));
    assert_eq!(refused.body["faults"][0]["pointer"], "/settings/url", "{refused:?}");
    hub.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_a_channel_that_hangs_holds_its_own_places_only() {
    let (hangs, works) = (Provider::start(HOLDS).await, Provider::start(200).await);
    let hub = Fixture::new(None, &[&hangs, &works]).await;
    let hung = guests::build("tests/hostile/hung").bytes;
    let installed = hub.client.upload(&hub.tenant.api_key, hung).await;
    assert_eq!(installed.status, StatusCode::CREATED, "{:?}", installed.body);
    let url = format!("http://{}/", hangs.address);
    let settings = json!({"accept": installed.body["digest"], "settings": {"url": url}});
    hub.call(Method::POST, "/api/v1/plugins/hostile-hung/enable", settings).await;
    hub.webhook(UnknownOutcome::Retry, &works).await;
    hub.journey("webhook").await;
    let stuck = json!({
        "trigger": {"event": "Cart Viewed"}, "reentry": "always", "start": "send",
        "nodes": {
            "send": {"type": "send", "channel": "a-hung", "purpose": "transactional", "content": {}, "next": "end"},
            "end": {"type": "exit", "reason": "sent"},
        },
    });
    hub.call(Method::PUT, "/api/v1/journeys/stuck", stuck).await;
    hub.call(Method::POST, "/api/v1/journeys/stuck/publish", json!({})).await;
    // Far more than its places, and all due before the other's.
    let views =
        (0..1_500).map(|user| json!({"type": "track", "event": "Cart Viewed", "userId": format!("user-{user}")}));
    let views: Vec<Value> = views.collect();
    for views in views.chunks(500) {
        let sent = hub.client.ingest("/v1/batch", &hub.tenant.write_key, &json!({"batch": views})).await;
        assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
    }
    hangs.took(8).await;
    for user in 0..30 {
        hub.order(&format!("user-{user}")).await;
    }
    hub.messages("accepted", 30).await;
    // On a slow machine one of them may have been given up by now, and another have its place.
    until("it has its own places, and no more", || async { (hangs.held() == 8).then_some(()) }).await;
    // Those who hang are not waited for.
    hub.hub.kill().await.expect("the hub is killed");
}

async fn a_channel_that_goes_stops_at_once(end: (Method, &str)) {
    let provider = Provider::start(HOLDS).await;
    let hub = Fixture::new(None, &[&provider]).await;
    hub.webhook(UnknownOutcome::Park, &provider).await;
    hub.journey("webhook").await;
    hub.order("ada").await;
    provider.took(1).await;
    provider.answers(200);
    hub.call(Method::POST, "/api/v1/journeys/thanks/pause", json!({})).await;
    let gone = hub.client.json(end.0, end.1, &hub.tenant.api_key, &json!({})).await;
    assert!(gone.status.is_success(), "{gone:?}");
    let parked = hub.messages("parked", 1).await;
    assert!(parked[0]["fault"].as_str().is_some_and(|fault| fault.contains("no longer enabled")), "{parked:?}");
    assert_eq!(provider.keys().len(), 1);
    hub.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_a_channel_that_is_removed_stops_at_once() {
    a_channel_that_goes_stops_at_once((Method::DELETE, "/api/v1/plugins/webhook")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_a_channel_that_is_disabled_stops_at_once() {
    a_channel_that_goes_stops_at_once((Method::POST, "/api/v1/plugins/webhook/disable")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_a_send_names_its_purpose_and_the_gate_asks_for_it() {
    let provider = Provider::start(200).await;
    let hub = Fixture::new(None, &[&provider]).await;
    hub.webhook(UnknownOutcome::Retry, &provider).await;
    let journey = |purpose: Value| {
        let mut send = json!({"type": "send", "channel": "webhook", "content": {}, "next": "end"});
        send.as_object_mut().expect("an object").extend(purpose.as_object().expect("an object").clone());
        json!({
            "trigger": {"event": "Order Completed"}, "reentry": "always", "start": "send",
            "nodes": {"send": send, "end": {"type": "exit", "reason": "sent"}},
        })
    };
    let publish = "/api/v1/journeys/news/publish";
    for purpose in [json!({}), json!({"purpose": ""}), json!({"purpose": "a/b"})] {
        hub.call(Method::PUT, "/api/v1/journeys/news", journey(purpose.clone())).await;
        let refused = hub.client.json(Method::POST, publish, &hub.tenant.api_key, &json!({})).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-journey"));
        assert_eq!(refused.body["faults"][0]["pointer"], "/nodes/send/purpose", "{purpose}: {refused:?}");
    }
    hub.call(Method::PUT, "/api/v1/journeys/news", journey(json!({"purpose": "news"}))).await;
    hub.call(Method::POST, publish, json!({})).await;
    // Ada agreed, and Bob was never asked.
    let ada = json!({"type": "identify", "userId": "ada", "consents": {"news": {"state": "granted"}}});
    let key = &hub.tenant.api_key;
    let (agreed, who) = (json!({"consents": {"news": {"state": "granted", "source": "form"}}}), "ada");
    hub.client.ingest("/v1/identify", &hub.tenant.write_key, &ada).await;
    hub.client.settled(key).await;
    let found = hub.client.get(&format!("/api/v1/customers?identity=user_id:{who}"), key).await;
    let id = found.body["customers"][0]["id"].as_str().expect("an id").to_owned();
    hub.call(Method::PATCH, &format!("/api/v1/customers/{id}"), agreed).await;
    hub.client.settled(key).await;
    hub.order("ada").await;
    hub.order("bob").await;
    let accepted = hub.messages("accepted", 1).await;
    assert_eq!(accepted[0]["address"], "ada");
    let dropped = hub.messages("dropped", 1).await;
    assert_eq!((&dropped[0]["address"], &dropped[0]["fault"]), (&json!("bob"), &json!("no consent to its purpose")));
    assert_eq!(provider.keys().len(), 1);

    // What is transactional needs no consent, and who publishes it a permission of its own; it stands in the log.
    hub.call(Method::PUT, "/api/v1/journeys/news", journey(json!({"purpose": "transactional"}))).await;
    let published = hub.client.json(Method::POST, publish, key, &json!({})).await;
    assert!(published.status.is_success(), "{published:?}");
    hub.order("bob").await;
    hub.messages("accepted", 2).await;
    let events = hub.client.rows("/api/v1/events?name=journey.published", "events", key).await;
    assert!(events.iter().any(|event| event["body"]["transactional"] == json!(["send"])), "{events:?}");
    hub.ends_well().await;
}
