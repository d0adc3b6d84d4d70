//! Segments about messages, in the real binary: what became of a send moves its customer at the verdict, without another
//! event of theirs, and time takes them out again.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::hub::{Client, Place, programs};
use openhub_tests::patience::until;
use openhub_tests::provider::Provider;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use xtask::demo::setup::{SIGNING_SECRET, Tenant};

struct Hub {
    client: Client,
    tenant: Tenant,
}

impl Hub {
    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.client.json(method, path, &self.tenant.api_key, &body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    /// From now on, messages go there: what runs already needs no new agreement for another setting.
    async fn send_to(&self, url: String) {
        self.call(Method::POST, "/api/v1/plugins/webhook/enable", json!({"settings": {"url": url}})).await;
    }

    async fn order(&self, user: &str, at: &str) {
        let order = json!({"type": "track", "event": "Order Completed", "userId": user, "timestamp": at});
        let sent = self.client.ingest("/v1/track", &self.tenant.api_key, &order).await;
        assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
    }

    async fn members(&self, segment: &str) -> i64 {
        let path = format!("/api/v1/segments/{segment}");
        self.client.get(&path, &self.tenant.api_key).await.body["members"].as_i64().expect("a count")
    }

    /// Waits until so many messages have this status.
    async fn messages(&self, status: &str, count: usize) {
        until("messages have come to their end", || async {
            let path = format!("/api/v1/messages?status={status}");
            let found = self.client.rows(&path, "messages", &self.tenant.api_key).await;
            (found.len() == count).then_some(())
        })
        .await;
        self.client.settled(&self.tenant.api_key).await;
    }

    /// A message comes to one status several times, because somebody retries it: each time its customer moves.
    async fn by_hand(&self, gone: &Provider, busy: &Provider) {
        self.send_to(format!("http://{}/", busy.address)).await;
        self.order("cyd", "2025-02-02T12:00:00Z").await;
        let path = until("the message waits for its next attempt", || async {
            let waiting = self.client.rows("/api/v1/messages?status=pending", "messages", &self.tenant.api_key).await;
            let tried = waiting.iter().find(|message| message["attempts"] == 1)?;
            Some(format!("/api/v1/messages/{}", tried["id"].as_str().expect("an id")))
        })
        .await;
        for (provider, status, members) in [(gone, "failed", 1), (busy, "pending", 0), (gone, "failed", 1)] {
            self.send_to(format!("http://{}/", provider.address)).await;
            self.call(Method::POST, &format!("{path}/retry"), json!({})).await;
            until("the attempt has ended", || async {
                let message = self.client.get(&path, &self.tenant.api_key).await.body;
                (message["status"] == status && message["attempts"] == 1).then_some(())
            })
            .await;
            self.client.settled(&self.tenant.api_key).await;
            assert_eq!(self.members("failed").await, members, "{status}");
        }
        self.call(Method::POST, &format!("{path}/discard"), json!({})).await;
        self.client.settled(&self.tenant.api_key).await;
        assert_eq!(self.members("failed").await, 0);
    }

    /// The events of a name, and when each of them was.
    async fn told(&self, name: &str) -> Vec<(String, String)> {
        let path = format!("/api/v1/events?name={}", name.replace(' ', "%20"));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let events = self.client.rows(&path, "events", &self.tenant.api_key).await;
        events
            .iter()
            .map(|event| (text(&event["body"]["properties"]["segment"]), text(&event["occurred_at"])))
            .collect()
    }
}

async fn verdicts_move_customers(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("replay").await;
    let receiver = place.start_receiver().await.expect("the receiver starts");
    let gone = Provider::start(410).await;
    let busy = Provider::start(503).await;
    let flags = [receiver.address(), &gone.address, &busy.address];
    let flags = flags.map(|address| format!("--allow-private={address}"));
    let server = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let hub = Hub { client: Client::new(&server.url), tenant };
    let (_, webhook) = programs().components.iter().find(|(name, _)| name == "webhook").expect("webhook is ours");
    let installed = hub.client.upload(&hub.tenant.api_key, webhook.clone()).await;
    hub.call(Method::PUT, "/api/v1/plugins/webhook/secrets/signing", json!({"value": SIGNING_SECRET})).await;
    let settings =
        json!({"accept": installed.body["digest"], "settings": {"url": format!("{}/messages", receiver.url)}});
    hub.call(Method::POST, "/api/v1/plugins/webhook/enable", settings).await;
    let thanks = json!({
        "trigger": {"event": "Order Completed"}, "reentry": "always", "start": "send",
        "nodes": {
            "send": {"type": "send", "channel": "webhook", "purpose": "transactional", "content": {"template": "thanks"}, "next": "end"},
            "end": {"type": "exit", "reason": "sent"},
        },
    });
    hub.call(Method::PUT, "/api/v1/journeys/thanks", thanks).await;
    hub.call(Method::POST, "/api/v1/journeys/thanks/publish", json!({})).await;

    // Nobody asks: a verdict is no event.
    hub.order("ada", "2025-01-01T12:00:00Z").await;
    hub.messages("accepted", 1).await;
    let events = hub.client.rows("/api/v1/events?", "events", &hub.tenant.api_key).await;
    assert!(events.iter().all(|event| event["type"] != "update"), "{events:?}");

    for (name, condition) in [
        ("reached", json!({"message": {"is": "delivered", "count": {"is": "ge", "value": 2}}})),
        ("failed", json!({"message": {"is": "failed", "within": "7d"}})),
        ("lost", json!({"all": [{"segment": "failed"}, {"not": {"message": {"is": "delivered"}}}]})),
    ] {
        hub.call(Method::PUT, &format!("/api/v1/segments/{name}"), json!({"condition": condition})).await;
    }
    hub.order("ada", "2025-01-02T12:00:00Z").await;
    hub.messages("accepted", 2).await;
    assert_eq!((hub.members("reached").await, hub.members("failed").await), (1, 0));

    hub.send_to(format!("http://{}/", gone.address)).await;
    hub.order("bob", "2025-01-03T12:00:00Z").await;
    hub.messages("failed", 1).await;
    let members = [hub.members("reached").await, hub.members("failed").await, hub.members("lost").await];
    assert_eq!(members, [1, 1, 1]);
    let at = |segment: &str, at: &str| (segment.to_owned(), at.to_owned());
    let (second, third) = ("2025-01-02T12:00:00Z", "2025-01-03T12:00:00Z");
    assert_eq!(hub.told("Segment Entered").await, [at("reached", second), at("failed", third), at("lost", third)]);

    hub.call(Method::POST, "/api/v1/clock", json!({"to": "2025-02-01T00:00:00Z"})).await;
    hub.client.settled(&hub.tenant.api_key).await;
    assert_eq!((hub.members("failed").await, hub.members("lost").await), (0, 0));
    let end = "2025-01-10T12:00:00Z";
    assert_eq!(hub.told("Segment Left").await, [at("failed", end), at("lost", end)]);

    hub.by_hand(&gone, &busy).await;
    assert!(server.stop().await.expect("the hub ends").success());
    receiver.stop().await.expect("the receiver ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    verdicts_move_customers(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    verdicts_move_customers(Some(server.database().await.expect("a database"))).await;
}
