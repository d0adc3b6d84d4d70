//! Webhooks: set up by their owner, sent to receivers as those behave, at least once and never to the cost of others.

use crate::hub::{Hub, Tenant, until};
use crate::receivers::{Manner, Receiver, nobody};
use openhub_model::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

async fn put(hub: &Hub, tenant: &Tenant, name: &str, url: &str, events: &[&str]) -> Value {
    let body = json!({"url": url, "events": events});
    let made = hub.call("PUT", &format!("/api/v1/webhooks/{name}"), &tenant.api_key, Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body
}

async fn orders(hub: &Hub, tenant: &Tenant, users: std::ops::Range<usize>) {
    let order = |user: usize| {
        json!({"type": "track", "event": "Order Completed", "userId": format!("user-{user}"), "messageId": format!("order-{user}"),
            "properties": {"total": 29.33}})
    };
    let batch: Vec<Value> = users.map(order).collect();
    let sent = hub.post("/v1/batch", &tenant.server_key, json!({"batch": batch})).await;
    assert_eq!(sent.status, 200, "{sent:?}");
}

async fn shown(hub: &Hub, tenant: &Tenant, name: &str) -> Value {
    hub.get(&format!("/api/v1/webhooks/{name}"), &tenant.api_key).await.body
}

async fn deliveries(hub: &Hub, tenant: &Tenant, name: &str, state: &str) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{name}/deliveries?limit=1000&state={state}");
    let listed = hub.get(&path, &tenant.api_key).await;
    listed.body["deliveries"].as_array().unwrap_or_else(|| panic!("{listed:?}")).clone()
}

