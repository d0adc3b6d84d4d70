//! A database of the first schema that has rows of two tenants, opened by this version: every row is found where it belongs
//! now. On PostgreSQL its owner is no superuser, so row-level security binds the migrations, too.

#[path = "support/database.rs"]
mod database;

use std::path::Path;
use std::time::Duration;

use openhub_model::timer::Timer;
use openhub_model::{Condition, Identity, PartId, TenantId, Timestamp};
use openhub_store::{AsOf, Changes, FaultFilter, Scope, Store};
use openhub_test_postgres::Server;
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::database::Database;

const ADA: TenantId = TenantId(1);
const BOB: TenantId = TenantId(2);

fn part(tenant: TenantId) -> PartId {
    Identity::new(Identity::USER_ID, "someone").part(tenant)
}

/// Of the first schema, and of either database.
fn rows() -> Vec<String> {
    let mut rows =
        vec!["INSERT INTO tenants (id, name, clock, created_at) VALUES (1, 'ada', 1, 1), (2, 'bob', 1, 1)".to_owned()];
    for (tenant, checkpoint, head) in [(ADA, 2, 4), (BOB, 1, 1)] {
        let (id, part) = (tenant.0, part(tenant));
        rows.push(format!(
            "INSERT INTO partitions (tenant_id, bucket, head, checkpoint) VALUES ({id}, 0, {head}, {checkpoint})"
        ));
        // The third was caused by the first, the second was set aside, and the engine has not come to the fourth.
        for position in 1..=head {
            let origin = i64::from(position == 3);
            rows.push(format!(
                "INSERT INTO events (tenant_id, position, origin, message_id, kind, name, part_id, occurred_at, received_at, \
                 historical) VALUES ({id}, {position}, {origin}, 'm{position}', 2, 'Order Completed', '{part}', {position}, 9, 0)"
            ));
            rows.push(format!(
                "INSERT INTO event_bodies (tenant_id, position, body) VALUES ({id}, {position}, '{{}}')"
            ));
        }
        rows.push(format!(
            "INSERT INTO customers (tenant_id, part_id, customer_id, identity_kind, identity_value, attributes, tags, causes, \
             first_seen_at, last_seen_at) VALUES ({id}, '{part}', '{part}', 'user_id', 'someone', '{{\"points\":{id}}}', '{{}}', \
             '{{\"attributes\":{{\"points\":0}},\"tags\":{{}},\"by\":[[1,\"m1\",null,null]]}}', 1, 2)"
        ));
        rows.push(format!(
            "INSERT INTO claims (tenant_id, part_id, kind, value, position, source) \
             VALUES ({id}, '{part}', 'user_id', 'someone', 1, 'm1')"
        ));
        rows.push(format!(
            "INSERT INTO objects (tenant_id, kind, key, part_id, version, fields, created_at, updated_at, cause) \
             VALUES ({id}, 'coupon', 'c', '{part}', 1, '{{\"code\":\"{id}\"}}', 1, 1, 'm1')"
        ));
        rows.push(format!(
            "INSERT INTO runs (tenant_id, id, part_id, journey, version, node, step, status, state, started_at) \
             VALUES ({id}, '{part}', '{part}', 'j', 1, 'wait', 1, 0, '{{}}', 1)"
        ));
        let wake = Timer::wake(part, Timestamp::from_micros(8)).id;
        rows.push(format!(
            "INSERT INTO timers (tenant_id, due, id, part_id) VALUES ({id}, 7, '{part}', '{part}'), ({id}, 8, '{wake}', '{part}')"
        ));
    }
    rows.push(
        "INSERT INTO set_aside (tenant_id, position, message_id, fault, at) VALUES (1, 2, 'm2', 'a fault', 9)"
            .to_owned(),
    );
    rows
}

async fn first(folder: &str) -> anyhow::Result<Migrator> {
    let all = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder)).await?;
    Ok(Migrator::with_migrations(all.iter().filter(|migration| migration.version == 1).cloned().collect()))
}

