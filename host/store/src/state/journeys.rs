//! Journeys: drafts, published versions, and how many runs entered each node.

use openhub_model::message::MessageStatus;
use openhub_model::run::RunStatus;
use openhub_model::{PartId, TenantId, Timestamp};
use serde_json::Value;

use crate::database::bulk::json_text;
use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{corrupt, id, json, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::blocks::is_held;
use crate::state::plugins::{Unreadable, readable};
use crate::store::Store;

/// The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum JourneyStatus {
    Draft = 0,
    Published = 1,
    /// No run starts, none moves, and nothing of it is sent.
    Paused = 2,
    /// No run starts; those under way finish.
    Draining = 3,
    /// Its runs were ended, and what was unsent of it was taken back.
    Stopped = 4,
}

impl JourneyStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<JourneyStatus> {
        use JourneyStatus::*;
        [Draft, Published, Paused, Draining, Stopped].into_iter().find(|status| status.code() == code)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct JourneyRow {
    pub name: String,
    pub status: JourneyStatus,
    pub draft: Option<Value>,
    /// The active version, if one was published.
    pub version: Option<i64>,
    /// The greatest version written; 0 for none.
    pub latest: i64,
    pub updated_at: Timestamp,
    /// Of the change in the log that it stands as it does by; 0 if there is none.
    pub position: i64,
    /// A block on service holds it: whatever its status, it rests.
    pub held: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct JourneyVersion {
    pub journey: String,
    pub version: i64,
    pub definition: Value,
    pub created_at: Timestamp,
}

/// What a node has seen: runs that ever entered it and runs that wait there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStanding {
    pub journey: String,
    pub version: i64,
    pub node: String,
    pub entered: i64,
    pub waiting: i64,
}

/// How many runs and messages of a journey have each status; one that none has is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub runs: Vec<(RunStatus, i64)>,
    pub messages: Vec<(MessageStatus, i64)>,
}

type Row = (String, i64, Option<String>, Option<i64>, i64, i64, i64, i64);
type VersionRow = (String, i64, String, i64);

