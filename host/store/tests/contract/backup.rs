//! A database that was dumped and restored, into either kind, holds what it held.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::ClockKind;
use openhub_store::backup::{DumpedTable, DumpedTenant, Head, Part, Restore, Sends, dump, dump_tenant};
use openhub_store::tables::{TABLES, TURNS};
use openhub_store::{EventFilter, Scope, Store, StoreError};
use openhub_test_postgres::Server;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::support::{Database, at, event, lease, part, tenant};
use crate::tables::{Connected, planted};

/// By table, each as it is by column.
type Rows = BTreeMap<String, BTreeSet<String>>;

/// In which a row of each table is.
async fn filled(database: &Database) -> anyhow::Result<()> {
    let store = database.open("dumped").await?;
    let (acme, scope) = tenant(&store).await?;
    store.append(&scope, vec![event("é \"quoted\" \\ 中文 🚲", part(&acme, 1)), event("two", part(&acme, 2))]).await?;
    lease(&store).await?;
    let other = store.create_tenant("other", ClockKind::Live, at(1)).await?;
    assert_eq!((acme.id.0, other.id.0), (1, 2));
    let mut connection = Connected::to(&database.url).await?;
    let schema = connection.columns().await?;
    let skipped = ["tenants", "partitions", "events", "event_bodies", "nodes", TURNS];
    let mut left: Vec<&str> = TABLES.iter().map(|table| table.name).filter(|name| !skipped.contains(name)).collect();
    // Those to which others belong come first, whichever they are.
    while !left.is_empty() {
        let (mut later, mut why) = (Vec::new(), None);
        for table in &left {
            let row = schema[*table].iter().map(|(column, is_number)| {
                let value = match (*table, column.as_str()) {
                    ("plugins", "name") => "'p'".to_owned(),
                    ("journeys", "name") => "'j'".to_owned(),
                    ("webhooks", "name") => "'w'".to_owned(),
                    (_, "erasure") => format!("'{}'", part(&acme, 1)),
                    _ => planted(table, column, *is_number, part(&acme, 1)),
                };
                (column.as_str(), value)
            });
            let (columns, values): (Vec<&str>, Vec<String>) = row.unzip();
            let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "));
            if let Err(error) = connection.execute(sql).await {
                later.push(*table);
                why = Some(error);
            }
        }
        if later.len() == left.len() {
            anyhow::bail!("no row of {later:?} can be planted: {why:?}");
        }
        left = later;
    }
    store.close().await;
    Ok(())
}

async fn parts_of(url: &str) -> anyhow::Result<Vec<Part>> {
    let (parts, mut taken) = mpsc::channel(4);
    let gathering = async {
        let mut all = Vec::new();
        while let Some(part) = taken.recv().await {
            all.push(part);
        }
        all
    };
    let (dumped, all) = tokio::join!(dump(url, parts), gathering);
    dumped?;
    assert_eq!(all.last(), Some(&Part::End));
    Ok(all)
}

/// What both kinds of database say of it: without who moves a tenant, and with JSON as values.
fn rows(parts: &[Part]) -> Rows {
    let mut rows = Rows::new();
    let mut of = DumpedTable { table: String::new(), columns: Vec::new() };
    for part in parts {
        match part {
            Part::Table(table) => {
                of = table.clone();
                rows.insert(of.table.clone(), BTreeSet::new());
            }
            Part::Row(row) => {
                let values: Vec<Value> = serde_json::from_str(row).expect("a list");
                assert_eq!(values.len(), of.columns.len(), "{}", of.table);
                let fields = of.columns.iter().zip(values);
                let told = fields.filter(|(column, _)| !["owner", "session", "sends_held"].contains(&column.as_str()));
                let told: BTreeMap<&String, Value> = told.map(|(column, value)| (column, plain(value))).collect();
                let row = serde_json::to_string(&told).expect("JSON");
                assert!(rows.get_mut(&of.table).expect("its table").insert(row), "{} twice", of.table);
            }
            Part::Head(_) | Part::End => {}
        }
    }
    rows
}

