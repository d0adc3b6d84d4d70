//! No statement of the engine, of a door, of an erasure or of what people look at walks a table that grows with the tenant, on SQLite: its planner
//! knows that a tenant has many rows only because a migration says so.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use openhub_model::{Condition, EventKind, Id, Identity, NewEvent, Timestamp};
use openhub_store::{
    Afterwards, AsOf, Before, EventFilter, FaultFilter, FaultKind, FaultStatus, MessageFilter, NewErasure, Op,
    StoreError, TimelineFilter, TimelineItem, TimelineKind,
};
use openhub_tests::house::{HOST_NOW, House, control};
use openhub_tests::patience::until;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

const EVENTS: usize = 400;
/// What grows with customers and what they do.
fn grows(table: &str) -> bool {
    openhub_store::tables::growing().any(|name| name == table)
}

/// Indexes of a few rows of such a table.
const PARTIAL: [&str; 4] = ["messages_pending", "messages_claimed", "events_control", "faults_open"];

/// Indexes of what is kept to a number, which is counted from its newest on.
const COUNTED: [&str; 2] = ["faults_at", "faults_recorded"];

/// Every statement that the driver runs, whole.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeSet<String>>>);

#[derive(Default)]
struct Text {
    summary: String,
    whole: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => self.summary = value.to_owned(),
            "db.statement" => self.whole = value.trim().to_owned(),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut text = Text::default();
            event.record(&mut text);
            let whole = if text.whole.is_empty() { text.summary } else { text.whole };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(whole);
        }
    }
}

/// Orders and addresses; some of the latter two customers share, and each tenth event is sent twice.
fn event(house: &House, row: usize) -> NewEvent {
    let who = (row * 7919) % 97;
    let subject = Identity::new(Identity::USER_ID, format!("user-{who}"));
    let start: Timestamp = "2025-01-01T12:00:00Z".parse().expect("a time");
    let at = Timestamp::from_micros(start.micros() + row as i64 * 1_800_000_000);
    let mut body = json!({"userId": subject.value, "properties": {"total": 20 + row % 90}});
    let kind = if row.is_multiple_of(3) {
        body["traits"] = json!({"email": format!("mail-{}@example.com", who / 2)});
        body["anonymousId"] = format!("visitor-{who}").into();
        EventKind::Identify
    } else {
        body["event"] = "Order Completed".into();
        EventKind::Track
    };
    let id = if row.is_multiple_of(10) { row.saturating_sub(1) } else { row };
    house.call(kind, &format!("event-{id}"), &subject, at, body)
}

/// What of a plan walks: a search by tenant alone, or a scan, of a table that grows.
fn walks(statement: &str, step: &str) -> bool {
    let mut words = step.split_whitespace();
    let is_walk = match words.next() {
        Some("SEARCH") => step.ends_with("(tenant_id=?)"),
        Some("SCAN") => !step.contains("VIRTUAL TABLE"),
        _ => false,
    };
    let name = words.next().unwrap_or_default();
    let text: Vec<&str> =
        statement.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    let of_alias = text.windows(2).any(|pair| pair[1] == name && grows(pair[0]));
    let of_name = text.windows(3).any(|words| words[2] == name && words[1] == "AS" && grows(words[0]));
    let is_counted = statement.contains("LIMIT 1 OFFSET") && COUNTED.iter().any(|index| step.contains(index));
    let is_few = PARTIAL.iter().any(|index| step.contains(index)) || is_counted;
    is_walk && (grows(name) || of_alias || of_name) && !is_few
}

