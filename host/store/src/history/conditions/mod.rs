//! Conditions as SQL: a truth value over a row `c` of `customers`, `NULL` for unknown.
//!
//! The meaning is the model's (see `openhub_model::condition`), leaf by leaf; a property test holds both executions and an
//! independent reference equal, on both databases. Which customers are asked, and what for, is the caller's.

mod ask;
mod compare;
mod events;
mod leaves;
mod preview;
mod sequence;

use openhub_model::{Condition, Timestamp};

use crate::database::filters::Sql;

pub use preview::Preview;

/// The moment that a condition is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The tenant's clock. Later events do not count yet.
    pub now: Timestamp,
    /// Events that the engine has not done do not count: those that arrived past this position.
    pub checkpoint: i64,
}

impl AsOf {
    /// With all events that are in the log.
    pub const fn whole_log(now: Timestamp) -> AsOf {
        AsOf { now, checkpoint: i64::MAX }
    }
}

impl Sql {
    /// The truth of `condition` for the row `c` of `customers`.
    pub(crate) fn condition(&mut self, condition: &Condition, as_of: AsOf) -> &mut Self {
        match condition {
            Condition::All(parts) if parts.is_empty() => self.push("TRUE"),
            Condition::Any(parts) if parts.is_empty() => self.push("FALSE"),
            Condition::All(parts) => self.joined(parts, " AND ", as_of),
            Condition::Any(parts) => self.joined(parts, " OR ", as_of),
            Condition::Not(part) => self.push("(NOT ").condition(part, as_of).push(")"),
            Condition::Attribute(test) => self.attribute(test, as_of),
            Condition::Tag(tag) => self.tag(tag),
            Condition::Identity(test) => self.identity(test),
            Condition::Consent(test) => self.consent(test),
            Condition::Segment(name) => self.segment(name),
            Condition::Bucket(test) => self.bucket(test),
            Condition::Journey(test) => self.journey(test),
            Condition::Message(test) => self.message(test, as_of),
            Condition::Event(test) => self.event(test, as_of),
            Condition::Sequence(test) => self.sequence(test, as_of),
            Condition::Object(test) => self.object(test, as_of),
        }
    }

    /// As a balanced tree: SQLite bounds the depth of an expression, and a chain is as deep as it is long.
    fn joined(&mut self, parts: &[Condition], word: &'static str, as_of: AsOf) -> &mut Self {
        match parts {
            [part] => self.condition(part, as_of),
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                self.push("(").joined(left, word, as_of).push(word).joined(right, word, as_of).push(")")
            }
        }
    }

    /// The customer's parts and what belongs to them, in this order. A planner that does not know how many rows there are
    /// may rather walk all of the tenant's for each customer: SQLite is told the order by the CROSS JOIN, PostgreSQL by the
    /// OFFSET.
    fn parts_and(
        &mut self,
        part: &'static str,
        table: &'static str,
        alias: &'static str,
        index: &'static str,
    ) -> &mut Self {
        self.push("parts ").push(part);
        match self {
            Sql::Sqlite(_) => self.push(" CROSS JOIN ").push(table).push(alias).push(index),
            Sql::Postgres(_) => {
                self.push(" CROSS JOIN LATERAL (SELECT x.* FROM ")
                    .push(table)
                    .push("x WHERE x.tenant_id = ")
                    .push(part);
                self.push(".tenant_id AND x.part_id = ").push(part).push(".part_id OFFSET 0) ").push(alias)
            }
        }
    }

    /// The WHERE of what `parts_and` begins.
    fn of_customer(&mut self, part: &'static str, alias: &'static str) -> &mut Self {
        self.push(" WHERE ").push(part).push(".tenant_id = c.tenant_id AND ").push(part);
        self.push(".customer_id = c.part_id AND ").push(alias).push(".tenant_id = ").push(part);
        self.push(".tenant_id AND ").push(alias).push(".part_id = ").push(part).push(".part_id")
    }
}
