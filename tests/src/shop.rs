//! A shop whose customers order, with a ledger of what its hub acknowledged: each order counts once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use xtask::demo::setup::Tenant;
use xtask::process::Server;

use crate::hub::{Client, Place, programs};
use crate::patience::until;

const USERS: u64 = 32;
/// Orders of a request.
const ORDERS: u64 = 5;
const CALLERS: u64 = 4;
/// In each of so many orders a journey makes a coupon.
const GIFT: u64 = 5;

/// A hub with what counts orders and makes a coupon for some of them.
pub struct Shop {
    pub place: Place,
    pub hub: Server,
    pub client: Arc<Client>,
    pub tenant: Tenant,
}

impl Shop {
    /// `database` is the URL of a PostgreSQL database; none is SQLite.
    pub async fn open(database: Option<String>) -> Shop {
        let place = Place::new(database);
        let tenant = place.tenant("live").await;
        let hub = place.start_hub("127.0.0.1:0", &["--batch".to_owned(), "200".to_owned()]).await.expect("it starts");
        let client = Arc::new(Client::new(&hub.url));
        for (name, component) in &programs().components {
            if ["rfm", "coupon"].contains(&name.as_str()) {
                client.enable(&tenant.api_key, component.clone()).await;
            }
        }
        let journey = json!({
            "trigger": {"event": "Gift Earned"},
            "reentry": "always",
            "start": "coupon",
            "nodes": {
                "coupon": {"type": "object", "action": "create", "kind": "coupon", "fields": {"percent": 10}, "next": "end"},
                "end": {"type": "exit"}
            }
        });
        let shop = Shop { place, hub, client, tenant };
        shop.call(Method::PUT, "/api/v1/journeys/gift", &journey).await;
        shop.call(Method::POST, "/api/v1/journeys/gift/publish", &json!({})).await;
        shop
    }

    /// Another hub on the same database, by this URL: with the same key and a name of its own.
    pub async fn beside(&self, database: String) -> Shop {
        let place = Place::new(Some(database));
        let key = "secret.key";
        std::fs::copy(self.place.folder.join(key), place.folder.join(key)).expect("the key is copied");
        let hub = place.start_hub("127.0.0.1:0", &["--batch".to_owned(), "200".to_owned()]).await.expect("it starts");
        let client = Arc::new(Client::new(&hub.url));
        Shop { place, hub, client, tenant: self.tenant.clone() }
    }

    /// This hub's name in leases.
    pub fn node(&self) -> String {
        let name = std::fs::read_to_string(self.place.folder.join("node")).expect("a node has a name");
        name.trim().to_owned()
    }

    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.client.json(method, path, &self.tenant.api_key, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    /// Waits until all is computed, and compares what customers have with the ledger.
    pub async fn agrees_with(&self, ledger: &Ledger) {
        until("the hub has come to the end of the log", || async {
            let status = self.client.get("/api/v1/status", &self.tenant.api_key).await;
            (status.status.is_success() && status.body["behind"] == 0).then_some(())
        })
        .await;
        let customers = self.client.rows("/api/v1/customers?", "customers", &self.tenant.api_key).await;
        let mut orders = BTreeMap::new();
        for customer in customers {
            let user = customer["identities"][0]["value"].as_str().expect("a user").to_owned();
            let value = |name: &str| customer["attributes"][name].as_i64().unwrap_or_default();
            orders.insert(user, (value("orders"), value("spent_cents")));
        }
        assert_eq!(orders, ledger.orders(), "{}", self.hub.log_tail());
        let coupons = self.client.rows("/api/v1/objects/coupon?", "objects", &self.tenant.api_key).await.len() as u64;
        assert_eq!(coupons, ledger.gifts.load(Ordering::SeqCst), "{}", self.hub.log_tail());
        let status = self.client.get("/api/v1/status", &self.tenant.api_key).await.body;
        assert_eq!(status["set_aside"], 0, "{status}");
    }

    pub async fn close(self) {
        let ended = self.hub.stop().await.expect("the hub ends");
        assert!(ended.success(), "{ended}");
    }
}

/// What the hub acknowledged.
#[derive(Default)]
pub struct Ledger {
    pub orders: [AtomicU64; USERS as usize],
    pub gifts: AtomicU64,
    /// Requests that had no good answer and were made again.
    pub again: AtomicU64,
}

impl Ledger {
    pub fn total(&self) -> u64 {
        self.orders.iter().map(|orders| orders.load(Ordering::SeqCst)).sum()
    }

    pub fn orders(&self) -> BTreeMap<String, (i64, i64)> {
        let counts = self.orders.iter().map(|count| count.load(Ordering::SeqCst).cast_signed()).enumerate();
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(user, count)| (format!("u{user}"), (count, count * 1000)))
            .collect()
    }
}

/// Callers who send orders of 10.00 until they are told to stop, each request again and again until it is accepted.
pub struct Callers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    pub ledger: Arc<Ledger>,
}

impl Callers {
    pub fn start(shop: &Shop) -> Callers {
        let (stop, ledger) = (Arc::new(AtomicBool::new(false)), Arc::new(Ledger::default()));
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            let (client, key, stop, ledger) =
                (shop.client.clone(), shop.tenant.write_key.clone(), stop.clone(), ledger.clone());
            tasks.spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    send(&client, &key, &ledger, caller, number).await;
                    number += 1;
                }
            });
        }
        Callers { stop, tasks, ledger }
    }

    pub async fn end(mut self) -> Arc<Ledger> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a caller ends");
        }
        self.ledger
    }
}

/// One request with its orders, until it is accepted.
pub async fn send(client: &Client, key: &str, ledger: &Ledger, caller: u64, number: u64) {
    let mut batch = Vec::new();
    let users: Vec<u64> = (0..ORDERS).map(|order| (number * ORDERS + order + caller * 11) % USERS).collect();
    for (order, user) in users.iter().enumerate() {
        let id = format!("{caller}-{number}-{order}");
        let total = json!({"total": 10.0});
        batch.push(json!({"type": "track", "event": "Order Completed", "userId": format!("u{user}"), "messageId": id, "properties": total}));
    }
    let gift = number.is_multiple_of(GIFT);
    if gift {
        let id = format!("{caller}-{number}-gift");
        batch.push(
            json!({"type": "track", "event": "Gift Earned", "userId": format!("u{}", users[0]), "messageId": id}),
        );
    }
    let body = json!({"batch": batch});
    until("a request is accepted", || async {
        let request = client.request(Method::POST, "/v1/batch").basic_auth(key, Some("")).json(&body);
        let accepted = request.send().await.is_ok_and(|answer| answer.status() == StatusCode::OK);
        if !accepted {
            ledger.again.fetch_add(1, Ordering::SeqCst);
        }
        accepted.then_some(())
    })
    .await;
    for user in users {
        ledger.orders[user as usize].fetch_add(1, Ordering::SeqCst);
    }
    ledger.gifts.fetch_add(gift.into(), Ordering::SeqCst);
}