/// The events that a condition counts, by their moments, which are their positions here.
async fn passed(store: &Store, tenant: TenantId) -> anyhow::Result<Vec<i64>> {
    let counted: Condition =
        serde_json::from_value(json!({"event": {"name": "Order Completed", "is": "eq", "value": 2}}))?;
    let as_of = AsOf { now: Timestamp::from_micros(99), checkpoint: i64::MAX };
    let asked = [(part(tenant), vec![part(tenant)])];
    let facts = store.facts(&Scope::of(tenant), &asked, &counted.needs(), as_of).await?;
    let mut positions: Vec<i64> = facts[0].history.events().iter().map(|event| event.position).collect();
    positions.sort_unstable();
    Ok(positions)
}

async fn check(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    assert_eq!((passed(&store, ADA).await?, passed(&store, BOB).await?), (vec![1, 3], vec![1]));
    for tenant in [ADA, BOB] {
        let (scope, part) = (Scope::of(tenant), part(tenant));
        let customers = store.customers_by_part(&scope, &[part]).await?;
        assert_eq!(customers[&part].attribute("points"), Some(&tenant.0.into()), "{tenant:?}");
        let parts = store.parts_around(&scope, &[part]).await?;
        assert_eq!(parts.iter().map(|part| part.identity.value.as_str()).collect::<Vec<_>>(), ["someone"]);
        let object = store.object(&scope, "coupon", "c").await?.expect("it was there");
        assert_eq!(object.fields["code"], tenant.0.to_string());
        let (run, wake) =
            (Timer::run(part, part, Timestamp::from_micros(7)), Timer::wake(part, Timestamp::from_micros(8)));
        assert_eq!(store.due_timers(&scope, Timestamp::from_micros(99), 9).await?, [run, wake]);
        let counts = store.node_counts(&scope, "j").await?;
        assert_eq!(counts.iter().map(|count| (count.node.as_str(), count.waiting)).collect::<Vec<_>>(), [("wait", 1)]);
    }
    let aside = store.set_aside_of(&Scope::of(ADA), part(ADA)).await?;
    assert_eq!(aside.iter().map(|(event, _)| event.position).collect::<Vec<_>>(), [2]);
    let filter = FaultFilter { limit: 9, ..FaultFilter::default() };
    let faults = store.faults(&Scope::of(ADA), &filter).await?;
    let listed: Vec<_> = faults.iter().map(|known| (known.fault.position, known.fault.text.as_str())).collect();
    assert_eq!(listed, [(Some(2), "a fault")], "what was set aside before stands in the list");
    assert_eq!(store.faults(&Scope::of(BOB), &filter).await?, []);
    let waiting = store.load_events(&Scope::of(ADA), 2, 9).await?;
    assert_eq!(waiting.iter().map(|event| event.position).collect::<Vec<_>>(), [4]);
    // The first commit of the new version goes on where the old one ended.
    let leases = store.claim_partitions(Duration::from_secs(60), 9).await?.leases;
    let ada = leases.iter().find(|lease| lease.tenant == ADA).expect("its partition is free");
    store.commit(&Scope::of(ADA), ada, &Changes { checkpoint: 4, ..Changes::default() }).await?;
    assert_eq!(passed(&store, ADA).await?, [1, 3, 4]);
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

#[tokio::test]
async fn sqlite() -> anyhow::Result<()> {
    let database = Database::sqlite()?;
    let mut link = SqliteConnection::connect(&format!("{}?mode=rwc", database.url)).await?;
    first("sqlite").await?.run(&mut link).await?;
    for row in rows() {
        sqlx::raw_sql(AssertSqlSafe(row)).execute(&mut link).await?;
    }
    link.close().await?;
    check(&database).await
}

#[tokio::test]
async fn postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let database = Database::postgres(&server).await?;
    let mut link = PgConnection::connect(&database.url).await?;
    first("postgres").await?.run(&mut link).await?;
    sqlx::raw_sql("SET openhub.tenants = '1,2'").execute(&mut link).await?;
    for row in rows() {
        sqlx::raw_sql(AssertSqlSafe(row)).execute(&mut link).await?;
    }
    link.close().await?;
    check(&database).await
}