/// Moves the clock to when the next delivery is sent, and no further: who fails for days is given up.
async fn wait_for_the_next(hub: &Hub, tenant: &Tenant, name: &str) {
    let at = |value: &Value| serde_json::from_value::<Timestamp>(value.clone()).ok();
    let waiting = deliveries(hub, tenant, name, "waiting").await;
    let next = waiting.iter().filter_map(|delivery| at(&delivery["next_attempt_at"])).min();
    let due = next.max(at(&shown(hub, tenant, name).await["rests_until"]));
    if let Some(due) = due.filter(|due| next.is_some() && *due > hub.now()) {
        hub.advance(Duration::from_micros((due.micros() - hub.now().micros()).unsigned_abs()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receiver_gets_all_that_it_wants_however_others_behave() {
    const ORDERS: usize = 30;
    let (good, picky) = (Receiver::start(Manner::Takes).await, Receiver::start(Manner::Takes).await);
    let hangs = Receiver::start(Manner::Hangs).await;
    let gone = Receiver::start(Manner::Answers(410, None)).await;
    let busy = Receiver::start(Manner::Answers(503, Some(1))).await;
    let dead = nobody().await;
    let addresses = [&good, &picky, &hangs, &gone, &busy].map(|receiver| receiver.address);
    let hub = Hub::reaching(&[&addresses[..], &[dead]].concat()).await;
    let tenant = hub.tenant("shop").await;
    let secret =
        put(&hub, &tenant, "good", &good.url(), &["Order *"]).await["secret"].as_str().expect("once").to_owned();
    // They come before it by name.
    put(&hub, &tenant, "a-dead", &format!("http://{dead}/"), &["Order *"]).await;
    put(&hub, &tenant, "a-hangs", &hangs.url(), &["Order *"]).await;
    put(&hub, &tenant, "a-gone", &gone.url(), &["Order *"]).await;
    put(&hub, &tenant, "busy", &busy.url(), &["Order Completed"]).await;
    put(&hub, &tenant, "picky", &picky.url(), &["identify", "control:webhook.disabled"]).await;

    let identify = json!({"userId": "user-0", "traits": {"name": "Ada"}, "messageId": "identified"});
    assert_eq!(hub.post("/v1/identify", &tenant.server_key, identify).await.status, 200);
    orders(&hub, &tenant, 0..ORDERS).await;

    // One hangs for good, one is dead, and this one has all.
    until("the good one has all", async || (good.calls().len() == ORDERS).then_some(())).await;
    assert_eq!(good.ids().len(), ORDERS, "each has an id of its own");
    let calls = good.calls();
    assert!(calls.iter().all(|call| call.signed_by(&secret) == 1), "{:?}", calls[0].headers);
    let users: BTreeSet<String> =
        calls.iter().map(|call| call.json()["data"]["body"]["userId"].as_str().expect("a user").to_owned()).collect();
    assert_eq!(users.len(), ORDERS);
    let (first, read) =
        (calls[0].json(), hub.get("/api/v1/events?name=Order%20Completed&limit=1000", &tenant.api_key).await);
    let same = |event: &&Value| event["message_id"] == first["data"]["message_id"];
    let read = read.body["events"].as_array().and_then(|events| events.iter().find(same).cloned());
    assert_eq!(Some(&first["data"]), read.as_ref(), "as the log shows it");
    assert_eq!((&first["type"], &first["timestamp"]), (&json!("Order Completed"), &first["data"]["occurred_at"]));
    assert!(hangs.calls().len() <= 4, "{} at once", hangs.calls().len());

    // Who is gone is asked no more, and that is said.
    let disabled = until("the one that is gone is disabled", async || {
        let hook = shown(&hub, &tenant, "a-gone").await;
        (hook["status"] == "disabled").then_some(hook)
    });
    assert_eq!(disabled.await["disabled_for"], "gone");
    assert!(gone.calls().len() <= 4, "{} calls", gone.calls().len());
    let told = until("it is told", async || {
        picky.calls().into_iter().map(|call| call.json()).find(|told| told["type"] != "identify")
    });
    let told = told.await;
    assert_eq!(
        (&told["type"], &told["data"]["principal"]["kind"]),
        (&json!("control:webhook.disabled"), &json!("hub"))
    );
    assert_eq!(told["data"]["body"], json!({"webhook": "a-gone", "reason": "gone"}));
    let faults = hub.get("/api/v1/faults?kind=webhook", &tenant.api_key).await.body;
    assert_eq!((&faults["faults"][0]["subject"], &faults["faults"][0]["code"]), (&json!("a-gone"), &json!("gone")));

    // Who cannot take it now gets it later, with the same ids.
    until("the busy one fails", async || (shown(&hub, &tenant, "busy").await["status"] == "failing").then_some(()))
        .await;
    let before = busy.ids();
    busy.behaves(Manner::Takes);
    until("the busy one has all", async || {
        wait_for_the_next(&hub, &tenant, "busy").await;
        (deliveries(&hub, &tenant, "busy", "delivered").await.len() == ORDERS).then_some(())
    })
    .await;
    assert_eq!((busy.ids().len(), busy.ids().is_superset(&before)), (ORDERS, true));
    assert_eq!(shown(&hub, &tenant, "busy").await["status"], "enabled");
    let again = before.iter().next().expect("one failed");
    let whole = hub.get(&format!("/api/v1/webhooks/busy/deliveries/{again}"), &tenant.api_key).await.body;
    let tries = whole["tries"].as_array().expect("attempts");
    assert_eq!((&tries[0]["status"], &whole["attempts"]), (&json!(204), &json!(tries.len())));
    let first = &tries[tries.len() - 1];
    assert_eq!((&first["status"], &first["answer"]), (&json!(503), &json!("not now")));

    // And who is dead is tried on.
    let waiting = deliveries(&hub, &tenant, "a-dead", "waiting").await;
    assert_eq!(waiting.len(), ORDERS);
    assert!(waiting.iter().any(|delivery| delivery["error"].is_string()), "{waiting:?}");
    assert_eq!(good.calls().len(), ORDERS, "nobody is sent what was taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_before_it_is_sent_is_not_sent() {
    let receiver = Receiver::start(Manner::Answers(500, None)).await;
    let hub = Hub::reaching(&[receiver.address]).await;
    let tenant = hub.tenant("shop").await;
    put(&hub, &tenant, "crm", &receiver.url(), &["Order *", "control:customer.erased"]).await;
    orders(&hub, &tenant, 0..2).await;
    until("both were tried", async || (receiver.ids().len() == 2).then_some(())).await;
    until("both have failed", async || {
        let waiting = deliveries(&hub, &tenant, "crm", "waiting").await;
        waiting.iter().all(|delivery| delivery["attempts"] != 0).then_some(())
    })
    .await;
    let found = hub.get("/api/v1/customers?identity=user_id:user-0", &tenant.api_key).await.body;
    let id = found["customers"][0]["id"].as_str().expect("an id");
    let erased = hub.call("DELETE", &format!("/api/v1/customers/{id}"), &tenant.api_key, None).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    hub.settle(&tenant).await;
    let before = receiver.calls().len();
    receiver.behaves(Manner::Takes);
    until("the others were sent", async || {
        wait_for_the_next(&hub, &tenant, "crm").await;
        (deliveries(&hub, &tenant, "crm", "delivered").await.len() == 2).then_some(())
    })
    .await;
    assert_eq!(deliveries(&hub, &tenant, "crm", "waiting").await, Vec::<Value>::new());
    let types: Vec<Value> = receiver.calls()[before..].iter().map(|call| call.json()["type"].clone()).collect();
    assert!(types.contains(&json!("control:customer.erased")), "{types:?}");
    let sent: Vec<String> =
        receiver.calls()[before..].iter().map(|call| String::from_utf8_lossy(&call.body).into_owned()).collect();
    assert!(sent.iter().all(|body| !body.contains("user-0")), "{sent:?}");
}

#[tokio::test]
async fn a_webhook_is_set_up_changed_and_deleted() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let path = "/api/v1/webhooks/crm";
    let put = async |body: Value| hub.call("PUT", path, &tenant.api_key, Some(body)).await;
    let wanted = json!({"url": "https://example.com/in", "events": ["*"]});
    let made = put(wanted.clone()).await;
    assert_eq!((made.status, &made.headers["etag"]), (201, &"\"1\"".parse().unwrap()));
    assert!(made.body["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_") && secret.len() == 50));
    let same = put(wanted.clone()).await;
    assert_eq!((same.status, &same.body["version"], &same.body["secret"]), (200, &json!(1), &Value::Null));
    assert_eq!(hub.get(path, &tenant.api_key).await.body["secret"], Value::Null, "shown once");
    let patched = hub.call("PATCH", path, &tenant.api_key, Some(json!({"enabled": false}))).await;
    assert_eq!((&patched.body["status"], &patched.body["disabled_for"]), (&json!("disabled"), &json!("asked")));
    assert_eq!((&patched.body["version"], &patched.body["url"]), (&json!(2), &wanted["url"]));
    let tested =
        hub.post("/api/v1/webhooks/crm/replay", &tenant.api_key, json!({"since": "2026-01-01T00:00:00Z"})).await;
    assert_eq!((tested.status, &tested.body["code"]), (409, &json!("conflict")));

    for (body, status, pointer) in [
        (json!({"url": "https://10.0.0.1/", "events": ["*"]}), 422, "/url"),
        (json!({"url": "http://example.com/", "events": ["*"]}), 422, "/url"),
        (json!({"url": "example.com", "events": ["*"]}), 422, "/url"),
        (json!({"url": "https://example.com/", "events": []}), 400, "/events"),
        (json!({"url": "https://example.com/", "events": ["a", ""]}), 400, "/events/1"),
        (json!({"url": "https://example.com/", "events": ["a"], "description": "x".repeat(1001)}), 400, "/description"),
        (json!({"url": 7, "events": ["a"]}), 400, "/url"),
        (json!({"events": ["a"]}), 400, ""),
    ] {
        let refused = put(body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["faults"][0]["pointer"]),
            (status, &json!(pointer)),
            "{body}: {refused:?}"
        );
    }
    let named = hub.call("PUT", "/api/v1/webhooks/My%20Hook", &tenant.api_key, Some(wanted.clone())).await;
    assert_eq!((named.status, &named.body["code"]), (400, &json!("invalid-path")));
    assert_eq!(hub.get(path, &tenant.api_key).await.body["version"], 2, "nothing was changed");

    let other = hub.tenant("other").await;
    for (method, path) in [
        ("GET", path.to_owned()),
        ("PATCH", path.to_owned()),
        ("DELETE", path.to_owned()),
        ("POST", format!("{path}/test")),
        ("POST", format!("{path}/rotate-secret")),
        ("GET", format!("{path}/deliveries")),
    ] {
        let body = (method == "PATCH").then(|| json!({}));
        assert_eq!(hub.call(method, &path, &other.api_key, body).await.status, 404, "{method} {path}");
    }
    assert_eq!(hub.get("/api/v1/webhooks", &other.api_key).await.body["webhooks"], json!([]));
    let rotated =
        hub.call("POST", &format!("{path}/rotate-secret"), &tenant.api_key, Some(json!({"overlap_s": 604_801}))).await;
    assert_eq!((rotated.status, &rotated.body["faults"][0]["pointer"]), (400, &json!("/overlap_s")));
    assert_eq!(hub.call("DELETE", path, &tenant.api_key, None).await.status, 204);
    assert_eq!(hub.get(path, &tenant.api_key).await.status, 404);
    let events = hub.get("/api/v1/events", &tenant.api_key).await.body;
    let names: Vec<&str> =
        events["events"].as_array().expect("events").iter().filter_map(|event| event["name"].as_str()).collect();
    assert_eq!(names, ["webhook.saved", "webhook.saved", "webhook.removed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_replaced_a_webhook_is_tried_and_what_failed_is_sent_again() {
    let receiver = Receiver::start(Manner::Takes).await;
    let hub = Hub::reaching(&[receiver.address]).await;
    let tenant = hub.tenant("shop").await;
    let old =
        put(&hub, &tenant, "crm", &receiver.url(), &["Order *"]).await["secret"].as_str().expect("a secret").to_owned();
    let tested = hub.call("POST", "/api/v1/webhooks/crm/test", &tenant.api_key, None).await;
    assert_eq!((tested.status, &tested.body["status"]), (200, &json!(204)));
    assert_eq!(receiver.calls()[0].json()["type"], "openhub:test");
    let rotated = hub.call("POST", "/api/v1/webhooks/crm/rotate-secret", &tenant.api_key, None).await;
    let new = rotated.body["secret"].as_str().expect("a secret").to_owned();
    assert!(rotated.body["old_secret_until"].is_string() && new != old);
    orders(&hub, &tenant, 0..1).await;
    until("it has come", async || (receiver.calls().len() == 2).then_some(())).await;
    let call = &receiver.calls()[1];
    assert_eq!((call.signed_by(&new), call.signed_by(&old)), (1, 1), "by both");
    hub.advance(Duration::from_secs(86_401));
    orders(&hub, &tenant, 1..2).await;
    until("it has come", async || (receiver.calls().len() == 3).then_some(())).await;
    let call = &receiver.calls()[2];
    assert_eq!((call.signed_by(&new), call.signed_by(&old)), (1, 0), "by the new one alone");

    // What failed as often as it may is sent again when somebody asks.
    receiver.behaves(Manner::Answers(500, None));
    orders(&hub, &tenant, 2..4).await;
    let failed = until("both have failed for good", async || {
        wait_for_the_next(&hub, &tenant, "crm").await;
        let failed = deliveries(&hub, &tenant, "crm", "failed").await;
        (failed.len() == 2).then_some(failed)
    });
    let failed = failed.await;
    assert!(failed.iter().all(|delivery| delivery["attempts"] == 10), "{failed:?}");
    receiver.behaves(Manner::Takes);
    let id = failed[0]["id"].as_str().expect("an id");
    let again = hub.call("POST", &format!("/api/v1/webhooks/crm/deliveries/{id}/replay"), &tenant.api_key, None).await;
    assert_eq!(again.status, 200, "{again:?}");
    let sent = async |many: usize| {
        until("it is sent again", async || {
            wait_for_the_next(&hub, &tenant, "crm").await;
            (deliveries(&hub, &tenant, "crm", "delivered").await.len() == many).then_some(())
        })
        .await;
    };
    sent(3).await;
    assert_eq!(receiver.calls().last().expect("a call").id(), id, "the same id");
    let late = hub.post("/api/v1/webhooks/crm/replay", &tenant.api_key, json!({"since": hub.now()})).await;
    assert_eq!((late.status, late.body), (200, json!({"replayed": 0})));
    let all = hub.post("/api/v1/webhooks/crm/replay", &tenant.api_key, json!({"since": "2026-01-01T00:00:00Z"})).await;
    assert_eq!(all.body, json!({"replayed": 1}));
    sent(4).await;
    let page = hub.get("/api/v1/webhooks/crm/deliveries?limit=3", &tenant.api_key).await.body;
    let next = page["next"].as_str().expect("a cursor");
    let rest = hub.get(&format!("/api/v1/webhooks/crm/deliveries?limit=3&after={next}"), &tenant.api_key).await.body;
    let count = |page: &Value| page["deliveries"].as_array().map(Vec::len);
    assert_eq!((count(&page), count(&rest)), (Some(3), Some(1)));
    assert!(page["deliveries"][0]["position"].as_i64() > page["deliveries"][1]["position"].as_i64(), "newest first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_sees_no_more_than_who_has_set_it_up() {
    let receiver = Receiver::start(Manner::Takes).await;
    let hub = Hub::reaching(&[receiver.address]).await;
    let tenant = hub.tenant("shop").await;
    let body = json!({"url": receiver.url(), "events": ["*"]});
    let blind = hub.key(tenant.id, &["webhooks:write"]).await;
    let refused = hub.call("PUT", "/api/v1/webhooks/all", &blind, Some(body.clone())).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("missing-scope")));
    let some = hub.key(tenant.id, &["webhooks:write", "events:read", "segments:read"]).await;
    let made = hub.call("PUT", "/api/v1/webhooks/all", &some, Some(body)).await;
    assert_eq!((made.status, &made.body["sees"]), (201, &json!(["segments:read"])));
    let attribute = json!({"type": "text"});
    assert_eq!(hub.call("PUT", "/api/v1/attributes/tier", &tenant.api_key, Some(attribute)).await.status, 200);
    let condition = json!({"condition": {"tag": "vip"}});
    assert_eq!(hub.call("PUT", "/api/v1/segments/vips", &tenant.api_key, Some(condition)).await.status, 200);
    orders(&hub, &tenant, 0..1).await;
    until("it has come to the order", async || {
        receiver.calls().iter().find(|call| call.json()["type"] == "Order Completed").cloned()
    })
    .await;
    let types: BTreeSet<String> =
        receiver.calls().iter().map(|call| call.json()["type"].as_str().expect("a type").to_owned()).collect();
    let expected = ["Order Completed", "control:segment.published"].map(str::to_owned);
    assert!(types.is_subset(&BTreeSet::from(expected)), "{types:?}");
}
