//! What is held of one customer in the smaller places, for who must tell: a handful of rows each.

use openhub_model::identity::Part;
use openhub_model::{Event, Identity, PartId};

use crate::changes::SetAside;
use crate::database::bulk::{self, Rows};
use crate::database::connection::select;
use crate::database::decode::{id, time};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::log::events;
use crate::scope::Scope;
use crate::state::matches::{self, Match};
use crate::state::runs::Entry;
use crate::store::Store;

#[derive(sqlx::FromRow)]
struct Aside {
    #[sqlx(flatten)]
    event: events::Row,
    fault: String,
    at: i64,
}

impl Store {
    /// Events that were set aside of the customer that a part belongs to, by position, and why.
    pub async fn set_aside_of(&self, scope: &Scope, part: PartId) -> Result<Vec<(Event, SetAside)>, StoreError> {
        scope.sees_people()?;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT e.position, e.origin, e.message_id, e.kind, e.name, s.part_id, e.occurred_at, e.received_at, \
             e.historical, e.authority, e.cause, COALESCE(b.body, '{}') AS body, s.fault, s.at FROM ",
        );
        sql.each_part_of(scope.tenant(), part);
        sql.push("set_aside s JOIN events e ON e.tenant_id = s.tenant_id AND e.position = s.position ");
        sql.push("LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position ");
        sql.push("WHERE s.tenant_id = ").int(scope.tenant().0).push(" AND s.part_id = own ORDER BY s.position");
        let rows = sql.fetch_all::<Aside>(reading.conn()).await?;
        reading.done().await?;
        let aside = |row: Aside| {
            let event = events::event(row.event)?;
            let (position, message_id) = (event.position, event.message_id.clone());
            Ok((event, SetAside { position, message_id, fault: row.fault, at: time(row.at) }))
        };
        rows.into_iter().map(aside).collect()
    }

    /// Matches that these parts proposed, and those that propose them.
    pub async fn matches_of(&self, scope: &Scope, parts: &[Part]) -> Result<Vec<Match>, StoreError> {
        scope.sees_people()?;
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
        scope.sees_people()?;
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
