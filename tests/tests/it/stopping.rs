//! Journeys that are paused, resumed, drained, stopped and removed, and journeys of customers who become one: the same at any
//! batch size.

use openhub_model::message::MessageStatus;
use openhub_model::run::{Run, RunStatus};
use openhub_model::{EventKind, Identity, NewEvent, Timestamp};
use openhub_store::{MessageFilter, RunFilter};
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{House, control};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000_000;

fn hour(hour: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    Timestamp::from_micros(start.micros() + hour * HOUR)
}

fn user(name: &str) -> Identity {
    Identity::new(Identity::USER_ID, name)
}

fn visitor(name: &str) -> Identity {
    Identity::new(Identity::ANONYMOUS_ID, name)
}

/// A cart is asked about after four hours, unless there is what it waits for.
fn cart(reentry: &str, awaits: &Value) -> Value {
    json!({
        "trigger": {"event": "Cart"}, "reentry": reentry, "start": "wait",
        "nodes": {
            "wait": {"type": "wait", "for": awaits, "timeout": "4h", "on_event": "bought", "on_timeout": "remind"},
            "remind": {"type": "send", "channel": "webhook", "purpose": "transactional", "content": {"event": "cart"}, "next": "done"},
            "bought": {"type": "exit", "reason": "converted"},
            "done": {"type": "exit"},
        },
    })
}

async fn house(url: Option<String>, reentry: &str, awaits: &Value) -> House {
    let house = House::open(url).await;
    for plugin in guests::ours() {
        house.install(plugin, json!({ "url": "http://127.0.0.1:9/" })).await;
    }
    house.publish("cart", cart(reentry, awaits)).await;
    house
}

fn did(house: &House, who: &Identity, name: &str, at: i64) -> NewEvent {
    let id = format!("{name}-{}-{at}", who.value);
    let field = if who.kind == Identity::USER_ID { "userId" } else { "anonymousId" };
    let body = json!({"type": "track", "event": name, field: who.value, "properties": {}});
    house.call(EventKind::Track, &id, who, hour(at), body)
}

/// A user says which visitor they were.
fn was(house: &House, who: &str, visitor: &str, at: i64) -> NewEvent {
    let body = json!({"type": "identify", "userId": who, "anonymousId": visitor, "traits": {}});
    house.call(EventKind::Identify, &format!("{who}-was-{visitor}"), &user(who), hour(at), body)
}

fn change(name: &str) -> NewEvent {
    control(name, "cart", json!({"journey": "cart"}))
}

fn clock(at: i64) -> NewEvent {
    let to = hour(at).to_string();
    control("clock.advanced", &to, json!({ "to": to }))
}

async fn run(house: &House, batch: usize, events: Vec<NewEvent>) {
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.run_to_the_end(batch, 1, position).await;
}

async fn runs(house: &House) -> Vec<Run> {
    let filter = RunFilter { limit: 100, ..RunFilter::default() };
    house.store.runs(&house.scope, &filter).await.expect("runs")
}

fn ended(runs: &[Run]) -> Vec<(RunStatus, &str)> {
    runs.iter().map(|run| (run.status, run.node.as_str())).collect()
}

async fn messages(house: &House) -> Vec<MessageStatus> {
    let filter = MessageFilter { limit: 100, ..MessageFilter::default() };
    house.store.messages(&house.scope, &filter).await.expect("messages").iter().map(|row| row.status).collect()
}

/// On SQLite in batches of each size, and on PostgreSQL.
async fn everywhere(reentry: &'static str, check: impl AsyncFn(House, usize)) {
    everywhere_with(reentry, &json!({"event": "Order"}), check).await;
}

