//! The rules of the plugin `coupon` on an engine: many customers draw from one batch, which gives as many as it may and to whom it may, in the
//! order of the log, whatever the batch size.

use openhub_engine::objects::{self, WriteContext};
use openhub_model::{EventKind, Identity, Principal, Timestamp};
use openhub_store::{EventFilter, ObjectFilter};
use openhub_tests::guests;
use openhub_tests::house::{HOST_NOW, House, PATIENCE};
use serde_json::{Value, json};

const START: i64 = 1_735_732_800_000_000;
const MINUTE: i64 = 60_000_000;
const PAGE: usize = 100_000;
const CUSTOMERS: usize = 60;
const MOST: usize = 70;

/// Owner and code of each coupon, what the batch counts, and why others got none.
async fn drawn(batch: usize) -> Value {
    let house = House::open(None).await;
    let settings = json!({"earn": {"batch": "spring"}, "bindings": {"earn": {"on": ["Survey Answered"]}}});
    house.install(&guests::build("plugins/coupon"), settings).await;
    let person = |number: usize| Identity::new(Identity::USER_ID, format!("c{number:02}"));
    let does = |id: String, name: &str, number: usize, minute: usize| {
        let (who, at) = (person(number), Timestamp::from_micros(START + minute as i64 * MINUTE));
        let body = json!({"type": "track", "event": name, "userId": who.value, "properties": {}});
        house.call(EventKind::Track, &id, &who, at, body)
    };
    let hello = does("hello".to_owned(), "Hello", 0, 0);
    let position = house.store.append(&house.scope, vec![hello]).await.expect("an event is appended").position;
    let engine = house.start(10, 1);
    assert!(engine.reached(house.tenant, position, PATIENCE).await, "the plugin is in force");
    let fields = json!({"batch": "spring", "name": "Spring", "percent": 10, "most": MOST, "per_customer": 2});
    let fields = fields.as_object().expect("fields").clone();
    let context = WriteContext { by: Principal::Operator, now: HOST_NOW, random: 1, once: None };
    objects::create(&engine, &house.scope, "coupon-batch", fields, context).await.expect("a batch is made");
    engine.stop().await;

    // Each of them three times, in rounds.
    let deeds = (0..3 * CUSTOMERS).map(|row| does(format!("deed-{row}"), "Survey Answered", row % CUSTOMERS, row));
    let position = house.store.append(&house.scope, deeds.collect()).await.expect("events are appended").position;
    house.run_to_the_end(batch, 2, position).await;
    let all = async |kind: &str| {
        let filter = ObjectFilter { kind: kind.into(), limit: PAGE, ..ObjectFilter::default() };
        let objects = house.store.objects(&house.scope, &filter).await.expect("objects");
        let mut objects: Vec<_> = objects.into_iter().map(|object| (object.key, object.fields)).collect();
        objects.sort_by(|one, other| one.0.cmp(&other.0));
        objects.iter_mut().for_each(|(_, fields)| fields.sort_all_objects());
        objects
    };
    let filter = EventFilter { name: Some("Coupon Refused".into()), limit: PAGE, ..EventFilter::default() };
    let refused = house.store.events(&house.scope, &filter).await.expect("events");
    let why = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["properties"]["why"].clone();
    let refused = refused.iter().map(|event| format!("{:?} {}", event.part, why(&event.body)));
    let mut refused: Vec<String> = refused.collect();
    refused.sort();
    json!({
        "coupons": all("coupon").await, "allowances": all("coupon-allowance").await, "batch": all("coupon-batch").await,
        "refused": refused,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_gives_as_many_as_it_may_in_batches_of_one_of_seven_and_of_all() {
    let one = drawn(1).await;
    assert_eq!(one["coupons"].as_array().map(Vec::len), Some(MOST));
    assert_eq!(one["batch"][0][1]["issued"], json!(MOST));
    let refused = one["refused"].as_array().expect("refusals");
    assert_eq!(refused.len(), 3 * CUSTOMERS - MOST);
    let allowances = one["allowances"].as_array().expect("allowances");
    let twice = allowances.iter().filter(|allowance| allowance[1]["issued"] == 2).count();
    assert_eq!((allowances.len(), twice), (CUSTOMERS, MOST - CUSTOMERS), "the first round is before the second");
    for batch in [7, 5_000] {
        assert_eq!(drawn(batch).await, one, "batches of {batch}");
    }
}
