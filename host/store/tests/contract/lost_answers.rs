//! Answers of PostgreSQL that never come: a proxy loses them, or everything falls silent.

use std::time::{Duration, Instant};

use openhub_model::object::Object;
use openhub_store::{Changes, Indexed, Lease, ObjectChange, Op, StoreError};
use openhub_test_postgres::{Proxy, Server};
use serde_json::json;

use crate::support::{Database, at, changes, event, lease, part, tenant};

const CUTS: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(120);

async fn through(server: &Server) -> anyhow::Result<(Database, Proxy)> {
    let mut database = Database::postgres(server).await?;
    let proxy = Proxy::start(&database.url).await?;
    database.url = proxy.through(&database.url);
    Ok((database, proxy))
}

fn coupon(key: usize) -> Object {
    Object {
        kind: "coupon".into(),
        key: key.to_string(),
        part: None,
        version: 1,
        fields: json!({}),
        created_at: at(1),
        updated_at: at(1),
        cause: "c".into(),
    }
}

/// The server got each COMMIT and its answer is lost: every caller is told that it was done, and it was done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_whose_answer_is_lost_is_told_the_truth() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (database, proxy) = through(&server).await?;
    let store = database.open("a").await?;
    let (tenant, scope) = tenant(&store).await?;
    let mut held = lease(&store).await?;
    let part = part(&tenant, 1);
    proxy.cut(1, CUTS);
    let (mut number, mut moved) = (0, 0);
    while proxy.cuts() < CUTS {
        number += 1;
        let events = vec![event(format!("{number}-a"), part), event(format!("{number}-b"), part)];
        let appended = store.append(&scope, events).await?;
        assert_eq!((appended.accepted, appended.duplicates), (2, 0), "{number}");
        let ops = vec![Op::Object(ObjectChange::Create(coupon(number), Indexed::default()))];
        store.transact(&scope, ops).await?;
        let to = Changes { checkpoint: appended.position, ..changes(0) };
        held = store.commit(&scope, &held, &to).await?;
        moved += 1;
    }
    assert_eq!(store.held_lease(&scope, &held).await?, held);
    assert_eq!(held.commits, moved);
    let standing = store.standing(&scope).await?;
    assert_eq!((standing.head, standing.checkpoint), (2 * number as i64, 2 * number as i64), "{standing:?}");
    assert_eq!(store.load_events(&scope, 0, 10_000).await?.len(), 2 * number);
    for key in 1..=number {
        assert!(store.object(&scope, "coupon", &key.to_string()).await?.is_some(), "{key}");
    }
    println!("{CUTS} answers lost, {} writes, each done once", 3 * number);
    assert!(3 * number >= CUTS as usize, "each write has a COMMIT of its own");
    store.close().await;
    Ok(())
}

/// Nobody waits for ever, and once the database speaks again everything goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_silent_database_is_told_in_time_and_gone_on_with() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (database, proxy) = through(&server).await?;
    let store = database.open("a").await?;
    let (tenant, scope) = tenant(&store).await?;
    let held: Lease = lease(&store).await?;
    let part = part(&tenant, 1);
    store.append(&scope, vec![event("before", part)]).await?;
    store.answers().await?;
    proxy.fall_silent_within();
    let began = Instant::now();
    let lost = store.append(&scope, vec![event("within", part)]).await;
    assert!(matches!(lost, Err(StoreError::Unknown | StoreError::Unavailable)), "{lost:?}");
    assert!(proxy.is_silent());
    assert!(matches!(store.answers().await, Err(StoreError::Unavailable)), "it is not ready");
    let read = store.tenant(tenant.id).await;
    assert!(matches!(read, Err(StoreError::Unavailable)), "{read:?}");
    let told = began.elapsed();
    assert!(told < PATIENCE, "{told:?}");
    proxy.speak();
    let began = Instant::now();
    let again = loop {
        match store.append(&scope, vec![event("within", part)]).await {
            Ok(appended) => break appended,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
    };
    println!("told after {told:?}, gone on after {:?}", began.elapsed());
    // The server ended what had fallen silent in its middle: nothing of it was written.
    assert_eq!((again.accepted, again.duplicates), (1, 0));
    store.answers().await?;
    let moved = store.commit(&scope, &held, &changes(again.position)).await?;
    assert_eq!(moved.checkpoint, again.position);
    store.close().await;
    Ok(())
}

/// A connection that falls silent on its way back to the pool gives its place up, and whoever closes the store is not held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_connections_that_fall_silent_when_they_are_done_keep_no_place() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (database, proxy) = through(&server).await?;
    let store = database.open("a").await?;
    let (tenant, _) = tenant(&store).await?;
    // More than there are places.
    for number in 0..10 {
        proxy.fall_silent_after_read();
        let read = store.tenant(tenant.id).await;
        assert!(matches!(read, Ok(Some(_))), "{number}: {read:?}");
        assert!(proxy.is_silent(), "{number}");
        proxy.speak();
    }
    tokio::time::timeout(PATIENCE, store.close()).await?;
    Ok(())
}
