//! Runs, the timers that move them, and how often a customer entered a journey. Ended runs stay as rows.

use openhub_model::run::{Run, RunStatus, Told};
use openhub_model::timer::{Timer, TimerKind};
use openhub_model::{Id, PartId, TenantId, Timestamp};
use serde_json::{Value, json};
use std::borrow::Cow;

use crate::database::bulk::{self, Bulk, Rows, json_text};
use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, id, json, limit, maybe_time, time};
use crate::database::filters::Sql;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// A customer's history in a journey, whatever the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub journey: String,
    pub part: PartId,
    /// Runs ever started.
    pub runs: i64,
    /// Runs that have not ended.
    pub active: i64,
    pub last_entered_at: Timestamp,
}

#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Of the customer that this part belongs to.
    pub part: Option<PartId>,
    pub journey: Option<String>,
    pub status: Option<RunStatus>,
    pub after: Option<Id>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    part_id: String,
    journey: String,
    version: i64,
    node: String,
    step: i64,
    status: i64,
    awaits: Option<String>,
    since: i64,
    due: Option<i64>,
    state: String,
    started_at: i64,
    ended_at: Option<i64>,
    fault: Option<String>,
    served_by: Option<String>,
    told: Option<String>,
}

impl Store {
    /// The runs of these parts that have not ended.
    pub async fn waiting_runs(&self, scope: &Scope, parts: &[PartId]) -> Result<Vec<Run>, StoreError> {
        scope.sees_people()?;
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, part_id, journey, version, node, step, status, awaits, since, due, state, started_at, ended_at, \
             fault, served_by, told \
             FROM runs WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2)) AND status = 0 ORDER BY id",
            scope.tenant().0,
            bulk::list(parts),
        );
        rows.into_iter().map(run).collect()
    }

    pub async fn entries(
        &self,
        scope: &Scope,
        journeys: &[String],
        parts: &[PartId],
    ) -> Result<Vec<Entry>, StoreError> {
        if journeys.is_empty() || parts.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select!(
            self,
            scope,
            (String, String, i64, i64, i64),
            "SELECT journey, part_id, runs, active, last_entered_at FROM entries WHERE tenant_id = $1 \
             AND journey IN (SELECT atom FROM json_each($2)) AND part_id IN (SELECT atom FROM json_each($3))",
            scope.tenant().0,
            bulk::list(journeys),
            bulk::list(parts),
        );
        rows.into_iter()
            .map(|(journey, part, runs, active, last)| {
                Ok(Entry { journey, part: id(&part)?, runs, active, last_entered_at: time(last) })
            })
            .collect()
    }

    /// Timers due before `before`, by `(due, id)`.
    pub async fn due_timers(&self, scope: &Scope, before: Timestamp, rows: usize) -> Result<Vec<Timer>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, String, i64, String),
            "SELECT due, id, kind, part_id FROM timers WHERE tenant_id = $1 AND due < $2 ORDER BY due, id LIMIT $3",
            scope.tenant().0,
            before.micros(),
            limit(rows),
        );
        rows.into_iter()
            .map(|(due, timer, code, part)| {
                let kind = TimerKind::from_code(code).ok_or_else(|| corrupt("a timer's kind"))?;
                Ok(Timer { due: time(due), id: id(&timer)?, kind, part: id(&part)? })
            })
            .collect()
    }

    /// When the first timer is due.
    pub async fn next_due(&self, scope: &Scope) -> Result<Option<Timestamp>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT due FROM timers WHERE tenant_id = $1 ORDER BY due LIMIT 1",
            scope.tenant().0,
        );
        Ok(rows.first().map(|(due,)| time(*due)))
    }

    /// A page of runs, by id.
    pub async fn runs(&self, scope: &Scope, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        scope.sees_people()?;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT id, part_id, journey, version, node, step, status, awaits, since, due, state, started_at, ended_at, \
             fault, served_by, told \
             FROM ",
        );
        if let Some(part) = filter.part {
            sql.each_part_of(scope.tenant(), part);
        }
        sql.push("runs WHERE tenant_id = ");
        sql.int(scope.tenant().0);
        if filter.part.is_some() {
            sql.push(" AND part_id = own");
        }
        if let Some(journey) = &filter.journey {
            sql.push(" AND journey = ").text(journey);
        }
        if let Some(status) = filter.status {
            sql.push(" AND status = ").int(status.code());
        }
        if let Some(after) = filter.after {
            sql.push(" AND id > ").text(&after.to_string());
        }
        sql.push(" ORDER BY id LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(run).collect()
    }

    pub async fn run(&self, scope: &Scope, id: Id) -> Result<Option<Run>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, part_id, journey, version, node, step, status, awaits, since, due, state, started_at, ended_at, \
             fault, served_by, told \
             FROM runs WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(run).transpose()
    }
}

