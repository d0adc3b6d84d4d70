//! SQL that is made at run time: list filters and conditions. Nowhere else does a string become SQL, and every value
//! that came from outside is bound.
//!
//! A condition's meaning is that of the model: three-valued, an absent or `null` attribute or one of another type
//! makes a comparison unknown, and unknown does not hold.

use openhub_model::condition::{AttributeTest, Comparison};
use openhub_model::{Condition, PartId, TenantId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Postgres, QueryBuilder, Sqlite};

use crate::connection::Conn;
use crate::dialect::POSTGRES_COLLATION;
use crate::error::StoreError;

/// A statement under construction, for either database.
pub(crate) enum Sql {
    Sqlite(QueryBuilder<Sqlite>),
    Postgres(QueryBuilder<Postgres>),
}

impl Sql {
    pub(crate) fn new(conn: &Conn<'_>, sql: &'static str) -> Sql {
        match conn {
            Conn::Sqlite(_) => Sql::Sqlite(QueryBuilder::new(sql)),
            Conn::Postgres(_) => Sql::Postgres(QueryBuilder::new(sql)),
        }
    }

    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        match self {
            Sql::Sqlite(builder) => drop(builder.push(sql)),
            Sql::Postgres(builder) => drop(builder.push(sql)),
        }
        self
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        match self {
            Sql::Sqlite(builder) => drop(builder.push_bind(value)),
            Sql::Postgres(builder) => drop(builder.push_bind(value)),
        }
        self
    }

    /// U+0000 is stored as U+FFFD, so it is looked for as such.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        let value = value.replace('\0', "\u{FFFD}");
        match self {
            Sql::Sqlite(builder) => drop(builder.push_bind(value)),
            Sql::Postgres(builder) => drop(builder.push_bind(value)),
        }
        self
    }

    /// For a FROM clause: the parts of the customer that a part belongs to, itself at least, as `own`; the table behind
    /// is looked up for each of them.
    pub(crate) fn each_part_of(&mut self, tenant: TenantId, part: PartId) -> &mut Self {
        let part = part.to_string();
        self.push("(SELECT CAST(")
            .text(&part)
            .push(" AS TEXT) AS own UNION SELECT part_id FROM parts WHERE tenant_id = ");
        self.int(tenant.0).push(" AND customer_id = (SELECT customer_id FROM parts WHERE tenant_id = ").int(tenant.0);
        self.push(" AND part_id = ").text(&part).push(")) AS owner CROSS JOIN ")
    }

    pub(crate) async fn fetch_all<R>(mut self, conn: Conn<'_>) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let rows = match (&mut self, conn) {
            (Sql::Sqlite(builder), Conn::Sqlite(conn)) => builder.build_query_as::<R>().fetch_all(conn).await,
            (Sql::Postgres(builder), Conn::Postgres(conn)) => builder.build_query_as::<R>().fetch_all(conn).await,
            _ => unreachable!("a statement is built for the connection that it runs on"),
        };
        Ok(rows?)
    }

    /// A truth value over a row with columns `attributes` and `tags`.
    pub(crate) fn condition(&mut self, condition: &Condition) -> &mut Self {
        match condition {
            Condition::All(conditions) => self.joined(conditions, " AND ", "(TRUE"),
            Condition::Any(conditions) => self.joined(conditions, " OR ", "(FALSE"),
            Condition::Not(condition) => self.push("(NOT ").condition(condition).push(")"),
            Condition::Tag(tag) => {
                self.push("EXISTS (SELECT 1 FROM json_each(tags) WHERE type = 'true' AND key = ").text(tag).push(")")
            }
            Condition::Attribute(test) => self.attribute(test),
        }
    }

    fn joined(&mut self, conditions: &[Condition], word: &'static str, neutral: &'static str) -> &mut Self {
        self.push(neutral);
        for condition in conditions {
            self.push(word).condition(condition);
        }
        self.push(")")
    }

    fn attribute(&mut self, test: &AttributeTest) -> &mut Self {
        let name = &test.name;
        match test.is {
            Comparison::Exists => self.present("EXISTS", name),
            Comparison::Missing => self.present("NOT EXISTS", name),
            Comparison::Eq => self.compare(name, " = ", &test.value),
            Comparison::Ne => self.compare(name, " <> ", &test.value),
            Comparison::Lt => self.compare(name, " < ", &test.value),
            Comparison::Le => self.compare(name, " <= ", &test.value),
            Comparison::Gt => self.compare(name, " > ", &test.value),
            Comparison::Ge => self.compare(name, " >= ", &test.value),
            // One of several: equal to the first, or to the second, …
            Comparison::In => {
                self.push("(FALSE");
                for value in test.value.as_array().into_iter().flatten() {
                    self.push(" OR ").compare(name, " = ", value);
                }
                self.push(")")
            }
        }
    }

    fn present(&mut self, word: &'static str, name: &str) -> &mut Self {
        self.push(word)
            .push(" (SELECT 1 FROM json_each(attributes) WHERE type <> 'null' AND key = ")
            .text(name)
            .push(")")
    }

    /// No row (absent) and no branch of CASE (another type) both give NULL: unknown.
    fn compare(&mut self, name: &str, operator: &'static str, value: &Value) -> &mut Self {
        match value {
            Value::Number(number) => {
                self.push("(SELECT CASE WHEN type IN ('integer', 'real') THEN CAST(atom AS NUMERIC)").push(operator);
                self.push("CAST(").text(&number.to_string()).push(" AS NUMERIC)");
            }
            Value::String(text) => {
                self.push("(SELECT CASE WHEN type = 'text' THEN CAST(atom AS TEXT)")
                    .collate()
                    .push(operator)
                    .text(text);
            }
            Value::Bool(truth) => {
                self.push("(SELECT CASE type WHEN 'true' THEN 1").push(operator).int(i64::from(*truth));
                self.push(" WHEN 'false' THEN 0").push(operator).int(i64::from(*truth));
            }
            // Nothing compares with `null`, a list or an object.
            _ => return self.push("CAST(NULL AS BOOLEAN)"),
        }
        self.push(" END FROM json_each(attributes) WHERE key = ").text(name).push(")")
    }

    fn collate(&mut self) -> &mut Self {
        match self {
            Sql::Sqlite(_) => self,
            Sql::Postgres(_) => self.push(POSTGRES_COLLATION),
        }
    }
}