impl Store {
    pub async fn journeys(&self, scope: &Scope) -> Result<Vec<JourneyRow>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT name, status, draft, version, latest, updated_at, position, held FROM journeys WHERE tenant_id = $1 ORDER BY name",
            scope.tenant().0,
        );
        rows.into_iter().map(journey).collect()
    }

    pub async fn journey(&self, scope: &Scope, name: &str) -> Result<Option<JourneyRow>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT name, status, draft, version, latest, updated_at, position, held FROM journeys WHERE tenant_id = $1 AND name = $2",
            scope.tenant().0,
            name.to_owned(),
        );
        rows.into_iter().next().map(journey).transpose()
    }

    pub async fn journey_versions(&self, scope: &Scope, name: &str) -> Result<Vec<JourneyVersion>, StoreError> {
        let rows = select!(
            self,
            scope,
            VersionRow,
            "SELECT journey, version, definition, created_at FROM journey_versions \
             WHERE tenant_id = $1 AND journey = $2 ORDER BY version",
            scope.tenant().0,
            name.to_owned(),
        );
        rows.into_iter().map(journey_version).collect()
    }

    pub async fn journey_version(
        &self,
        scope: &Scope,
        name: &str,
        version: i64,
    ) -> Result<Option<JourneyVersion>, StoreError> {
        let rows = select!(
            self,
            scope,
            VersionRow,
            "SELECT journey, version, definition, created_at FROM journey_versions \
             WHERE tenant_id = $1 AND journey = $2 AND version = $3",
            scope.tenant().0,
            name.to_owned(),
            version,
        );
        rows.into_iter().next().map(journey_version).transpose()
    }

    /// Versions that are active or that runs still wait in, as far as they can be read.
    pub async fn published_versions(&self, scope: &Scope) -> Result<Vec<JourneyVersion>, StoreError> {
        Ok(self.readable_versions(scope).await?.0)
    }

    /// What the engine must have loaded: versions that are active or that runs still wait in; and those that cannot be read.
    pub async fn readable_versions(&self, scope: &Scope) -> Result<(Vec<JourneyVersion>, Vec<Unreadable>), StoreError> {
        let rows = select!(
            self,
            scope,
            VersionRow,
            "SELECT v.journey, v.version, v.definition, v.created_at FROM journey_versions v WHERE v.tenant_id = $1 AND ( \
             EXISTS (SELECT 1 FROM journeys j WHERE j.tenant_id = $1 AND j.name = v.journey AND j.version = v.version) \
             OR EXISTS (SELECT 1 FROM node_counts c WHERE c.tenant_id = $1 AND c.journey = v.journey AND c.version = v.version \
             AND c.waiting > 0)) ORDER BY v.journey, v.version",
            scope.tenant().0,
        );
        Ok(readable(rows.into_iter().map(|row| {
            let (name, version) = (row.0.clone(), row.1);
            journey_version(row).map_err(|error| Unreadable::of(&name, Some(version), error))
        })))
    }

    /// The parts whose runs wait in a journey, each once.
    pub async fn waiting_parts(&self, scope: &Scope, journey: &str) -> Result<Vec<PartId>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT DISTINCT part_id FROM runs WHERE tenant_id = $1 AND journey = $2 AND status = 0 ORDER BY part_id",
            scope.tenant().0,
            journey.to_owned(),
        );
        rows.iter().map(|(part,)| id(part)).collect()
    }

    /// Every node that a run ever entered, by version and node.
    pub async fn node_counts(&self, scope: &Scope, journey: &str) -> Result<Vec<NodeStanding>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, i64, String, i64, i64),
            "SELECT journey, version, node, entered, waiting FROM node_counts \
             WHERE tenant_id = $1 AND journey = $2 ORDER BY version, node",
            scope.tenant().0,
            journey.to_owned(),
        );
        Ok(rows
            .into_iter()
            .map(|(journey, version, node, entered, waiting)| NodeStanding { journey, version, node, entered, waiting })
            .collect())
    }
}

impl Store {
    /// What has become of a journey's runs and of its messages. Those of one that had the name before and was removed are not its.
    pub async fn outcomes(&self, scope: &Scope, journey: &str) -> Result<Outcomes, StoreError> {
        let former = select!(
            self,
            scope,
            (i64,),
            "SELECT former FROM journeys WHERE tenant_id = $1 AND name = $2",
            scope.tenant().0,
            journey.to_owned(),
        );
        let former = former.first().map_or(0, |(former,)| *former);
        let rows = select!(
            self,
            scope,
            (i64, i64, i64),
            "SELECT CAST(0 AS BIGINT), status, COUNT(*) FROM runs WHERE tenant_id = $1 AND journey = $2 AND ($3 = 0 OR version > $3) \
             GROUP BY status UNION ALL SELECT 1, status, COUNT(*) FROM messages WHERE tenant_id = $1 AND journey = $2 \
             AND ($3 = 0 OR EXISTS (SELECT 1 FROM runs WHERE runs.tenant_id = $1 AND runs.id = messages.run_id AND runs.version > $3)) \
             GROUP BY status ORDER BY 1, 2",
            scope.tenant().0,
            journey.to_owned(),
            former,
        );
        let mut outcomes = Outcomes::default();
        for (of, status, count) in rows {
            if of == 0 {
                let status = RunStatus::from_code(status).ok_or_else(|| corrupt("status of a run"))?;
                outcomes.runs.push((status, count));
            } else {
                let status = MessageStatus::from_code(status).ok_or_else(|| corrupt("status of a message"))?;
                outcomes.messages.push((status, count));
            }
        }
        Ok(outcomes)
    }
}

