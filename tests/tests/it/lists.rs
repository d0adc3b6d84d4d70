//! A rule over lists in lists, in the real binary: the same answer however its rows are cut into calls.

use openhub_tests::guests;
use openhub_tests::hub::{Client, Place};
use reqwest::Method;
use serde_json::{Value, json};
use xtask::demo::setup::Tenant;

const PEOPLE: usize = 40;

fn order(person: usize, round: usize) -> Value {
    let item = |number: usize| {
        let discounts: Vec<Value> = (0..number % 3).map(|_| json!({"off": "0.25"})).collect();
        json!({"article": {"number": format!("a{}", (person + round + number) % 7)}, "discounts": discounts,
            "labels": [format!("{round}-{number}")]})
    };
    let lines: Vec<Value> = (0..(person + round) % 5).map(item).collect();
    let notes = json!([{"text": "x"}, {}, {"text": "y"}]);
    json!({"type": "track", "event": "Order Completed", "userId": format!("person-{person}"),
        "messageId": format!("order-{person}-{round}"), "properties": {"lines": lines, "notes": notes}})
}

async fn attributes(client: &Client, tenant: &Tenant, person: &str) -> Value {
    let path = format!("/api/v1/customers?identity=user_id:{person}");
    client.get(&path, &tenant.api_key).await.body["customers"][0]["attributes"].clone()
}

/// What everybody's attributes come to, with batches of that size.
async fn run(batch: &str) -> Vec<Value> {
    let component = guests::build("tests/hostile/lists").bytes;
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.start_hub("127.0.0.1:0", &["--batch".to_owned(), batch.to_owned()]).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    let installed = client.upload(&tenant.api_key, component).await;
    let agreed = &installed.body["digest"];
    let enable = async |reads: Value| {
        let settings = json!({"bindings": {"lists": {"reads": reads}}, "lists": {"prefix": "no "}});
        let body = json!({"accept": agreed, "settings": settings});
        client.json(Method::POST, "/api/v1/plugins/hostile-lists/enable", &tenant.api_key, &body).await
    };
    for (wrong, code) in [
        (json!({"items": "event.properties.lines[].sku"}), "unknown-path"),
        (json!({"items.sku": "codes[]"}), "unknown-path"),
        (json!({"items.labels": "labels[]"}), "unknown-read"),
    ] {
        let refused = enable(wrong).await;
        assert_eq!(refused.body["faults"][0]["code"], code, "{refused:?}");
    }
    let enabled = enable(json!({"items": "event.properties.lines", "items.sku": "article.number"})).await;
    assert_eq!(enabled.body["status"], "enabled", "{enabled:?}");
    for round in 0..3 {
        let orders: Vec<Value> = (0..PEOPLE).map(|person| order(person, round)).collect();
        let sent = client.ingest("/v1/batch", &tenant.api_key, &json!({"batch": orders})).await;
        assert!(sent.status.is_success(), "{sent:?}");
        client.settled(&tenant.api_key).await;
    }
    let mut all = Vec::new();
    for person in 0..PEOPLE {
        all.push(attributes(&client, &tenant, &format!("person-{person}")).await);
    }
    // An element without what the rule requires: the row is not sent, and that is told.
    let lacking = json!({"event": "Order Completed", "userId": "lacking", "properties": {"lines": [{"labels": []}]}});
    let strange = json!({"event": "Order Completed", "userId": "strange", "properties": {"lines": "none"}});
    for event in [lacking, strange] {
        assert!(client.ingest("/v1/track", &tenant.api_key, &event).await.status.is_success());
    }
    client.settled(&tenant.api_key).await;
    assert_eq!(attributes(&client, &tenant, "lacking").await, json!({}));
    let faults = client.rows("/api/v1/faults?", "faults", &tenant.api_key).await;
    let told = |text: &str| faults.iter().any(|fault| fault["text"].as_str().is_some_and(|told| told.contains(text)));
    assert!(told("`event.properties.lines[].article.number`, which the event"), "{faults:?}");
    assert!(told("`event.properties.lines[]`, which does not have the declared type"), "{faults:?}");
    assert!(hub.stop().await.expect("the hub ends").success());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_reads_lists_in_lists_and_writes_one_at_any_batch_size() {
    let all = run("5000").await;
    // Orders of 2, 3 and 4 lines, of which the last has the articles a4, a5, a6 and a0.
    let expected = json!({"articles": ["a5", "a6", "a0"], "labels": ["no 2-0", "no 2-1", "no 2-2", "no 2-3"],
        "off": 0.75, "notes": 2});
    let third: Vec<(&str, &Value)> =
        ["articles", "labels", "off", "notes"].into_iter().map(|name| (name, &all[2][name])).collect();
    for (name, found) in third {
        assert_eq!(found, &expected[name], "{name}: {}", all[2]);
    }
    assert_eq!(all[3]["articles"], Value::Null, "an order without lines forgets them: {}", all[3]);
    for batch in ["1", "7"] {
        assert_eq!(run(batch).await, all, "at batches of {batch}");
    }
}