async fn everywhere_with(reentry: &'static str, awaits: &Value, check: impl AsyncFn(House, usize)) {
    for batch in [1, 3, 37, 5_000] {
        check(house(None, reentry, awaits).await, batch).await;
    }
    let server = Server::start().await.expect("PostgreSQL starts");
    check(house(Some(server.database().await.expect("a database")), reentry, awaits).await, 37).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_a_paused_journey_moves_nobody_and_goes_on_when_it_is_resumed() {
    everywhere("always", async |house, batch| {
        let (ada, bob) = (user("ada"), user("bob"));
        let events = vec![
            did(&house, &ada, "Cart", 0),
            did(&house, &bob, "Cart", 0),
            change("journey.paused"),
            // Nobody new, and what bob does is not forgotten.
            did(&house, &bob, "Order", 1),
            did(&house, &user("eve"), "Cart", 1),
            clock(100),
        ];
        run(&house, batch, events).await;
        assert_eq!(ended(&runs(&house).await), [(RunStatus::Waiting, "wait"); 2], "batches of {batch}");
        assert_eq!(messages(&house).await, [], "batches of {batch}");
        assert_eq!(house.store.due_timers(&house.scope, Timestamp::MAX, 9).await.expect("timers"), []);
        run(&house, batch, vec![change("journey.resumed"), clock(101)]).await;
        let mut nodes: Vec<String> = runs(&house).await.into_iter().map(|run| run.node).collect();
        nodes.sort();
        assert_eq!(nodes, ["bought", "done"], "batches of {batch}");
        assert_eq!(messages(&house).await.len(), 1, "batches of {batch}");
        let moved = runs(&house).await.iter().all(|run| run.ended_at == Some(hour(100)));
        assert!(moved, "what came due while it was paused is due when it is resumed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_a_stopped_journey_ends_its_runs_and_takes_back_what_is_unsent() {
    everywhere("after-exit", async |house, batch| {
        // Nobody listens where ada's is sent to.
        let events = vec![
            did(&house, &user("ada"), "Cart", 0),
            did(&house, &user("bob"), "Cart", 3),
            clock(5),
            change("journey.stopped"),
            did(&house, &user("eve"), "Cart", 6),
            clock(100),
        ];
        run(&house, batch, events).await;
        let stopped = runs(&house).await;
        assert_eq!(ended(&stopped), [(RunStatus::Done, "done"), (RunStatus::Stopped, "wait")], "batches of {batch}");
        assert_eq!(stopped[1].fault.as_deref(), Some("The journey was stopped."));
        let sent = messages(&house).await;
        assert!(
            !matches!(sent[..], [MessageStatus::Pending | MessageStatus::Held | MessageStatus::Accepted]),
            "{sent:?}"
        );
        let standing = house.store.standing(&house.scope).await.expect("a standing");
        assert_eq!(standing.waiting_runs, 0);
        // Published anew, it takes bob in again.
        let again = control("journey.published", "again", json!({"journey": "cart", "version": 1}));
        run(&house, batch, vec![again, did(&house, &user("bob"), "Cart", 101)]).await;
        let waiting = runs(&house).await.iter().filter(|run| run.status == RunStatus::Waiting).count();
        assert_eq!(waiting, 1, "batches of {batch}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_a_drained_journey_finishes_and_is_removed() {
    everywhere("always", async |house, batch| {
        let events = vec![
            did(&house, &user("ada"), "Cart", 0),
            change("journey.drained"),
            did(&house, &user("bob"), "Cart", 1),
            change("journey.removed"),
            clock(100),
        ];
        run(&house, batch, events).await;
        assert_eq!(ended(&runs(&house).await), [(RunStatus::Done, "done")], "batches of {batch}");
        let journey = house.store.journey(&house.scope, "cart").await.expect("a journey");
        assert!(journey.is_some(), "one with runs is not removed");
        run(&house, batch, vec![control("journey.removed", "again", json!({"journey": "cart"}))]).await;
        assert_eq!(house.store.journey(&house.scope, "cart").await.expect("no journey"), None);
        run(&house, batch, vec![did(&house, &user("eve"), "Cart", 101)]).await;
        assert_eq!(runs(&house).await.len(), 1, "batches of {batch}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_14_two_visitors_who_are_one_have_one_run() {
    for reentry in ["never", "after-exit"] {
        everywhere(reentry, async |house, batch| {
            let events = vec![
                did(&house, &visitor("a"), "Cart", 0),
                did(&house, &visitor("b"), "Cart", 1),
                was(&house, "u", "a", 2),
                was(&house, "u", "b", 3),
                clock(100),
            ];
            run(&house, batch, events).await;
            let both = runs(&house).await;
            let expected = [(RunStatus::Done, "done"), (RunStatus::Stopped, "wait")];
            assert_eq!(ended(&both), expected, "{reentry}, batches of {batch}");
            assert_eq!((both[0].ended_at, both[1].ended_at), (Some(hour(4)), Some(hour(3))));
            assert_eq!(messages(&house).await.len(), 1, "{reentry}, batches of {batch}");
        })
        .await;
    }
    // Where a customer may have two runs, they keep both.
    everywhere("always", async |house, batch| {
        let events = vec![
            did(&house, &visitor("a"), "Cart", 0),
            did(&house, &visitor("b"), "Cart", 1),
            was(&house, "u", "a", 2),
            was(&house, "u", "b", 3),
            clock(100),
        ];
        run(&house, batch, events).await;
        assert_eq!(messages(&house).await.len(), 2, "batches of {batch}");
    })
    .await;
}

/// One of them is through already: a journey that is entered once has nothing more for the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_14_who_has_been_through_is_not_sent_to_again() {
    everywhere("never", async |house, batch| {
        let events = vec![
            did(&house, &visitor("a"), "Cart", 0),
            was(&house, "u", "a", 2),
            did(&house, &visitor("b"), "Cart", 3),
            clock(5),
            was(&house, "u", "b", 6),
            clock(100),
        ];
        run(&house, batch, events).await;
        let expected = [(RunStatus::Done, "done"), (RunStatus::Stopped, "wait")];
        assert_eq!(ended(&runs(&house).await), expected, "batches of {batch}");
        assert_eq!(messages(&house).await.len(), 1, "batches of {batch}");
    })
    .await;
}

fn with(event: NewEvent, properties: &Value) -> NewEvent {
    let mut body: Value = serde_json::from_str(&event.body).expect("a body");
    body["properties"] = properties.clone();
    NewEvent { body: body.to_string(), ..event }
}

/// What became of the only run: where it ended, how, and how many messages were made.
async fn outcome(house: &House, batch: usize, events: Vec<NewEvent>) -> (RunStatus, String, usize) {
    run(house, batch, events).await;
    let runs = runs(house).await;
    assert_eq!(runs.len(), 1);
    (runs[0].status, runs[0].node.clone(), messages(house).await.len())
}

fn moved() -> (RunStatus, String, usize) {
    (RunStatus::Done, "bought".to_owned(), 0)
}

fn reminded() -> (RunStatus, String, usize) {
    (RunStatus::Done, "done".to_owned(), 1)
}

/// What one part of a person did while the other waited ends the wait, whichever of them waited, and through others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_15_what_the_other_part_did_meanwhile_ends_the_wait() {
    let (a, b, u) = (visitor("a"), visitor("b"), user("u"));
    everywhere("never", async |house, batch| {
        let events =
            vec![did(&house, &a, "Cart", 0), did(&house, &u, "Order", 1), was(&house, "u", "a", 2), clock(100)];
        assert_eq!(outcome(&house, batch, events).await, moved(), "batches of {batch}");
        assert_eq!(runs(&house).await[0].ended_at, Some(hour(2)), "at the place of what joined them");
    })
    .await;
    everywhere("never", async |house, batch| {
        let events =
            vec![did(&house, &u, "Cart", 0), did(&house, &a, "Order", 1), was(&house, "u", "a", 2), clock(100)];
        assert_eq!(outcome(&house, batch, events).await, moved(), "batches of {batch}");
    })
    .await;
    everywhere("never", async |house, batch| {
        let events = vec![
            did(&house, &a, "Cart", 0),
            did(&house, &b, "Order", 1),
            was(&house, "u", "b", 2),
            was(&house, "u", "a", 3),
            clock(100),
        ];
        assert_eq!(outcome(&house, batch, events).await, moved(), "batches of {batch}, through another");
    })
    .await;
    // An event that a rule caused counts like any other.
    let awaits = json!({"event": "Tier Changed"});
    everywhere_with("never", &awaits, async |house, batch| {
        let order = with(did(&house, &u, "Order Completed", 1), &json!({"total": 900, "quantity": 1}));
        let events = vec![did(&house, &a, "Cart", 0), order, was(&house, "u", "a", 2), clock(100)];
        assert_eq!(outcome(&house, batch, events).await, moved(), "batches of {batch}, caused");
    })
    .await;
}

/// What was done before the wait began, what is history, and what the wait does not ask for, ends nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_15_only_what_was_done_meanwhile_counts() {
    let (a, u) = (visitor("a"), user("u"));
    everywhere("never", async |house, batch| {
        let events = vec![
            did(&house, &u, "Order", 0),
            did(&house, &a, "Cart", 1),
            NewEvent { historical: true, ..did(&house, &u, "Order", 2) },
            did(&house, &u, "Other", 2),
            was(&house, "u", "a", 3),
            clock(100),
        ];
        assert_eq!(outcome(&house, batch, events).await, reminded(), "batches of {batch}");
    })
    .await;
    let awaits = json!({"event": "Order", "match": [{"property": "cart", "equals": "cart"}]});
    for (cart, expected) in [(1, moved()), (2, reminded())] {
        everywhere_with("never", &awaits, async |house, batch| {
            let events = vec![
                with(did(&house, &a, "Cart", 0), &json!({"cart": 1})),
                with(did(&house, &u, "Order", 1), &json!({"cart": cart})),
                was(&house, "u", "a", 2),
                clock(100),
            ];
            assert_eq!(outcome(&house, batch, events).await, expected, "batches of {batch}, an order of cart {cart}");
        })
        .await;
    }
}

/// However much a visitor did: what joins them looks at the newest of it, the same at any size of a batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_15_a_join_looks_at_no_more_than_the_newest() {
    let (a, u) = (visitor("a"), user("u"));
    let awaits = json!({"event": "Order", "match": [{"property": "cart", "equals": "cart"}]});
    for batch in [100, 5_000] {
        for (which, expected) in [(1, reminded()), (600, moved())] {
            let house = house(None, "never", &awaits).await;
            let mut events = vec![with(did(&house, &a, "Cart", 0), &json!({"cart": 1}))];
            events.extend((0..1_500).map(|number| {
                let order = with(did(&house, &u, "Order", 1), &json!({"cart": i64::from(number == which)}));
                NewEvent { message_id: format!("order-{number}"), ..order }
            }));
            events.extend([was(&house, "u", "a", 2), clock(100)]);
            assert_eq!(outcome(&house, batch, events).await, expected, "batches of {batch}, order {which}");
        }
    }
}

/// A journey that is paused when two become one goes on from it once it is resumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_15_a_paused_journey_remembers_it() {
    let (a, u) = (visitor("a"), user("u"));
    everywhere("never", async |house, batch| {
        let events = vec![
            did(&house, &a, "Cart", 0),
            did(&house, &u, "Order", 1),
            change("journey.paused"),
            was(&house, "u", "a", 2),
            clock(90),
            change("journey.resumed"),
            clock(100),
        ];
        assert_eq!(outcome(&house, batch, events).await, moved(), "batches of {batch}");
    })
    .await;
}

/// Who enters a segment starts, and who leaves it starts another journey: the same at any batch size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journey_starts_where_a_segment_is_entered_or_left() {
    let orders = json!({"event": {"name": "Order", "within": "10h", "is": "ge", "value": 2}});
    for batch in [1, 3, 5_000] {
        let house = House::open(None).await;
        house.publish_segment("regular", &orders).await;
        for on in ["entered", "left"] {
            let note = json!({
                "trigger": {"segment": "regular", "on": on}, "start": "note",
                "nodes": {"note": {"type": "update", "tags": {on: true}, "next": "end"}, "end": {"type": "exit"}},
            });
            house.publish(on, note).await;
        }
        let (ada, bob) = (user("ada"), user("bob"));
        let events = vec![
            did(&house, &ada, "Order", 0),
            did(&house, &bob, "Order", 1),
            did(&house, &ada, "Order", 2),
            did(&house, &bob, "Other", 3),
            clock(100),
        ];
        run(&house, batch, events).await;
        let mut runs: Vec<(String, Timestamp)> =
            runs(&house).await.into_iter().map(|run| (run.journey, run.started_at)).collect();
        runs.sort();
        // Ten hours after her first order there is one within them.
        assert_eq!(runs, [("entered".to_owned(), hour(2)), ("left".to_owned(), hour(10))], "batches of {batch}");
    }
}