fn plain(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(json @ (Value::Object(_) | Value::Array(_))) => json,
            // Hexadecimal digits of either case.
            _ if text.starts_with("\\x") => text.to_lowercase().into(),
            _ => text.into(),
        },
        other => other,
    }
}

async fn restored(parts: &[Part], url: &str, sends: Sends) -> Result<(), StoreError> {
    let Some((Part::Head(head), parts)) = parts.split_first() else { panic!("the head comes first") };
    let mut restore = Restore::begin(url, head).await?;
    for part in parts {
        if let Err(error) = restore.take(part.clone()).await {
            restore.give_up().await;
            return Err(error);
        }
    }
    restore.finish(sends).await
}

async fn is_whole(parts: &[Part], target: &Database) -> anyhow::Result<()> {
    // What breaks off leaves nothing.
    let mut broken = parts.to_vec();
    broken.insert(parts.len() - 1, Part::Row("[1]".to_owned()));
    assert!(restored(&broken, &target.url, Sends::Held).await.is_err());
    restored(parts, &target.url, Sends::Held).await?;
    let expected = rows(parts);
    assert_eq!(rows(&parts_of(&target.url).await?), expected);
    assert!(expected.values().all(|rows| !rows.is_empty()), "{expected:?}");

    let store: Store = target.open("restored").await?;
    let tenants = store.tenants().await?;
    assert!(tenants.len() == 2 && tenants.iter().all(|tenant| tenant.sends_held));
    let (acme, other) = (Scope::of(tenants[0].id), Scope::of(tenants[1].id));
    store.release_sends(&acme).await?;
    assert!(!store.sends_held(&acme).await? && store.sends_held(&other).await?);
    let leases = store.claim_partitions(crate::support::LEASE, 99).await?.leases;
    assert_eq!(leases.iter().map(|lease| lease.sends_held).collect::<Vec<_>>(), [false, true]);
    assert_eq!(store.create_tenant("third", ClockKind::Live, at(1)).await?.id.0, 3);
    store.close().await;

    let again = restored(parts, &target.url, Sends::Held).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists(_))), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_restored_into_either_kind_of_database() -> anyhow::Result<()> {
    let (sqlite, server) = (Database::sqlite()?, Server::start().await?);
    let postgres = Database::postgres(&server).await?;
    let mut all = Vec::new();
    for source in [&sqlite, &postgres] {
        filled(source).await?;
        all.push(parts_of(&source.url).await?);
    }
    for parts in &all {
        is_whole(parts, &Database::sqlite()?).await?;
        is_whole(parts, &Database::postgres(&server).await?).await?;
    }
    Ok(())
}

async fn parts_of_tenant(url: &str, tenant: i64) -> anyhow::Result<Vec<Part>> {
    let (parts, mut taken) = mpsc::channel(4);
    let gathering = async {
        let mut all = Vec::new();
        while let Some(part) = taken.recv().await {
            all.push(part);
        }
        all
    };
    let tenant = DumpedTenant { id: tenant, name: "acme".to_owned(), key: "k".to_owned() };
    let (dumped, all) = tokio::join!(dump_tenant(url, tenant, parts), gathering);
    dumped?;
    Ok(all)
}

async fn taken_in(parts: &[Part], url: &str) -> Result<(), StoreError> {
    let Some((Part::Head(head), parts)) = parts.split_first() else { panic!("the head comes first") };
    let mut restore = Restore::begin_tenant(url, head).await?;
    for part in parts {
        if let Err(error) = restore.take(part.clone()).await {
            restore.give_up().await;
            return Err(error);
        }
    }
    restore.finish(Sends::Held).await
}

