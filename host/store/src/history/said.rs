//! The events that may have set something of a customer, newest first: what was said when stands in the log and nowhere
//! else.

use openhub_model::{Event, EventKind, PartId, Timestamp};

use crate::database::decode::limit;
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::log::events::{COLUMNS, EVENTS_OF_PARTS, Row, event};
use crate::scope::Scope;
use crate::store::Store;

/// Where to go on, by event time and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Everything at that moment is included.
    Until(Timestamp),
    /// It is not.
    Event(Timestamp, i64),
}

impl Store {
    /// Of the customer that a part belongs to: calls that may set attributes, tags and consents, and events of the name
    /// `refused`, by event time and position, newest first.
    pub async fn sayings(
        &self,
        scope: &Scope,
        part: PartId,
        refused: &str,
        before: Option<Before>,
        rows: usize,
    ) -> Result<Vec<Event>, StoreError> {
        scope.sees_people()?;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), COLUMNS);
        sql.each_part_of(scope.tenant(), part).push(EVENTS_OF_PARTS).int(scope.tenant().0);
        sql.push(" AND (e.kind IN (").int(EventKind::Identify.code());
        sql.push(", ").int(EventKind::Group.code()).push(", ").int(EventKind::Update.code());
        sql.push(") OR e.name = ").text(refused).push(")");
        match before {
            None => {}
            Some(Before::Until(at)) => drop(sql.push(" AND c.occurred_at <= ").int(at.micros())),
            Some(Before::Event(at, position)) => {
                sql.push(" AND (c.occurred_at, c.position) < (").int(at.micros());
                sql.push(", ").int(position).push(")");
            }
        }
        sql.push(" ORDER BY c.occurred_at DESC, c.position DESC LIMIT ").int(limit(rows));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(event).collect()
    }
}