pub(crate) async fn put_draft(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    definition: &Value,
    at: Timestamp,
) -> Result<(), StoreError> {
    let definition = json_text(definition);
    let put = execute!(
        tx.conn(),
        "UPDATE journeys SET draft = $3, updated_at = $4 WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        name,
        &definition,
        at.micros(),
    )?;
    if put > 0 {
        return Ok(());
    }
    // Runs of a journey that had the name before keep their versions, and this one goes on behind them.
    execute!(
        tx.conn(),
        "INSERT INTO journeys (tenant_id, name, status, draft, latest, former, updated_at) \
         SELECT $1, $2, 0, $3, former, former, $4 FROM (SELECT COALESCE(MAX(version), 0) AS former FROM runs \
         WHERE tenant_id = $1 AND journey = $2) AS before WHERE true \
         ON CONFLICT (tenant_id, name) DO UPDATE SET draft = excluded.draft, updated_at = excluded.updated_at",
        tenant.0,
        name,
        &definition,
        at.micros(),
    )
    .map(drop)
}

/// The version must be the one after the latest; else somebody else published meanwhile.
pub(crate) async fn put_version(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    version: i64,
    definition: &Value,
    at: Timestamp,
) -> Result<(), StoreError> {
    let definition = json_text(definition);
    let put = execute!(
        tx.conn(),
        "INSERT INTO journeys (tenant_id, name, status, draft, latest, updated_at) VALUES ($1, $2, 0, $3, $4, $5) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET latest = excluded.latest, updated_at = excluded.updated_at \
         WHERE journeys.latest = excluded.latest - 1",
        tenant.0,
        name,
        &definition,
        version,
        at.micros(),
    )?;
    if put == 0 {
        return Err(StoreError::AlreadyExists(format!("{name} {version}")));
    }
    execute!(
        tx.conn(),
        "INSERT INTO journey_versions (tenant_id, journey, version, definition, created_at) VALUES ($1, $2, $3, $4, $5)",
        tenant.0,
        name,
        version,
        &definition,
        at.micros(),
    )
    .map(drop)
}

/// Of a journey in which no run waits; its ended runs and their messages stay.
pub(crate) async fn delete_journey(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    let deleted = execute!(
        tx.conn(),
        "DELETE FROM journeys WHERE tenant_id = $1 AND name = $2 AND NOT EXISTS (SELECT 1 FROM runs \
         WHERE runs.tenant_id = $1 AND runs.journey = $2 AND runs.status = 0)",
        tenant.0,
        name,
    )?;
    if deleted == 0 {
        return Err(StoreError::NotFound);
    }
    for sql in [
        "DELETE FROM node_counts WHERE tenant_id = $1 AND journey = $2",
        "DELETE FROM entries WHERE tenant_id = $1 AND journey = $2",
    ] {
        execute!(tx.conn(), sql, tenant.0, name)?;
    }
    Ok(())
}

/// What a change of a journey's status does to its runs and messages, at its place in the log. `clock` is the tenant's, `wall` the
/// host's.
pub(crate) async fn follow_status(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    status: JourneyStatus,
    (clock, wall): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let before = fetch_optional!(
        tx.conn(),
        (i64, i64, i64),
        concat!(
            "SELECT status, held, ",
            is_held!("journey", "journeys.name"),
            " FROM journeys WHERE tenant_id = $1 AND name = $2"
        ),
        tenant.0,
        name,
    )?;
    let Some((before, was_held, is_held)) = before else { return Ok(()) };
    let rested = before == JourneyStatus::Paused.code() || was_held != 0;
    let rests = status == JourneyStatus::Paused || is_held != 0;
    match status {
        JourneyStatus::Stopped => stop(tx, tenant, name, clock, wall).await?,
        _ if rests && !rested => hold(tx, tenant, name).await?,
        JourneyStatus::Published | JourneyStatus::Draining if rested && !rests => {
            release(tx, tenant, name, clock, wall).await?;
        }
        _ => {}
    }
    execute!(tx.conn(), "UPDATE journeys SET held = $3 WHERE tenant_id = $1 AND name = $2", tenant.0, name, is_held)
        .map(drop)
}

