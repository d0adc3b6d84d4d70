//! Segments over the real purchases: who entered and left, and when, read from the log alone, against a brute-force
//! computation from the file that shares no code with the hub.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::{Identity, Timestamp};
use openhub_store::EventFilter;
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{House, Order, PATIENCE};
use openhub_tests::patience::until_within;
use serde_json::{Value, json};
use xtask::demo::purchases;

const DAY: i64 = 86_400_000_000;
const END: &str = "1998-06-30T12:00:00Z";
const TWO: &str = "two orders in 30 days";
const QUIET: &str = "no order for 180 days";
const SPENT: &str = "spent at least 200";

/// Whether a customer is in a segment from an instant on: only the instants at which that changes.
type Story = BTreeMap<i64, bool>;
/// By customer.
type Stories = BTreeMap<String, Story>;

/// The orders of the file at noon; or each moved into its day by its row, so that no two days look alike.
fn orders(moved: Moved) -> Vec<Order> {
    let file = guests::root().join("examples/cdnow/cdnow.csv");
    let mut orders: Vec<Order> = purchases::read(&file, 1)
        .expect("the file is read")
        .into_iter()
        .map(|purchase| {
            let noon: Timestamp = format!("{}T12:00:00Z", purchase.date).parse().expect("a date");
            let at = match moved {
                Moved::Not => noon.micros(),
                Moved::IntoTheDay => noon.micros() - DAY / 2 + (purchase.row * 7919 % 86_400).cast_signed() * 1_000_000,
            };
            let (row, customer, total) = (purchase.row, purchase.customer_id, purchase.amount_usd);
            Order { row, customer, at: Timestamp::from_micros(at), total }
        })
        .collect();
    orders.sort_by_key(|order| (order.at, order.row));
    orders
}

#[derive(Clone, Copy, PartialEq)]
enum Moved {
    Not,
    IntoTheDay,
}

/// What must be, from the orders alone: every instant at which something can change is looked at.
fn truths(orders: &[Order], end: i64) -> BTreeMap<&'static str, Stories> {
    let mut customers: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for order in orders {
        let cents = (order.total.parse::<f64>().expect("an amount") * 100.0).round() as i64;
        customers.entry(&order.customer).or_default().push((order.at.micros(), cents));
    }
    let mut truths: BTreeMap<&'static str, Stories> = BTreeMap::new();
    for (customer, orders) in customers {
        let mut story = |name, span: i64, holds: fn(&[(i64, i64)], i64, i64) -> bool| {
            let instants: BTreeSet<i64> = orders.iter().flat_map(|(at, _)| [*at, at + span]).collect();
            let mut story = Story::new();
            let mut member = false;
            for now in instants.into_iter().filter(|now| *now <= end) {
                let known: Vec<(i64, i64)> = orders.iter().copied().filter(|(at, _)| *at <= now).collect();
                if !known.is_empty() && holds(&known, now, span) != member {
                    member = !member;
                    story.insert(now, member);
                }
            }
            if !story.is_empty() {
                truths.entry(name).or_default().insert(customer.to_owned(), story);
            }
        };
        story(TWO, 30 * DAY, |known, now, span| known.iter().filter(|(at, _)| *at > now - span).count() >= 2);
        story(QUIET, 180 * DAY, |known, now, span| known.iter().all(|(at, _)| *at <= now - span));
        story(SPENT, 0, |known, _, _| known.iter().map(|(_, cents)| cents).sum::<i64>() >= 20_000);
    }
    truths
}

