//! Proposed matches: two identities that a rule believes to be one customer, for a human or a policy to decide.

use openhub_model::{Id, Identity, PartId, TenantId, Timestamp};

use crate::database::bulk::{Bulk, Rows};
use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, id, limit, maybe_time, time};
use crate::database::filters::Sql;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum MatchStatus {
    Open = 0,
    Accepted = 1,
    Rejected = 2,
}

impl MatchStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<MatchStatus> {
        use MatchStatus::*;
        [Open, Accepted, Rejected].into_iter().find(|status| status.code() == code)
    }
}

/// A proposal as it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMatch {
    pub id: Id,
    pub part: PartId,
    pub identity: Identity,
    /// From 0 to 1, stored in millionths.
    pub score: f64,
    pub reason: String,
    /// `message_id` of the event that proposed it.
    pub source: String,
    pub proposed_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    pub proposal: NewMatch,
    pub status: MatchStatus,
    pub decided_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    pub id: Id,
    pub status: MatchStatus,
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: String,
    part_id: String,
    kind: String,
    value: String,
    score: i64,
    reason: String,
    source: String,
    proposed_at: i64,
    status: i64,
    decided_at: Option<i64>,
}

const MILLIONTHS: f64 = 1_000_000.0;

impl Store {
    pub async fn identity_match(&self, scope: &Scope, id: Id) -> Result<Option<Match>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, part_id, kind, value, score, reason, source, proposed_at, status, decided_at FROM matches \
             WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(found).transpose()
    }

    /// A page of matches, by id.
    pub async fn matches(
        &self,
        scope: &Scope,
        status: Option<MatchStatus>,
        after: Option<Id>,
        rows: usize,
    ) -> Result<Vec<Match>, StoreError> {
        scope.sees_people()?;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT id, part_id, kind, value, score, reason, source, proposed_at, status, decided_at FROM matches \
             WHERE tenant_id = ",
        );
        sql.int(scope.tenant().0);
        if let Some(status) = status {
            sql.push(" AND status = ").int(status.code());
        }
        if let Some(after) = after {
            sql.push(" AND id > ").text(&after.to_string());
        }
        sql.push(" ORDER BY id LIMIT ").int(limit(rows));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(found).collect()
    }
}

pub(crate) fn match_rows(matches: &[NewMatch]) -> Option<Bulk> {
    Rows::of(matches, |row, proposal| {
        row.id(proposal.id).id(proposal.part).text(&proposal.identity.kind).text(&proposal.identity.value);
        row.int((proposal.score.clamp(0.0, 1.0) * MILLIONTHS) as i64).text(&proposal.reason).text(&proposal.source);
        row.time(proposal.proposed_at);
    })
}

/// What was proposed before stays as it was decided.
pub(crate) async fn put_matches(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO matches (tenant_id, id, part_id, kind, value, score, reason, source, proposed_at, status) \
         SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), \
         CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS TEXT), \
         CAST(value ->> 6 AS TEXT), CAST(value ->> 7 AS BIGINT), 0 FROM jsonb_each($2) WHERE true ON CONFLICT DO NOTHING",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

pub(crate) fn decision_rows(decisions: &[Decision]) -> Option<Bulk> {
    Rows::of(decisions, |row, decision| {
        row.id(decision.id).int(decision.status.code()).time(decision.at);
    })
}

pub(crate) async fn decide_matches(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "WITH decided AS MATERIALIZED (SELECT CAST(value ->> 0 AS TEXT) AS id, CAST(value ->> 1 AS BIGINT) AS status, \
         CAST(value ->> 2 AS BIGINT) AS at FROM jsonb_each($2)) \
         UPDATE matches SET (status, decided_at) = (SELECT decided.status, decided.at FROM decided \
         WHERE decided.id = matches.id) WHERE tenant_id = $1 AND id IN (SELECT decided.id FROM decided)",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

pub(crate) fn found(row: Row) -> Result<Match, StoreError> {
    Ok(Match {
        proposal: NewMatch {
            id: id(&row.id)?,
            part: id(&row.part_id)?,
            identity: Identity::new(row.kind, row.value),
            score: row.score as f64 / MILLIONTHS,
            reason: row.reason,
            source: row.source,
            proposed_at: time(row.proposed_at),
        },
        status: MatchStatus::from_code(row.status).ok_or_else(|| corrupt("status of a match"))?,
        decided_at: maybe_time(row.decided_at),
    })
}
