//! Claims: what events said of identities that belong together, and what became of it.
//!
//! A pair is stored once for each authority and policy in force: what is said again changes nothing. A claim of a
//! part's own identity says that the part was seen.

use openhub_model::identity::{Authority, Refusal};
use openhub_model::{Identity, PartId, TenantId};

use crate::database::bulk::{self, Bulk, Rows};
use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, id};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimStatus {
    Joined,
    Refused(Refusal),
    /// Taken back by a human.
    Undone,
}

impl ClaimStatus {
    fn code(self) -> i64 {
        match self {
            ClaimStatus::Joined => 0,
            ClaimStatus::Refused(_) => 1,
            ClaimStatus::Undone => 2,
        }
    }
}

/// That an identity belongs to the customer of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRow {
    pub part: PartId,
    pub identity: Identity,
    pub authority: Authority,
    /// The position at which the policy that judged it took effect; 0 for the default one.
    pub policy: i64,
    /// Position of the event.
    pub position: i64,
    /// Its `message_id`.
    pub source: String,
    pub status: ClaimStatus,
}

/// What became of a pair on somebody's word under a policy, without which event said so first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub part: PartId,
    pub identity: Identity,
    pub authority: Authority,
    pub policy: i64,
    pub status: ClaimStatus,
}

impl From<&ClaimRow> for Judged {
    fn from(claim: &ClaimRow) -> Judged {
        let ClaimRow { part, authority, policy, status, .. } = *claim;
        Judged { part, identity: claim.identity.clone(), authority, policy, status }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    part_id: String,
    kind: String,
    value: String,
    authority: i64,
    policy: i64,
    position: i64,
    source: String,
    status: i64,
    refusal: Option<i64>,
}

impl Store {
    /// What became of these pairs, in no order. They are walked as they come: sorted by part, neighbours share pages.
    pub async fn judged_pairs(&self, scope: &Scope, pairs: &[(PartId, Identity)]) -> Result<Vec<Judged>, StoreError> {
        scope.sees_people()?;
        let mut numbered = Rows::new();
        for (number, (part, identity)) in pairs.iter().enumerate() {
            numbered.add(|row| {
                row.id(*part).text(&identity.kind).text(&identity.value).int(number as i64);
            });
        }
        let Some(rows) = numbered.finish() else { return Ok(Vec::new()) };
        let rows = select!(
            self,
            scope,
            (i64, i64, i64, i64, Option<i64>),
            "SELECT pair, authority, policy, status, refusal FROM (SELECT CAST(value ->> 0 AS TEXT) AS its_part, \
             CAST(value ->> 1 AS TEXT) AS its_kind, CAST(value ->> 2 AS TEXT) AS its_value, \
             CAST(value ->> 3 AS BIGINT) AS pair FROM jsonb_each($2)) AS named CROSS JOIN claims WHERE tenant_id = $1 \
             AND part_id = its_part AND kind = its_kind AND value = its_value",
            scope.tenant().0,
            &rows.json,
        );
        let judged = rows.into_iter().map(|(pair, authority, policy, code, refusal)| {
            let (part, identity) = &pairs[pair as usize];
            let (authority, status) = (authority_of(authority)?, status(code, refusal)?);
            Ok(Judged { part: *part, identity: identity.clone(), authority, policy, status })
        });
        judged.collect()
    }

    /// The claims that these parts made, by part, position and kind.
    pub async fn claims_by_part(&self, scope: &Scope, parts: &[PartId]) -> Result<Vec<ClaimRow>, StoreError> {
        scope.sees_people()?;
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT part_id, kind, value, authority, policy, position, source, status, refusal FROM claims \
             WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2)) \
             ORDER BY part_id, position, kind, value, authority",
            scope.tenant().0,
            bulk::list(parts),
        );
        rows.into_iter().map(claim).collect()
    }

    /// The claims that name these identities, whoever made them.
    pub async fn claims_of_identities(
        &self,
        scope: &Scope,
        identities: &[Identity],
    ) -> Result<Vec<ClaimRow>, StoreError> {
        scope.sees_people()?;
        let Some(rows) = Rows::of(identities, |row, identity| {
            row.text(&identity.kind).text(&identity.value);
        }) else {
            return Ok(Vec::new());
        };
        let rows = select!(
            self,
            scope,
            Row,
            // The keys first, from the index alone: asked for whole rows by value, SQLite scans all of the tenant's.
            "SELECT part_id, kind, value, authority, policy, position, source, status, refusal FROM claims \
             WHERE tenant_id = $1 AND (part_id, kind, value) IN (SELECT own.part_id, own.kind, own.value FROM \
             (SELECT CAST(value ->> 0 AS TEXT) AS its_kind, CAST(value ->> 1 AS TEXT) AS its_value FROM jsonb_each($2)) \
             AS named CROSS JOIN claims AS own WHERE own.tenant_id = $1 AND own.kind = its_kind \
             AND own.value = its_value)",
            scope.tenant().0,
            &rows.json,
        );
        rows.into_iter().map(claim).collect()
    }
}

pub(crate) fn claim_rows(claims: &[ClaimRow]) -> Option<Bulk> {
    Rows::of(claims, |row, claim| {
        row.id(claim.part).text(&claim.identity.kind).text(&claim.identity.value).int(claim.authority.code());
        row.int(claim.policy).int(claim.position).text(&claim.source).int(claim.status.code());
        match claim.status {
            ClaimStatus::Refused(refusal) => row.int(refusal.code()),
            ClaimStatus::Joined | ClaimStatus::Undone => row.maybe_text(None),
        };
    })
}

pub(crate) async fn put_claims(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO claims (tenant_id, part_id, kind, value, authority, policy, position, source, status, refusal) \
         SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), \
         CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), \
         CAST(value ->> 6 AS TEXT), CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT) \
         FROM jsonb_each($2) WHERE true ON CONFLICT (tenant_id, part_id, kind, value, authority, policy) DO UPDATE SET \
         position = excluded.position, source = excluded.source, status = excluded.status, refusal = excluded.refusal",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

fn claim(row: Row) -> Result<ClaimRow, StoreError> {
    Ok(ClaimRow {
        part: id(&row.part_id)?,
        authority: authority_of(row.authority)?,
        policy: row.policy,
        position: row.position,
        status: status(row.status, row.refusal)?,
        identity: Identity::new(row.kind, row.value),
        source: row.source,
    })
}

fn authority_of(code: i64) -> Result<Authority, StoreError> {
    Authority::from_code(code).ok_or_else(|| corrupt("authority of a claim"))
}

fn status(code: i64, refusal: Option<i64>) -> Result<ClaimStatus, StoreError> {
    let refusal = || refusal.and_then(Refusal::from_code).ok_or_else(|| corrupt("refusal of a claim"));
    match code {
        0 => Ok(ClaimStatus::Joined),
        1 => Ok(ClaimStatus::Refused(refusal()?)),
        2 => Ok(ClaimStatus::Undone),
        _ => Err(corrupt("status of a claim")),
    }
}
