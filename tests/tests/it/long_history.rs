//! A page's key can be read by anybody, who may send for one visitor as much as they like: what they do has an end, and what
//! is behind it is set aside, whatever the batch.

use openhub_model::identity::Authority;
use openhub_model::limits::{EVENTS, PAGE_EVENTS};
use openhub_model::{ClockKind, EventKind, Identity, NewEvent};
use openhub_store::{FaultFilter, FaultKind};
use openhub_test_postgres::Server;
use openhub_tests::house::{HOST_NOW, House};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};

/// As if the customer had done so much.
async fn did(url: &str, events: i64) {
    let sql = "UPDATE customers SET events = $1 WHERE identity_value = 'visitor'";
    if url.starts_with("sqlite") {
        let mut link = SqliteConnection::connect(url).await.expect("the file opens");
        sqlx::query(sql).bind(events).execute(&mut link).await.expect("it is written");
        return link.close().await.expect("the file closes");
    }
    let mut link = PgConnection::connect(url).await.expect("a connection");
    sqlx::raw_sql("SET openhub.tenants = '1,2'").execute(&mut link).await.expect("a setting");
    sqlx::query(sql).bind(events).execute(&mut link).await.expect("it is written");
    link.close().await.expect("it closes");
}

fn event(house: &House, id: &str, who: &str, authority: Authority, body: Value) -> NewEvent {
    let visitor = Identity::new(Identity::ANONYMOUS_ID, who);
    let kind = if body["type"] == "track" { EventKind::Track } else { EventKind::Identify };
    NewEvent { authority, ..house.call(kind, id, &visitor, HOST_NOW, body) }
}

/// What is set aside, and the state that is left.
async fn ends(url: Option<String>, batch: usize) -> (Vec<String>, Value) {
    let house = House::open_on(url.clone(), ClockKind::Live).await;
    let url = url.unwrap_or_else(|| house.database());
    let (store, scope) = (&house.store, &house.scope);
    let many = json!({"event": {"name": "Clicked", "is": "ge", "value": 5}});
    house.publish_segment("busy", &many).await;
    let click = |id: &str, who: &str, authority| {
        let body = json!({"type": "track", "event": "Clicked", "anonymousId": who, "properties": {}});
        event(&house, id, who, authority, body)
    };
    let head = async |events: Vec<NewEvent>| {
        store.append(scope, events).await.expect("they are appended");
        let head = store.standing(scope).await.expect("a standing").head;
        house.run(batch, 1, head).await;
    };
    head(vec![click("1", "visitor", Authority::Browser)]).await;
    did(&url, PAGE_EVENTS - 1).await;
    let denied = json!({
        "type": "identify", "anonymousId": "visitor", "traits": {},
        "consents": {"news": {"state": "denied"}}
    });
    head(vec![
        click("2", "visitor", Authority::Browser),
        click("3", "visitor", Authority::Browser),
        click("4", "other", Authority::Browser),
        click("5", "visitor", Authority::Server),
        click("6", "visitor", Authority::Browser),
        event(&house, "7", "visitor", Authority::Browser, denied),
    ])
    .await;
    did(&url, EVENTS - 1).await;
    head(vec![
        click("8", "visitor", Authority::Server),
        click("9", "visitor", Authority::Server),
        click("10", "other", Authority::Server),
    ])
    .await;
    let filter = FaultFilter { kind: Some(FaultKind::Event), limit: 99, ..FaultFilter::default() };
    let faults = store.faults(scope, &filter).await.expect("the faults");
    assert!(faults.iter().all(|known| known.fault.code == "too-many" && known.fault.part.is_some()), "{faults:?}");
    let mut aside: Vec<String> = faults.into_iter().filter_map(|known| known.fault.message_id).collect();
    aside.sort();
    let part = Identity::new(Identity::ANONYMOUS_ID, "visitor").part(house.tenant);
    let customer = store.customer(scope, part).await.expect("a store").expect("they are there");
    assert_eq!(customer.events, EVENTS);
    assert!(customer.consents.get("news").is_some(), "a withdrawal is always taken");
    let listed = store.set_aside_of(scope, part).await.expect("a store").len();
    assert_eq!(listed, aside.len(), "they are among what was set aside of the customer");
    // 1, 2, 5 and 8 count: one fewer than the segment asks for.
    assert_eq!(store.segment(scope, "busy").await.expect("a store").expect("it is there").members, 0);
    let state = house.state().await;
    store.close().await;
    (aside, state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_d_a_page_makes_no_history_without_end() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let mut all = Vec::new();
    for batch in [1, 3, 5_000] {
        all.push(ends(None, batch).await);
        all.push(ends(Some(server.database().await.expect("a database")), batch).await);
    }
    assert_eq!(all[0].0, ["3", "6", "9"]);
    for other in &all[1..] {
        assert_eq!(*other, all[0]);
    }
}
