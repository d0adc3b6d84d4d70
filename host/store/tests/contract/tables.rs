//! What the registry of tables says is so: all of the schema is declared, and an erasure leaves nothing of a customer in a table
//! that holds them.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::identity::{Age, Marker, Part};
use openhub_model::{Id, PartId, Timestamp};
use openhub_store::tables::{Holds, TABLES, TURNS, Table};
use openhub_store::{Afterwards, EraseStep, Erasing, NewErasure, Op};
use openhub_test_postgres::Server;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::{Database, at, identity, lease, part, tenant};

/// A column, and whether it is a number.
pub(crate) type Columns = BTreeMap<String, Vec<(String, bool)>>;

const MIGRATIONS: &str = "_sqlx_migrations";
/// Columns that name a customer, or hold what one said.
const TELLING: [&str; 9] =
    ["part_id", "customer_id", "body", "identity_value", "value", "address", "content", "state", "properties"];

/// A connection of the test's own: row-level security lets it see the first tenant.
pub(crate) enum Connected {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Connected {
    pub(crate) async fn to(url: &str) -> anyhow::Result<Connected> {
        if url.starts_with("sqlite") {
            return Ok(Connected::Sqlite(SqliteConnection::connect(url).await?));
        }
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query("SELECT set_config('openhub.tenants', '1', false)").execute(&mut connection).await?;
        Ok(Connected::Postgres(connection))
    }

    pub(crate) async fn columns(&mut self) -> anyhow::Result<Columns> {
        let rows: Vec<(String, String, String)> = match self {
            Connected::Sqlite(connection) => {
                let sql = "SELECT m.name, p.name, p.type FROM sqlite_master m JOIN pragma_table_info(m.name) p \
                           WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'";
                sqlx::query_as(sql).fetch_all(connection).await?
            }
            Connected::Postgres(connection) => {
                let sql = "SELECT c.table_name::TEXT, c.column_name::TEXT, c.data_type::TEXT FROM information_schema.columns c \
                           JOIN information_schema.tables t ON t.table_name = c.table_name AND t.table_schema = c.table_schema \
                           WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'";
                sqlx::query_as(sql).fetch_all(connection).await?
            }
        };
        let mut columns = Columns::new();
        for (table, column, of) in rows.into_iter().filter(|(table, ..)| table != MIGRATIONS) {
            let is_number = ["bigint", "integer"].contains(&of.to_lowercase().as_str());
            columns.entry(table).or_default().push((column, is_number));
        }
        Ok(columns)
    }

    pub(crate) async fn execute(&mut self, sql: String) -> anyhow::Result<()> {
        match self {
            Connected::Sqlite(connection) => sqlx::query(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())?,
            Connected::Postgres(connection) => sqlx::query(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())?,
        }
        Ok(())
    }

    async fn count(&mut self, table: &str, column: &str, value: &str) -> anyhow::Result<i64> {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table} WHERE tenant_id = 1 AND {column} = '{value}'"));
        Ok(match self {
            Connected::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
            Connected::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
        })
    }
}

/// What is wrong with the registry, by the schema.
fn undeclared(schema: &Columns, declared: &[Table]) -> Vec<String> {
    let known: BTreeSet<&str> = declared.iter().map(|table| table.name).collect();
    let mut wrong: Vec<String> = schema
        .keys()
        .filter(|table| !known.contains(table.as_str()))
        .map(|table| format!("{table} is not declared"))
        .collect();
    for table in declared {
        let Some(columns) = schema.get(table.name) else {
            // SQLite does without it.
            let missing = table.name != TURNS;
            wrong.extend(missing.then(|| format!("{} is not there", table.name)));
            continue;
        };
        let has = |name: &str| columns.iter().any(|(column, _)| column == name);
        match table.holds {
            Holds::Nobody | Holds::ByHand if TELLING.into_iter().any(has) => {
                wrong.push(format!("{} holds a customer, and its declaration says that it does not", table.name));
            }
            Holds::Customer(column) if !has(column) => wrong.push(format!("{}.{column} is not there", table.name)),
            Holds::With(other) if !known.contains(other) => wrong.push(format!("{other} is not declared")),
            _ => {}
        }
    }
    wrong
}

#[test]
fn a_table_that_is_forgotten_is_told() {
    let columns = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), false)).collect::<Vec<_>>();
    let schema = Columns::from([
        ("tenants".to_owned(), columns(&["id"])),
        ("notes".to_owned(), columns(&["tenant_id", "part_id"])),
    ]);
    let declared = |holds| {
        [
            *TABLES.iter().find(|table| table.name == "tenants").expect("it is declared"),
            Table { name: "notes", holds, ..TABLES[0] },
        ]
    };
    assert_eq!(undeclared(&schema, &declared(Holds::Customer("part_id"))), Vec::<String>::new());
    assert_eq!(undeclared(&schema, &declared(Holds::Nobody)).len(), 1, "it names a part");
    assert_eq!(undeclared(&schema, &declared(Holds::Customer("customer_id"))).len(), 1, "by another column");
    assert_eq!(undeclared(&schema, &declared(Holds::Nobody)[..1]), ["notes is not declared"]);
}

