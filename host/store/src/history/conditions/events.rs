//! The event leaf: an aggregate over the customer's matching events, of all of its parts.

use openhub_model::condition::{Aggregate, EventTest, PropertyTest, scaled_operand};
use openhub_model::{Span, Timestamp};
use serde_json::Number;

use super::AsOf;
use super::compare::{Column, Members};
use crate::database::filters::Sql;

/// An event's alias and that of its body.
#[derive(Clone, Copy)]
pub(super) struct Alias {
    pub(super) part: &'static str,
    pub(super) event: &'static str,
    pub(super) body: &'static str,
}

const EVENT: Alias = Alias { part: "p", event: "e", body: "b" };

/// Whether the bodies of events are looked into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bodies {
    Unread,
    Joined,
}

impl Sql {
    pub(super) fn event(&mut self, test: &EventTest, as_of: AsOf) -> &mut Self {
        let of = test.of.as_deref().unwrap_or_default();
        let property = Members::Properties(EVENT.body);
        let aggregated = |sql: &mut Self, aggregate: &'static str, column: Column| {
            sql.push(aggregate).push(" FROM (SELECT ").column(property, of, column).push(" AS x");
            sql.matching(test, Bodies::Joined, as_of).push(") AS found)");
        };
        self.push("(");
        match test.aggregate {
            Aggregate::Count => self.compared_number(test.is, &test.value, plain, |sql| {
                let bodies = if test.tests.is_empty() { Bodies::Unread } else { Bodies::Joined };
                sql.push("(SELECT COUNT(*)").matching(test, bodies, as_of).push(")");
            }),
            Aggregate::Min => self.compared_number(test.is, &test.value, plain, |sql| {
                aggregated(sql, "(SELECT MIN(x)", Column::Exact);
            }),
            Aggregate::Max => self.compared_number(test.is, &test.value, plain, |sql| {
                aggregated(sql, "(SELECT MAX(x)", Column::Exact);
            }),
            Aggregate::Sum => self.compared_number(test.is, &test.value, scaled, |sql| {
                sql.push("(SELECT CASE WHEN COUNT(x) = COUNT(m) THEN ")
                    .push(TOTAL)
                    .push(" END FROM (SELECT x, ")
                    .micros();
                aggregated(sql, " AS m", Column::Number);
                sql.push(" AS terms)");
            }),
            Aggregate::Avg => self.compared_number(test.is, &test.value, scaled, |sql| {
                sql.push("(SELECT CASE WHEN COUNT(x) = COUNT(m) AND COUNT(m) > 0 THEN (").push(TOTAL);
                sql.push(") / CAST(COUNT(m) AS DOUBLE PRECISION) END FROM (SELECT x, ").micros();
                aggregated(sql, " AS m", Column::Number);
                sql.push(" AS terms)");
            }),
            Aggregate::Distinct => self.compared_number(test.is, &test.value, plain, |sql| {
                sql.push("(SELECT COUNT(DISTINCT x) + COUNT(DISTINCT y) + COUNT(DISTINCT z) FROM (SELECT ");
                sql.column(property, of, Column::Exact).push(" AS x, ").column(property, of, Column::Text);
                sql.push(" AS y, ").column(property, of, Column::Boolean).push(" AS z");
                sql.matching(test, Bodies::Joined, as_of).push(") AS found)");
            }),
            Aggregate::First | Aggregate::Last => {
                self.push("SELECT ").member(property, of, test.is, &test.value);
                self.matching(test, Bodies::Joined, as_of);
                self.push(match test.aggregate {
                    Aggregate::First => " ORDER BY e.occurred_at, e.origin, e.position LIMIT 1",
                    _ => " ORDER BY e.occurred_at DESC, e.origin DESC, e.position DESC LIMIT 1",
                })
            }
        };
        self.push(")")
    }

    fn matching(&mut self, test: &EventTest, bodies: Bodies, as_of: AsOf) -> &mut Self {
        self.push(" FROM ").customers_events(EVENT, &test.name, bodies, as_of);
        self.since(EVENT, test.within, as_of);
        if let Some(from) = test.from {
            self.push(" AND e.occurred_at >= ").int(from.micros());
        }
        if let Some(to) = test.to {
            self.push(" AND e.occurred_at < ").int(to.micros());
        }
        self.properties(EVENT, &test.tests)
    }

    /// The customer's events of one name up to now: what follows FROM, with its WHERE.
    pub(super) fn customers_events(&mut self, alias: Alias, name: &str, bodies: Bodies, as_of: AsOf) -> &mut Self {
        let Alias { part, event, body } = alias;
        self.parts_and(part, "customer_events ", event, "");
        if bodies == Bodies::Joined {
            self.push(" LEFT JOIN event_bodies ").push(body).push(" ON ").push(body).push(".tenant_id = ").push(event);
            self.push(".tenant_id AND ").push(body).push(".position = ").push(event).push(".position");
        }
        self.of_customer(part, event).push(" AND ").push(event).push(".name = ").text(name);
        self.push(" AND ").push(event).push(".occurred_at <= ").int(as_of.now.micros());
        if as_of.checkpoint < i64::MAX {
            self.push(" AND (").push(event).push(".position <= ").int(as_of.checkpoint);
            self.push(" OR ").push(event).push(".origin = 1)");
        }
        self
    }

    /// Within a sliding window.
    pub(super) fn since(&mut self, alias: Alias, within: Option<Span>, as_of: AsOf) -> &mut Self {
        if let Some(within) = within {
            self.push(" AND ").push(alias.event).push(".occurred_at > ").int(start(as_of.now, within));
        }
        self
    }

    pub(super) fn properties(&mut self, alias: Alias, tests: &[PropertyTest]) -> &mut Self {
        for test in tests {
            self.push(" AND ").member(Members::Properties(alias.body), &test.property, test.is, &test.value);
        }
        self
    }

    /// `x` in millionths, NULL beyond the model's `MICROS_LIMIT`; PostgreSQL's cast rounds, SQLite's does not.
    fn micros(&mut self) -> &mut Self {
        self.push("CASE WHEN ABS(x) <= 9000000000000.0 THEN ").either("CAST(", "CAST(TRUNC(");
        self.push("x * 1000000.0 + (CASE WHEN x < 0.0 THEN -0.5 ELSE 0.5 END)");
        self.either(" AS BIGINT) END", ") AS BIGINT) END")
    }
}

/// The sum of `m`, apart in whole units and the rest, so that it does not overflow; exact up to 2⁵³.
const TOTAL: &str = "COALESCE(CAST(SUM(m / 1000000) AS DOUBLE PRECISION), 0.0) * 1000000.0 + \
                     COALESCE(CAST(SUM(m % 1000000) AS DOUBLE PRECISION), 0.0)";

/// What lies after this moment is in the window.
pub(super) fn start(now: Timestamp, within: Span) -> i64 {
    (now - within).micros()
}

pub(super) fn plain(number: &Number) -> Number {
    number.clone()
}

fn scaled(number: &Number) -> Number {
    match scaled_operand(number.as_f64().unwrap_or_default()) {
        Ok(micros) => micros.into(),
        Err(double) => Number::from_f64(double).unwrap_or_else(|| 0.into()),
    }
}
