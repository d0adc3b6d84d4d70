//! People into a database: events through the log's own append, the rest as plain rows.

use std::time::Duration;

use openhub_model::condition::EventNeed;
use openhub_model::identity::Authority;
use openhub_model::{ClockKind, EventKind, NewEvent, TenantId, Timestamp};
use openhub_store::history::properties::kept;
use openhub_store::{Changes, Scope, SetAside, Store};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use super::people::{Delivery, JOURNEYS, Person};
use crate::database::Database;

/// A second way into the database, beside the store.
pub enum Rows {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Rows {
    pub async fn open(database: &Database) -> anyhow::Result<Rows> {
        Ok(match database.url.starts_with("sqlite:") {
            true => Rows::Sqlite(SqlitePool::connect(&database.url).await?),
            false => Rows::Postgres(PgPool::connect(&database.url).await?),
        })
    }

    pub async fn close(&self) {
        match self {
            Rows::Sqlite(pool) => pool.close().await,
            Rows::Postgres(pool) => pool.close().await,
        }
    }

    /// Runs statements in one transaction: `$1` is the tenant, `$2` a JSON list of rows.
    async fn write(&self, tenant: TenantId, statements: &[(&'static str, Vec<Value>)]) -> anyhow::Result<()> {
        match self {
            Rows::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                for (sql, rows) in statements {
                    sqlx::query(*sql).bind(tenant.0).bind(json!(rows).to_string()).execute(&mut *tx).await?;
                }
                tx.commit().await?;
            }
            Rows::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                let wall = AssertSqlSafe(format!("SET LOCAL openhub.tenants = '{}'", tenant.0));
                sqlx::raw_sql(wall).execute(&mut *tx).await?;
                for (sql, rows) in statements {
                    sqlx::query(*sql).bind(tenant.0).bind(json!(rows).to_string()).execute(&mut *tx).await?;
                }
                tx.commit().await?;
            }
        }
        Ok(())
    }
}

/// A fresh tenant with these people. The events of each follow those of the one before, from position 1.
pub async fn fill(store: &Store, rows: &Rows, name: &str, people: &[Person]) -> anyhow::Result<Scope> {
    let tenant = store.create_tenant(name, ClockKind::Replay, Timestamp::from_micros(0)).await?.id;
    let scope = Scope::of(tenant);
    let events: Vec<NewEvent> = people.iter().flat_map(|person| arrivals(person, tenant)).collect();
    store.append(&scope, events).await?;
    pass(store, &scope, people).await?;
    rows.write(tenant, &statements(people, tenant)).await?;
    Ok(scope)
}

/// As the engine does it.
async fn pass(store: &Store, scope: &Scope, people: &[Person]) -> anyhow::Result<()> {
    let at = Timestamp::from_micros(0);
    let deliveries = people.iter().flat_map(|person| &person.deliveries);
    let aside = (1..).zip(deliveries.clone()).filter(|(_, delivery)| delivery.aside).map(|(position, delivery)| {
        SetAside { position, message_id: delivery.id.clone(), fault: "a fault".to_owned(), at }
    });
    let kept = (1..).zip(deliveries).filter(|(_, delivery)| !delivery.erased && !delivery.caused);
    let kept = kept.filter_map(|(position, delivery)| Some((position, kept_of(position, delivery)?)));
    let checkpoint = store.standing(scope).await?.head;
    let changes = Changes { checkpoint, set_aside: aside.collect(), kept: kept.collect(), ..Changes::default() };
    let leases = store.claim_partitions(Duration::from_secs(60), 1_000).await?.leases;
    for lease in leases.iter().filter(|lease| lease.tenant == scope.tenant()) {
        store.commit(scope, lease, &changes).await?;
    }
    Ok(store.release_leases(&leases).await?)
}

/// As if conditions had asked for some properties of some events when those were passed, and not for others.
fn kept_of(position: i64, delivery: &Delivery) -> Option<String> {
    let asked = [&[][..], &["x"], &["x", "y"], &["x", "y", "z"]][usize::try_from(position % 4).ok()?];
    let need = EventNeed { window: None, properties: asked.iter().map(|name| (*name).to_owned()).collect() };
    let body: Value = serde_json::from_str(&delivery.body).expect("a body is JSON");
    kept(&need, &body["properties"])
}

fn arrivals(person: &Person, tenant: TenantId) -> Vec<NewEvent> {
    person
        .deliveries
        .iter()
        .map(|delivery| NewEvent {
            message_id: delivery.id.clone(),
            kind: EventKind::Track,
            name: delivery.name.clone(),
            part: Some(person.parts[delivery.part].part(tenant)),
            occurred_at: Timestamp::from_micros(delivery.at),
            received_at: Timestamp::from_micros(delivery.at),
            historical: false,
            authority: Authority::Server,
            cause: None,
            body: delivery.body.clone(),
        })
        .collect()
}

fn statements(people: &[Person], tenant: TenantId) -> Vec<(&'static str, Vec<Value>)> {
    let parts = people.iter().flat_map(|person| {
        person.parts.iter().map(move |part| json!([part.part(tenant), person.id(tenant), part.kind, part.value]))
    });
    let customers = people.iter().map(|person| {
        let (first, causes) = (&person.parts[0], json!({"attributes": {}, "tags": {}}));
        let tags = json!(person.tags);
        json!([
            person.id(tenant),
            first.kind,
            first.value,
            person.attributes,
            tags,
            causes.to_string(),
            person.consents
        ])
    });
    let members =
        people.iter().flat_map(|person| person.segments.iter().map(move |name| json!([name, person.id(tenant)])));
    let runs = people.iter().flat_map(|person| {
        person.runs.iter().enumerate().map(move |(index, run)| {
            let id = format!("{}-{index}", person.id(tenant));
            json!([id, person.parts[run.part].part(tenant), run.journey, run.node, run.status.code()])
        })
    });
    let messages = people.iter().flat_map(|person| {
        person.messages.iter().enumerate().map(move |(index, message)| {
            let id = format!("{}-{index}", person.id(tenant));
            let part = person.parts[message.part].part(tenant);
            json!([id, part, message.channel, message.journey, message.at, message.status.code(), message.attempts])
        })
    });
    let objects = people.iter().flat_map(|person| {
        person.objects.iter().enumerate().map(move |(index, object)| {
            let key = format!("{}-{index}", person.id(tenant));
            json!([object.kind, key, person.parts[object.part].part(tenant), object.fields.to_string()])
        })
    });
    let definition =
        json!({"nodes": {"good": {"type": "exit", "reason": "converted"}, "bad": {"type": "exit"}}}).to_string();
    let journeys: Vec<Value> = JOURNEYS.iter().map(|journey| json!([journey, definition])).collect();
    let marked = |which: fn(&super::people::Delivery) -> bool| {
        let deliveries = people.iter().flat_map(|person| &person.deliveries);
        deliveries.filter(|delivery| which(delivery)).map(|delivery| json!(delivery.id)).collect()
    };
    vec![
        (
            "INSERT INTO parts (tenant_id, part_id, customer_id, kind, value, since, claimed, seen, source) SELECT $1, \
             CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), \
             CAST(value ->> 3 AS TEXT), 1, 0, 1, 'm' FROM json_each($2)",
            parts.collect(),
        ),
        (
            "INSERT INTO customers (tenant_id, part_id, customer_id, identity_kind, identity_value, attributes, tags, \
             causes, consents, first_seen_at, last_seen_at) SELECT $1, CAST(value ->> 0 AS TEXT), \
             CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), value -> 3, value -> 4, \
             CAST(value ->> 5 AS TEXT), value -> 6, 0, 0 FROM json_each($2)",
            customers.collect(),
        ),
        (
            "INSERT INTO memberships (tenant_id, segment, customer_id, since) SELECT $1, CAST(value ->> 0 AS TEXT), \
             CAST(value ->> 1 AS TEXT), 0 FROM json_each($2)",
            members.collect(),
        ),
        (
            "INSERT INTO journeys (tenant_id, name, status, latest, updated_at) SELECT $1, CAST(value ->> 0 AS TEXT), \
             1, 1, 0 FROM json_each($2)",
            journeys.clone(),
        ),
        (
            "INSERT INTO journey_versions (tenant_id, journey, version, definition, created_at) SELECT $1, \
             CAST(value ->> 0 AS TEXT), 1, CAST(value ->> 1 AS TEXT), 0 FROM json_each($2)",
            journeys,
        ),
        (
            "INSERT INTO runs (tenant_id, id, part_id, journey, version, node, step, status, state, started_at) \
             SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), 1, \
             CAST(value ->> 3 AS TEXT), 1, CAST(value ->> 4 AS BIGINT), '{}', 0 FROM json_each($2)",
            runs.collect(),
        ),
        (
            "INSERT INTO messages (tenant_id, id, part_id, channel, address, purpose, content, journey, run_id, node, \
             created_at, status, attempts, units) SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), \
             CAST(value ->> 2 AS TEXT), '', '', '{}', CAST(value ->> 3 AS TEXT), '', '', \
             CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT), 0 \
             FROM json_each($2)",
            messages.collect(),
        ),
        (
            "INSERT INTO objects (tenant_id, kind, key, part_id, version, fields, created_at, updated_at, cause) \
             SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), 1, \
             CAST(value ->> 3 AS TEXT), 0, 0, 'm' FROM json_each($2)",
            objects.collect(),
        ),
        (
            "UPDATE events SET origin = 1 WHERE tenant_id = $1 AND message_id IN (SELECT atom FROM json_each($2))",
            marked(|delivery| delivery.caused),
        ),
        (
            "UPDATE customer_events SET origin = 1 WHERE tenant_id = $1 AND position IN (SELECT position FROM events \
             WHERE tenant_id = $1 AND message_id IN (SELECT atom FROM json_each($2)))",
            marked(|delivery| delivery.caused),
        ),
        (
            "DELETE FROM event_bodies WHERE tenant_id = $1 AND position IN (SELECT position FROM events \
             WHERE tenant_id = $1 AND message_id IN (SELECT atom FROM json_each($2)))",
            marked(|delivery| delivery.erased),
        ),
    ]
}