fn segments() -> [(&'static str, Value); 3] {
    let orders = |within: &str, value: i64| json!({"event": {"name": "Order Completed", "within": within, "is": "ge", "value": value}});
    [
        (TWO, orders("30d", 2)),
        (QUIET, json!({"not": orders("180d", 1)})),
        (SPENT, json!({"attribute": {"name": "spent_cents", "is": "ge", "value": 20_000}})),
    ]
}

async fn publish(house: &House) {
    for (name, condition) in segments() {
        house.publish_segment(name, &condition).await;
    }
}

/// The stories that the log tells, and how often somebody entered and left.
async fn told(house: &House) -> (BTreeMap<String, Stories>, BTreeMap<String, (usize, usize)>) {
    let mut stories: BTreeMap<String, BTreeMap<String, Vec<(i64, bool)>>> = BTreeMap::new();
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut events = Vec::new();
    for name in ["Segment Entered", "Segment Left"] {
        let filter = EventFilter { name: Some(name.into()), limit: 1_000_000, ..EventFilter::default() };
        events.extend(house.store.events(&house.scope, &filter).await.expect("events"));
    }
    events.sort_by_key(|event| event.position);
    for event in events {
        let body: Value = serde_json::from_str(&event.body).expect("JSON");
        let segment = body["properties"]["segment"].as_str().expect("a segment").to_owned();
        let customer = body["userId"].as_str().expect("a customer").to_owned();
        let entered = event.name == "Segment Entered";
        let count = counts.entry(segment.clone()).or_default();
        *(if entered { &mut count.0 } else { &mut count.1 }) += 1;
        stories.entry(segment).or_default().entry(customer).or_default().push((event.occurred_at.micros(), entered));
    }
    let stories = stories.into_iter().map(|(segment, stories)| {
        let stories = stories.into_iter().map(|(customer, crossings)| {
            // Of several at one instant, the last is what holds from then on.
            let last: BTreeMap<i64, bool> = crossings.into_iter().collect();
            let mut story = Story::new();
            let mut member = false;
            for (at, entered) in last {
                if entered != member {
                    member = entered;
                    story.insert(at, member);
                }
            }
            (customer, story)
        });
        (segment, stories.filter(|(_, story)| !story.is_empty()).collect())
    });
    (stories.collect(), counts)
}

async fn replay(url: Option<String>, orders: &[Order], batch: usize) -> House {
    let house = House::open(url).await;
    let rfm = guests::ours().iter().find(|plugin| plugin.manifest.name == "rfm").expect("rfm");
    house.install(rfm, json!({})).await;
    publish(&house).await;
    house.append(orders).await;
    let position = house.advance(END).await;
    house.run(batch, 2, position).await;
    house
}

/// The sets at the end as the store lists and counts them.
async fn members(house: &House) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for segment in house.store.segments(&house.scope).await.expect("segments") {
        let members = house.store.members(&house.scope, &segment.name, None, 100_000).await.expect("members");
        assert_eq!(segment.members, members.len() as i64, "the count of `{}`", segment.name);
        let members = members.into_iter().map(|(customer, _)| customer.to_string()).collect();
        all.insert(segment.name, members);
    }
    all
}

async fn check(house: &House, orders: &[Order], what: &str) -> BTreeMap<String, (usize, usize)> {
    // A replay clock is never behind its events.
    let end = END.parse::<Timestamp>().expect("a time").max(orders.last().expect("orders").at).micros();
    let truths = truths(orders, end);
    let (stories, counts) = told(house).await;
    for (segment, truth) in &truths {
        let story = &stories[*segment];
        for (customer, truth) in truth {
            assert_eq!(Some(truth), story.get(customer), "{what}: `{segment}`, customer {customer}");
        }
        assert_eq!(truth.len(), story.len(), "{what}: `{segment}`");
        let last = truth.iter().filter(|(_, story)| story.values().next_back() == Some(&true));
        let last: BTreeSet<String> = last
            .map(|(customer, _)| Identity::new(Identity::USER_ID, customer.clone()).part(house.tenant).to_string())
            .collect();
        assert_eq!(last, members(house).await[*segment], "{what}: members of `{segment}`");
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_enters_and_leaves_is_what_the_file_says() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let orders = orders(Moved::Not);
    for (what, url, batch) in
        [("SQLite", None, 3_000), ("PostgreSQL", Some(server.database().await.expect("a database")), 5_000)]
    {
        let house = replay(url, &orders, batch).await;
        let counts = check(&house, &orders, what).await;
        assert_eq!(counts[TWO], (13_091, 12_768), "{what}");
        assert_eq!(counts[QUIET], (23_370, 5_160), "{what}");
        assert_eq!(counts[SPENT], (3_005, 0), "{what}");
        let sizes: Vec<usize> = members(&house).await.into_values().map(|members| members.len()).collect();
        assert_eq!(sizes, [18_210, 3_005, 323], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_hides_in_a_daily_job() {
    let orders = orders(Moved::IntoTheDay);
    let house = replay(None, &orders, 3_000).await;
    let counts = check(&house, &orders, "moved into the day").await;
    assert!(counts[TWO].0 > 10_000 && counts[QUIET].0 > 20_000, "{counts:?}");
}

/// A segment that is published over history: filled in the background, and from then on as if it had always been there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_fill_ends_in_the_same_members() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let orders: Vec<Order> = orders(Moved::IntoTheDay).into_iter().filter(|order| order.row % 7 == 0).collect();
    for url in [None, Some(server.database().await.expect("a database"))] {
        let always = replay(None, &orders, 700).await;
        let house = House::open(url).await;
        let rfm = guests::ours().iter().find(|plugin| plugin.manifest.name == "rfm").expect("rfm");
        house.install(rfm, json!({})).await;
        let (first, rest) = orders.split_at(orders.len() / 2);
        let position = house.append(first).await;
        house.run(700, 2, position).await;
        publish(&house).await;
        let position = house.append(rest).await;
        house.run(700, 2, position).await;
        let engine = house.start(700, 2);
        let position = house.advance(END).await;
        assert!(engine.reached(house.tenant, position, PATIENCE).await);
        until_filled(&house).await;
        engine.stop().await;
        assert_eq!(members(&house).await, members(&always).await);
    }
}

async fn until_filled(house: &House) {
    until_within(PATIENCE, "the first fill ends", async || {
        let segments = house.store.segments(&house.scope).await.expect("segments");
        segments.iter().all(|segment| segment.fill.is_none()).then_some(())
    })
    .await;
}