#[test]
fn the_guide_to_privacy_says_what_becomes_of_each_table() {
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/privacy.md")).expect("the guide");
    let missing: Vec<&str> =
        TABLES.iter().map(|table| table.name).filter(|name| !guide.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

async fn an_erasure_takes_a_customer_out_of_each_table(database: Database) -> anyhow::Result<()> {
    let store = database.open("tables").await?;
    let (tenant, scope) = tenant(&store).await?;
    assert_eq!(tenant.id.0, 1);
    let mut connection = Connected::to(&database.url).await?;
    let schema = connection.columns().await?;
    assert_eq!(undeclared(&schema, TABLES), Vec::<String>::new());

    connection
        .execute(
            "INSERT INTO journeys (tenant_id, name, status, latest, position, updated_at) VALUES (1, 'j', 1, 1, 0, 0)"
                .to_owned(),
        )
        .await?;
    let plugin = "INSERT INTO plugins (tenant_id, name, digest, status, settings, granted) \
                  VALUES (1, 'p', 'd', 0, '{}', '{}')";
    connection.execute(plugin.to_owned()).await?;
    connection.execute("INSERT INTO plugin_state (tenant_id, plugin) VALUES (1, 'p')".to_owned()).await?;
    let webhook = "INSERT INTO webhooks (tenant_id, name, url, description, events, sees, enabled, secret, version, position, \
                   created_at, updated_at) VALUES (1, 'w', 'u', '', '[]', '[]', 1, 's', 1, 0, 0, 0)";
    connection.execute(webhook.to_owned()).await?;
    // A row of them in each table that holds customers, and in what goes with those.
    let who = part(&tenant, 1);
    let holds = |table: &&Table| matches!(table.holds, Holds::Customer(_) | Holds::With(_)) || table.name == "events";
    let goes_with = |table: &&Table| matches!(table.holds, Holds::With(_));
    let (with, whole): (Vec<&Table>, Vec<&Table>) = TABLES.iter().filter(holds).partition(goes_with);
    for table in whole.into_iter().chain(with) {
        let (names, values): (Vec<&str>, Vec<String>) = schema[table.name]
            .iter()
            .map(|(column, is_number)| (column.as_str(), planted(table.name, column, *is_number, who)))
            .unzip();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, names.join(", "), values.join(", "));
        connection.execute(sql).await?;
    }
    let erasure = Id::named(&[b"erasure"]);
    let asked = NewErasure {
        id: erasure,
        customer: who,
        afterwards: Afterwards::Forgotten,
        asked_by: "k".to_owned(),
        asked_at: at(5),
    };
    store.transact(&scope, vec![Op::PutErasure(asked)]).await?;
    let erasing = erasing(erasure, who, 1_000);
    let held = lease(&store).await?;
    let (step, _) = store.erase_step(&scope, &held, &erasing).await?;
    assert_eq!(step, EraseStep::Done);
    for table in TABLES {
        if let Holds::Customer(column) = table.holds {
            let left = connection.count(table.name, column, &who.to_string()).await?;
            assert_eq!(left, 0, "{} still has rows of somebody who was erased", table.name);
        }
    }
    assert_eq!(connection.count("events", "part_id", &who.to_string()).await?, 0);
    assert_eq!(connection.count("event_bodies", "position", "1").await?, 0);
    assert_eq!(connection.count("object_uniques", "object_key", "x").await?, 0);
    assert_eq!(connection.count("webhook_attempts", "webhook", "w").await?, 0);
    store.close().await;
    Ok(())
}

/// Anybody can claim an identity: however many strangers did, and whatever their histories are, a step of its erasure looks at no
/// more than it may.
async fn c5_strangers_draw_on_the_steps_of_an_erasure(database: Database) -> anyhow::Result<()> {
    let store = database.open("strangers").await?;
    let (tenant, scope) = tenant(&store).await?;
    let mut connection = Connected::to(&database.url).await?;
    let (who, rows) = (part(&tenant, 1), 20);
    let mut insert =
        async |table: &str, values: String| connection.execute(format!("INSERT INTO {table} VALUES ({values})")).await;
    for stranger in 0..60 {
        let other = part(&tenant, 100 + stranger);
        let claims = "claims (tenant_id, part_id, kind, value, authority, policy, position, source, status, refusal)";
        insert(claims, format!("1, '{other}', 'user_id', '1', 0, 0, {stranger}, 's', 1, 0")).await?;
        // What the hub said of it; one of them did a lot before.
        let before = if stranger == 30 { 50 } else { 1 };
        for event in 0..=before {
            let (name, position) = if event == before { ("Identity Refused", 0) } else { ("Order", 1 + event) };
            let position = 10_000 + 100 * stranger + position;
            let own = "customer_events (tenant_id, part_id, occurred_at, position, origin, name)";
            insert(own, format!("1, '{other}', {event}, {position}, 1, '{name}'")).await?;
            let columns = "events (tenant_id, position, origin, message_id, kind, name, part_id, occurred_at, \
                 received_at, historical, authority)";
            let values = format!("1, {position}, 1, 'm{position}', 0, '{name}', '{other}', {event}, 0, 0, 0");
            insert(columns, values).await?;
            let body = r#"{"properties":{"kind":"user_id","value":"1"}}"#;
            insert("event_bodies (tenant_id, position, body)", format!("1, {position}, '{body}'")).await?;
        }
    }
    let erasure = Id::named(&[b"erasure"]);
    let (afterwards, asked_by) = (Afterwards::Forgotten, "k".to_owned());
    let asked = NewErasure { id: erasure, customer: who, afterwards, asked_by, asked_at: at(5) };
    store.transact(&scope, vec![Op::PutErasure(asked)]).await?;
    let mut erasing = erasing(erasure, who, rows);
    let (mut held, mut left, mut steps) = (lease(&store).await?, 60, 0);
    loop {
        let (step, lease) = store.erase_step(&scope, &held, &erasing).await?;
        (held, steps) = (lease, steps + 1);
        let still = connection.count("claims", "value", "1").await?;
        assert!(left - still <= rows as i64, "a step took {} claims", left - still);
        left = still;
        match step {
            EraseStep::More(looked) => erasing.looked = looked,
            EraseStep::Done => break,
        }
    }
    // 60 claims, 60 refusals, 59 and 50 orders were looked at.
    assert!(steps * rows >= 229, "all of it in {steps} steps");
    assert_eq!(left, 0);
    assert_eq!(connection.count("events", "name", "Identity Refused").await?, 0);
    assert_eq!(connection.count("customer_events", "name", "Order").await?, 109);
    let counts = store.erasure(&scope, erasure).await?.expect("the receipt").counts;
    assert_eq!((counts["claims_of_others"], counts["events_of_others"]), (60, 60));
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_strangers_draw_on_the_steps_of_an_erasure_sqlite() -> anyhow::Result<()> {
    c5_strangers_draw_on_the_steps_of_an_erasure(Database::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_strangers_draw_on_the_steps_of_an_erasure_postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    c5_strangers_draw_on_the_steps_of_an_erasure(Database::postgres(&server).await?).await
}

fn erasing(id: Id, who: PartId, rows: usize) -> Erasing {
    Erasing {
        id,
        position: 1,
        parts: vec![Part {
            age: Age { position: 1, claimed: false, id: who },
            customer: who,
            identity: identity(1),
            source: "m".to_owned(),
            seen: true,
            state: None,
        }],
        wakes: Vec::new(),
        afterwards: Afterwards::Forgotten,
        requests: Vec::new(),
        marker: Marker::derived("test", &[1; 32]),
        now: Timestamp::from_micros(9),
        rows,
        looked: None,
    }
}

/// A value for a column of a row of the first tenant's that is `who`'s. What is set aside is another event.
pub(crate) fn planted(table: &str, column: &str, is_number: bool, who: PartId) -> String {
    match column {
        "position" if table == "set_aside" => "2".to_owned(),
        "message_id" if table == "set_aside" => "'aside'".to_owned(),
        "tenant_id" => "1".to_owned(),
        "position" => "1".to_owned(),
        "part_id" | "customer_id" | "id" | "run_id" | "person" | "push" | "subscription" => format!("'{who}'"),
        "kind" if !is_number => "'user_id'".to_owned(),
        "key" | "object_key" => "'x'".to_owned(),
        "journey" => "'j'".to_owned(),
        "plugin" => "'p'".to_owned(),
        "webhook" => "'w'".to_owned(),
        _ if is_number => "0".to_owned(),
        _ => "'{}'".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_takes_a_customer_out_of_each_table_sqlite() -> anyhow::Result<()> {
    an_erasure_takes_a_customer_out_of_each_table(Database::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_takes_a_customer_out_of_each_table_postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    an_erasure_takes_a_customer_out_of_each_table(Database::postgres(&server).await?).await
}
