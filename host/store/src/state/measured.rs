//! What is stored, measured once a day (UTC) and counted with the event that says so: a measure is in the log, and counts once.

use openhub_model::price::Meter;
use openhub_model::{Day, NewEvent, Quarter};

use crate::database::connection::{execute, select};
use crate::database::decode::limit;
use crate::error::StoreError;
use crate::log::events::append_all;
use crate::scope::Scope;
use crate::state::metered::{Metered, metered_rows, put_metered};
use crate::store::Store;

/// Bodies of events that are looked at in one go.
const AT_ONCE: usize = 20_000;

/// What a tenant has stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Objects by type.
    pub objects: Vec<(String, i64)>,
    /// Bytes of the bodies of events.
    pub bytes: i64,
}

impl Measured {
    fn metered(&self, quarter: Quarter) -> Vec<Metered> {
        let objects = self.objects.iter().map(|(kind, rows)| Metered::new(quarter, Meter::ObjectRows, kind, *rows));
        objects.chain([Metered::new(quarter, Meter::StorageBytes, "", self.bytes)]).collect()
    }
}

impl Store {
    /// Measures what a tenant has stored; none: it was measured on this day.
    pub async fn measure(&self, scope: &Scope, day: Day) -> Result<Option<Measured>, StoreError> {
        let tenant = scope.tenant().0;
        let last = select!(self, scope, (i64,), "SELECT measured_day FROM tenants WHERE id = $1", tenant);
        if last.first().is_none_or(|(last,)| *last >= day.number()) {
            return Ok(None);
        }
        let objects = select!(
            self,
            scope,
            (String, i64),
            "SELECT kind, COUNT(*) FROM objects WHERE tenant_id = $1 GROUP BY kind ORDER BY kind",
            tenant,
        );
        let (mut bytes, mut behind) = (0_i64, 0_i64);
        loop {
            let rows = select!(
                self,
                scope,
                (Option<i64>, Option<i64>, i64),
                "SELECT MAX(position), CAST(SUM(bytes) AS BIGINT), COUNT(*) FROM (SELECT position, OCTET_LENGTH(body) AS bytes \
                 FROM event_bodies WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT $3) AS page",
                tenant,
                behind,
                limit(AT_ONCE),
            );
            let Some((last, sum, count)) = rows.into_iter().next() else { break };
            bytes = bytes.saturating_add(sum.unwrap_or_default());
            match last.filter(|_| count >= limit(AT_ONCE)) {
                Some(last) => behind = last,
                None => break,
            }
        }
        Ok(Some(Measured { objects, bytes }))
    }

    /// Counts what was measured, with the event that says it; not if somebody else did on this day.
    pub async fn count_measured(
        &self,
        scope: &Scope,
        (day, quarter): (Day, Quarter),
        measured: &Measured,
        event: NewEvent,
    ) -> Result<(), StoreError> {
        let (tenant, rows) = (scope.tenant(), metered_rows(measured.metered(quarter)));
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let is_first = execute!(
                        tx.conn(),
                        "UPDATE tenants SET measured_day = $2 WHERE id = $1 AND measured_day < $2",
                        tenant.0,
                        day.number(),
                    )?;
                    let Some(rows) = rows.filter(|_| is_first > 0) else { return Ok(()) };
                    put_metered(tx, tenant, &rows).await?;
                    append_all(tx, tenant, &[&[event]], None).await.map(drop)
                })
            })
            .await
    }
}