/// What rests stays as it is: without timers nothing moves by itself.
pub(crate) async fn hold(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    disarm_journey(tx, tenant, name).await?;
    execute!(
        tx.conn(),
        "UPDATE messages SET status = 6 WHERE tenant_id = $1 AND status = 0 AND journey = $2",
        tenant.0,
        name,
    )
    .map(drop)
}

async fn disarm_journey(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM timers WHERE tenant_id = $1 AND (id, due) IN (SELECT id, due FROM runs \
         WHERE runs.tenant_id = $1 AND runs.journey = $2 AND runs.status = 0 AND runs.due IS NOT NULL)",
        tenant.0,
        name,
    )
    .map(drop)
}

/// What came due meanwhile is due now.
pub(crate) async fn release(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    clock: Timestamp,
    wall: Timestamp,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE runs SET due = $3 WHERE tenant_id = $1 AND journey = $2 AND status = 0 AND due < $3",
        tenant.0,
        name,
        clock.micros(),
    )?;
    execute!(
        tx.conn(),
        "INSERT INTO timers (tenant_id, due, id, kind, part_id) SELECT tenant_id, due, id, 0, part_id FROM runs \
         WHERE tenant_id = $1 AND journey = $2 AND status = 0 AND due IS NOT NULL ON CONFLICT DO NOTHING",
        tenant.0,
        name,
    )?;
    execute!(
        tx.conn(),
        "UPDATE messages SET status = 0, next_attempt_at = COALESCE(next_attempt_at, CAST($3 AS BIGINT)) \
         WHERE tenant_id = $1 AND status = 6 AND journey = $2",
        tenant.0,
        name,
        wall.micros(),
    )?;
    tx.signal_appended(tenant);
    Ok(())
}

async fn stop(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    clock: Timestamp,
    wall: Timestamp,
) -> Result<(), StoreError> {
    disarm_journey(tx, tenant, name).await?;
    execute!(
        tx.conn(),
        "UPDATE runs SET status = 3, awaits = NULL, due = NULL, state = '{}', ended_at = $3, fault = $4 \
         WHERE tenant_id = $1 AND journey = $2 AND status = 0",
        tenant.0,
        name,
        clock.micros(),
        "The journey was stopped.",
    )?;
    for sql in [
        "UPDATE node_counts SET waiting = 0 WHERE tenant_id = $1 AND journey = $2",
        "UPDATE entries SET active = 0 WHERE tenant_id = $1 AND journey = $2",
    ] {
        execute!(tx.conn(), sql, tenant.0, name)?;
    }
    execute!(
        tx.conn(),
        "UPDATE messages SET status = 4, next_attempt_at = NULL, settled_at = $3, fault = $4 \
         WHERE tenant_id = $1 AND status IN (0, 6) AND journey = $2",
        tenant.0,
        name,
        wall.micros(),
        "its journey was stopped",
    )
    .map(drop)
}

fn journey((name, status, draft, version, latest, updated_at, position, held): Row) -> Result<JourneyRow, StoreError> {
    Ok(JourneyRow {
        name,
        status: JourneyStatus::from_code(status).ok_or_else(|| corrupt("status of a journey"))?,
        // A draft that cannot be read is no draft: it stands in nobody's way, and is written anew.
        draft: draft.and_then(|draft| json(&draft, "draft of a journey").ok()),
        version,
        latest,
        updated_at: time(updated_at),
        position,
        held: held != 0,
    })
}

fn journey_version((journey, version, definition, created_at): VersionRow) -> Result<JourneyVersion, StoreError> {
    let definition = json(&definition, "definition of a journey")?;
    Ok(JourneyVersion { journey, version, definition, created_at: time(created_at) })
}