async fn is_taken_in(parts: &[Part], target: &Database) -> anyhow::Result<()> {
    // Numbers up to it are nobody's yet: the first tenant of the hub that takes it has another one.
    let store = target.open("taker").await?;
    let (there, scope) = tenant(&store).await?;
    store.append(&scope, vec![event("own", part(&there, 1))]).await?;
    let own = async |store: &Store| -> anyhow::Result<Vec<String>> {
        let events = store.events(&scope, &EventFilter { limit: 9, ..EventFilter::default() }).await?;
        Ok(events.into_iter().map(|event| event.message_id).collect())
    };
    let before = own(&store).await?;
    store.close().await;
    let taken = taken_in(parts, &target.url).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists(_))), "its number and its name are taken: {taken:?}");

    // The same rows as somebody else's.
    let moved = |part: &Part| match part {
        Part::Head(head) => {
            let tenant = DumpedTenant { id: 7, name: "seventh".to_owned(), key: "k".to_owned() };
            Part::Head(Head { tenant: Some(tenant), ..head.clone() })
        }
        part => part.clone(),
    };
    let foreign: Vec<Part> = parts.iter().map(moved).collect();
    let refused = taken_in(&foreign, &target.url).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    let store = target.open("taker").await?;
    assert_eq!(store.tenants().await?.len(), 1, "nothing is left of it");
    assert_eq!(own(&store).await?, before);
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_into_a_hub_that_others_use_and_keeps_its_number() -> anyhow::Result<()> {
    let (sqlite, server) = (Database::sqlite()?, Server::start().await?);
    let postgres = Database::postgres(&server).await?;
    for source in [&sqlite, &postgres] {
        filled(source).await?;
        let parts = parts_of_tenant(&source.url, 1).await?;
        let expected = rows(&parts);
        assert!(expected["tenants"].len() == 1 && !expected.contains_key("secret_keys"));
        let whole = rows(&parts_of(&source.url).await?);
        let planted = whole.iter().filter(|(table, _)| !["components", "secret_keys"].contains(&table.as_str()));
        for (table, all) in planted {
            let own = expected[table].len();
            assert!(own > 0 && own <= all.len(), "{table}: {own} of {}", all.len());
        }
        for target in [Database::sqlite()?, Database::postgres(&server).await?] {
            is_taken_in(&parts, &target).await?;
            // Into one where the number is free: another tenant has the second.
            let free = match target.url.starts_with("sqlite") {
                true => Database::sqlite()?,
                false => Database::postgres(&server).await?,
            };
            let store = free.open("free").await?;
            store.create_tenant("first", ClockKind::Live, at(1)).await?;
            let second = store.create_tenant("second", ClockKind::Live, at(1)).await?;
            store.close().await;
            let mut connection = Connected::to(&free.url).await?;
            for table in ["partitions", "tenants"] {
                let column = if table == "tenants" { "id" } else { "tenant_id" };
                connection.execute(format!("DELETE FROM {table} WHERE {column} = 1")).await?;
            }
            taken_in(&parts, &free.url).await?;
            let store = free.open("free").await?;
            let tenants = store.tenants().await?;
            let told: Vec<(i64, &str, bool)> =
                tenants.iter().map(|tenant| (tenant.id.0, tenant.name.as_str(), tenant.sends_held)).collect();
            assert_eq!(told, [(1, "acme", true), (second.id.0, "second", false)]);
            assert_eq!(
                store
                    .events(&Scope::of(tenants[0].id), &EventFilter { limit: 9, ..EventFilter::default() })
                    .await?
                    .len(),
                2
            );
            assert_eq!(store.create_tenant("third", ClockKind::Live, at(1)).await?.id.0, 3);
            store.close().await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_a_newer_hub_dumped_is_refused() -> anyhow::Result<()> {
    let database = Database::sqlite()?;
    let head = Head { schema: 9_999, database: "sqlite".to_owned(), tenant: None };
    let begun = Restore::begin(&database.url, &head).await;
    assert!(matches!(begun, Err(StoreError::Newer { found: 9_999, .. })));
    Ok(())
}