/// What people look at: statements that are made at run time. A preview goes through all customers, from one to the next.
async fn look(house: &House) -> Result<(), StoreError> {
    let House { store, scope, .. } = house;
    let part = Identity::new(Identity::USER_ID, "user-7").part(house.tenant);
    let day = |day: &str| format!("2025-01-{day}T00:00:00Z").parse().expect("a time");
    let mut filter = TimelineFilter { limit: 5, ..TimelineFilter::default() };
    let page = store.timeline(scope, part, &filter).await?;
    assert_eq!(page.len(), 5, "a whole page");
    filter.before = page.last().map(TimelineItem::cursor);
    (filter.from, filter.to) = (Some(day("02")), Some(day("20")));
    store.timeline(scope, part, &filter).await?;
    for kind in TimelineKind::ALL {
        store
            .timeline(scope, part, &TimelineFilter { kinds: vec![kind], limit: 5, ..TimelineFilter::default() })
            .await?;
    }
    for before in [None, Some(Before::Until(day("20"))), Some(Before::Event(day("20"), 9))] {
        store.sayings(scope, part, "Attribute Refused", before, 5).await?;
    }
    let name = Some("Order Completed".to_owned());
    for name in [None, name] {
        let filter = EventFilter { name, part: Some(part), after: Some(3), limit: 5, ..EventFilter::default() };
        store.events(scope, &filter).await?;
    }
    let message_id = Some("m7".to_owned());
    store.events(scope, &EventFilter { message_id, limit: 5, ..EventFilter::default() }).await?;
    store.events(scope, &EventFilter { position: Some(7), limit: 5, ..EventFilter::default() }).await?;
    store.messages(scope, &MessageFilter { part: Some(part), limit: 5, ..MessageFilter::default() }).await?;
    store.set_aside_of(scope, part).await?;
    let kinds = [None, Some(FaultKind::Rule)];
    for kind in kinds {
        let status = Some(FaultStatus::Open);
        store.faults(scope, &FaultFilter { kind, status, limit: 5, ..FaultFilter::default() }).await?;
    }
    store.open_faults(scope).await?;
    let as_of = AsOf { now: day("20"), checkpoint: store.standing(scope).await?.checkpoint };
    let sent = json!({"message": {"is": "sent", "within": "30d"}});
    for condition in House::segments().into_iter().map(|(_, condition)| condition).chain([sent]) {
        let condition: Condition = serde_json::from_value(condition).expect("a condition");
        store.truths(scope, &condition, as_of, Some(part), 5).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_walks_a_table_that_grows() {
    let statements = Statements::default();
    let filter = tracing_subscriber::filter::Targets::new().with_target("sqlx::query", tracing::Level::TRACE);
    tracing_subscriber::registry().with(statements.clone().with_filter(filter)).init();
    let house = House::furnished(None).await;
    house.publish_segments().await;
    for rows in (0..EVENTS).collect::<Vec<usize>>().chunks(100) {
        let events = rows.iter().map(|row| event(&house, *row)).collect();
        let appended = house.store.append(&house.scope, events).await.expect("events are appended");
        assert!(appended.duplicates > 0);
    }
    let erased = Identity::new(Identity::USER_ID, "user-5").part(house.tenant);
    let id = Id::named(&[b"erasure"]);
    let asked = NewErasure {
        id,
        customer: erased,
        afterwards: Afterwards::Suppressed,
        asked_by: "test".into(),
        asked_at: HOST_NOW,
    };
    let event = control("customer.erased", &id.to_string(), json!({ "erasure": id }));
    house.store.transact(&house.scope, vec![Op::PutErasure(asked), Op::Append(event)]).await.expect("it is asked for");
    let undone = json!({"identity": Identity::new(Identity::EMAIL, "mail-4@example.com")});
    let event = control("identity.undone", "undone", undone);
    house.store.transact(&house.scope, vec![Op::Append(event)]).await.expect("it is asked for");
    let position = house.advance("2026-12-31T12:00:00Z").await;
    house.run(37, 2, position).await;
    // Deliveries have statements of their own, also one that fails.
    let engine = house.start(37, 2);
    until("a message was tried", async || {
        for user in 0..97 {
            let part = Some(Identity::new(Identity::USER_ID, format!("user-{user}")).part(house.tenant));
            let filter = MessageFilter { part, limit: 5, ..MessageFilter::default() };
            let messages = house.store.messages(&house.scope, &filter).await.expect("messages");
            if messages.iter().any(|message| message.fault.is_some()) {
                return Some(());
            }
        }
        None
    })
    .await;
    engine.stop().await;
    look(&house).await.expect("what people look at is read");

    let mut database = SqliteConnection::connect(&house.database()).await.expect("the database opens");
    let (mut explained, mut walking) = (0, Vec::new());
    let all = statements.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for statement in all {
        let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
        if !verbs.iter().any(|verb| statement.starts_with(verb)) {
            continue;
        }
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan = sqlx::query(explain).fetch_all(&mut database).await.expect("a plan");
        explained += 1;
        let steps = plan.iter().map(|step| step.get::<String, _>("detail"));
        walking.extend(steps.filter(|step| walks(&statement, step)).map(|step| format!("{step}: {statement}")));
    }
    assert!(explained > 110, "only {explained} statements were seen");
    assert!(walking.is_empty(), "{} of {explained}:\n{}", walking.len(), walking.join("\n"));
}