pub(crate) fn run_rows(runs: &[Run]) -> Option<Bulk> {
    Rows::of(runs, |row, run| {
        row.id(run.id).id(run.part).text(&run.journey).int(run.version).text(&run.node).int(run.step);
        row.int(run.status.code()).maybe_text(written(&run.awaits).as_deref()).int(run.since).maybe_time(run.due);
        row.text(&run.state).time(run.started_at).maybe_time(run.ended_at).maybe_text(run.fault.as_deref());
        row.maybe_text(run.served_by.as_deref()).maybe_text(told(&run.told).as_deref());
    })
}

pub(crate) async fn put_runs(tx: &mut Tx<'_>, tenant: TenantId, rows: Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO runs (tenant_id, id, part_id, journey, version, node, step, status, awaits, since, due, state, started_at, \
         ended_at, fault, served_by, told) SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), \
         CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS TEXT), CAST(value ->> 5 AS BIGINT), \
         CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS TEXT), CAST(value ->> 8 AS BIGINT), CAST(value ->> 9 AS BIGINT), \
         CAST(value ->> 10 AS TEXT), CAST(value ->> 11 AS BIGINT), CAST(value ->> 12 AS BIGINT), CAST(value ->> 13 AS TEXT), \
         CAST(value ->> 14 AS TEXT), CAST(value ->> 15 AS TEXT) FROM jsonb_each($2) WHERE true ON CONFLICT (tenant_id, id) DO UPDATE SET part_id = excluded.part_id, \
         node = excluded.node, step = excluded.step, status = excluded.status, awaits = excluded.awaits, \
         since = excluded.since, due = excluded.due, state = excluded.state, ended_at = excluded.ended_at, fault = excluded.fault, \
         served_by = excluded.served_by, told = excluded.told",
        tenant.0,
        rows.json,
    )
    .map(drop)
}

pub(crate) fn timer_rows(timers: &[Timer]) -> Option<Bulk> {
    Rows::of(timers, |row, timer| {
        row.time(timer.due).id(timer.id).int(timer.kind.code()).id(timer.part);
    })
}

pub(crate) async fn disarm(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        // In this order SQLite uses the whole primary key; as (due, id) it scans all timers of an instant.
        "DELETE FROM timers WHERE tenant_id = $1 AND (id, due) IN \
         (SELECT CAST(value ->> 1 AS TEXT), CAST(value ->> 0 AS BIGINT) FROM jsonb_each($2))",
        tenant.0,
        &rows.json,
    )
}

pub(crate) async fn arm(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO timers (tenant_id, due, id, kind, part_id) SELECT $1, CAST(value ->> 0 AS BIGINT), \
         CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS BIGINT), CAST(value ->> 3 AS TEXT) FROM jsonb_each($2) WHERE true ON CONFLICT DO NOTHING",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

pub(crate) fn entry_rows(entries: &[Entry]) -> Option<Bulk> {
    Rows::of(entries, |row, entry| {
        row.text(&entry.journey).id(entry.part).int(entry.runs).int(entry.active).time(entry.last_entered_at);
    })
}

pub(crate) async fn put_entries(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO entries (tenant_id, journey, part_id, runs, active, last_entered_at) SELECT $1, \
         CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS BIGINT), \
         CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT) FROM jsonb_each($2) WHERE true \
         ON CONFLICT (tenant_id, journey, part_id) DO UPDATE SET runs = excluded.runs, active = excluded.active, \
         last_entered_at = excluded.last_entered_at",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

fn told(told: &Told) -> Option<String> {
    (!told.is_nothing()).then(|| json_text(&json!(told)))
}

/// The name, as long as there is one; several as a JSON array, and so is one that looks like an array.
fn written(awaits: &[String]) -> Option<Cow<'_, str>> {
    match awaits {
        [] => None,
        [name] if !name.starts_with('[') => Some(name.into()),
        names => Some(Value::from(names).to_string().into()),
    }
}

fn read(text: String) -> Vec<String> {
    let names = text.starts_with('[').then(|| serde_json::from_str(&text).ok()).flatten();
    names.unwrap_or_else(|| vec![text])
}

fn run(row: Row) -> Result<Run, StoreError> {
    Ok(Run {
        id: id(&row.id)?,
        part: id(&row.part_id)?,
        journey: row.journey,
        version: row.version,
        node: row.node,
        step: row.step,
        status: RunStatus::from_code(row.status).ok_or_else(|| corrupt("status of a run"))?,
        awaits: row.awaits.map(read).unwrap_or_default(),
        since: row.since,
        due: maybe_time(row.due),
        state: row.state,
        started_at: time(row.started_at),
        ended_at: maybe_time(row.ended_at),
        fault: row.fault,
        served_by: row.served_by.map(Into::into),
        told: row.told.map_or(Ok(Told::default()), |text| json(&text, "what a run tells"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written() {
        for names in [&[][..], &["Order Completed"], &["A", "B"], &["[odd"], &["[\"a\"]"], &["[a]", "b,c"]] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let text = written(&names);
            assert_eq!(text.as_deref().map(str::to_owned).map(read).unwrap_or_default(), names, "{text:?}");
        }
        assert_eq!(written(&["Order Completed".to_owned()]).as_deref(), Some("Order Completed"), "as it always was");
    }
}
