//! What is held of one customer in the smaller places, for who must tell: a handful of rows each.

use openhub_model::identity::Part;
use openhub_model::{Identity, PartId};

use crate::bulk::{self, Rows};
use crate::changes::SetAside;
use crate::connection::select;
use crate::decode::{id, time};
use crate::error::StoreError;
use crate::filters::Sql;
use crate::matches::{self, Match};
use crate::runs::Entry;
use crate::scope::Scope;
use crate::store::Store;

impl Store {
    /// Events that were set aside of the customer that a part belongs to, by position.
    pub async fn set_aside_of(&self, scope: &Scope, part: PartId) -> Result<Vec<SetAside>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "SELECT s.position, s.message_id, s.fault, s.at FROM ");
        sql.each_part_of(scope.tenant(), part).push("events e JOIN set_aside s ON s.tenant_id = e.tenant_id ");
        sql.push("AND s.position = e.position WHERE e.tenant_id = ").int(scope.tenant().0);
        sql.push(" AND e.part_id = own ORDER BY s.position");
        let rows = sql.fetch_all::<(i64, String, String, i64)>(reading.conn()).await?;
        reading.done().await?;
        let aside = |(position, message_id, fault, at)| SetAside { position, message_id, fault, at: time(at) };
        Ok(rows.into_iter().map(aside).collect())
    }

    /// Matches that these parts proposed, and those that propose them.
    pub async fn matches_of(&self, scope: &Scope, parts: &[Part]) -> Result<Vec<Match>, StoreError> {
        let Some(identities) = Rows::of(parts, |row, Part { identity: Identity { kind, value }, .. }| {
            row.text(kind).text(value);
        }) else {
            return Ok(Vec::new());
        };
        let rows = select!(
            self,
            scope,
            matches::Row,
            "SELECT id, part_id, kind, value, score, reason, source, proposed_at, status, decided_at FROM matches \
             WHERE tenant_id = $1 AND (part_id IN (SELECT atom FROM json_each($2)) OR (kind, value) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($3))) ORDER BY id",
            scope.tenant().0,
            bulk::list(parts.iter().map(Part::id)),
            &identities.json,
        );
        rows.into_iter().map(matches::found).collect()
    }

    /// How often these parts entered each journey.
    pub async fn entries_of(&self, scope: &Scope, parts: &[PartId]) -> Result<Vec<Entry>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, String, i64, i64, i64),
            "SELECT journey, part_id, runs, active, last_entered_at FROM entries WHERE tenant_id = $1 \
             AND journey IN (SELECT name FROM journeys WHERE tenant_id = $1) \
             AND part_id IN (SELECT atom FROM json_each($2)) ORDER BY journey, part_id",
            scope.tenant().0,
            bulk::list(parts),
        );
        let entry = |(journey, part, runs, active, last): (String, String, i64, i64, i64)| {
            Ok(Entry { journey, part: id(&part)?, runs, active, last_entered_at: time(last) })
        };
        rows.into_iter().map(entry).collect()
    }
}
