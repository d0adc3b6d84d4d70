//! What is counted of a tenant, for prices and quotas: quantities of meters, in quarters of an hour, written in the transaction that did the
//! work. See decision 95.
//!
//! A row belongs to a *cut*: the present one of its tenant. When a statement is frozen the tenant goes on to the next cut, so that the rows of
//! all cuts before change no more, whatever comes later. A transaction that counts holds the tenant's cut until it ends.

use openhub_model::price::Meter;
use openhub_model::{EventKind, Quarter, TenantId};

use crate::database::bulk::{Bulk, Rows};
use crate::database::connection::{Conn, execute, fetch_optional, select};
use crate::database::decode::{corrupt, limit};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// A quantity that was counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metered {
    pub quarter: Quarter,
    pub meter: Meter,
    /// The channel, plugin or object type; empty: the meter is not divided.
    pub of: String,
    /// For which subscription it was reported, or used by what it made; empty: for none.
    pub subscription: String,
    pub quantity: i64,
}

impl Metered {
    pub fn new(quarter: Quarter, meter: Meter, of: &str, quantity: i64) -> Metered {
        Metered { quarter, meter, of: of.to_owned(), subscription: String::new(), quantity }
    }
}

/// A row of what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeteredRow {
    pub metered: Metered,
    pub cut: i64,
}

/// What was counted of one meter and division in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeteredSum {
    pub meter: Meter,
    pub of: String,
    pub quantity: i64,
}

/// Which rows are asked for, in the order of quarter, meter, division, subscription and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeteredFilter {
    /// The first quarter, and the first that is too late.
    pub quarters: (Quarter, Quarter),
    /// The last cut.
    pub cut: i64,
    /// Rows that are of no subscription, or of this one.
    pub subscription: Option<String>,
    pub after: Option<MeteredRow>,
}

#[derive(sqlx::FromRow)]
struct Row {
    quarter: i64,
    meter: String,
    divided_by: String,
    subscription: String,
    cut: i64,
    quantity: i64,
}

impl Row {
    fn read(self) -> Result<MeteredRow, StoreError> {
        let meter = self.meter.parse().map_err(|()| corrupt("meter"))?;
        let (quarter, of) = (Quarter::new(self.quarter), self.divided_by);
        let metered = Metered { quarter, meter, of, subscription: self.subscription, quantity: self.quantity };
        Ok(MeteredRow { metered, cut: self.cut })
    }
}

impl Store {
    /// What was counted.
    pub async fn metered(
        &self,
        scope: &Scope,
        filter: &MeteredFilter,
        rows: usize,
    ) -> Result<Vec<MeteredRow>, StoreError> {
        let (from, to) = filter.quarters;
        let none = MeteredRow { metered: Metered::new(Quarter::new(i64::MIN), Meter::Events, "", 0), cut: 0 };
        let is_first = filter.after.is_none();
        let MeteredRow { metered: after, cut } = filter.after.as_ref().unwrap_or(&none);
        let meter = if is_first { String::new() } else { after.meter.to_string() };
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT quarter, meter, divided_by, subscription, cut, quantity FROM metered WHERE tenant_id = $1 \
             AND quarter >= $2 AND quarter < $3 AND cut <= $4 \
             AND (CAST($5 AS TEXT) IS NULL OR subscription = '' OR subscription = $5) \
             AND (quarter, meter, divided_by, subscription, cut) > ($6, $7, $8, $9, $10) \
             ORDER BY quarter, meter, divided_by, subscription, cut LIMIT $11",
            scope.tenant().0,
            from.number(),
            to.number(),
            filter.cut,
            filter.subscription.as_deref(),
            after.quarter.number(),
            meter,
            &*after.of,
            &*after.subscription,
            *cut,
            limit(rows),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// The sums of all that was counted in a time, by meter and division; or of what counts for a subscription.
    pub async fn metered_sums(
        &self,
        scope: &Scope,
        of: (Quarter, Quarter),
        subscription: Option<&str>,
    ) -> Result<Vec<MeteredSum>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, String, i64),
            "SELECT meter, divided_by, CAST(SUM(quantity) AS BIGINT) FROM metered WHERE tenant_id = $1 AND quarter >= $2 \
             AND quarter < $3 AND (CAST($4 AS TEXT) IS NULL OR subscription = '' OR subscription = $4) GROUP BY meter, divided_by ORDER BY meter, divided_by",
            scope.tenant().0,
            of.0.number(),
            of.1.number(),
            subscription,
        );
        let sum = |(meter, of, quantity): (String, String, i64)| {
            let meter = meter.parse().map_err(|()| corrupt("meter"))?;
            Ok(MeteredSum { meter, of, quantity })
        };
        rows.into_iter().map(sum).collect()
    }

    /// Goes on to the next cut: rows up to the one that is answered, beside the position of the log, change no more.
    pub async fn cut_usage(&self, scope: &Scope) -> Result<(i64, i64), StoreError> {
        let tenant = scope.tenant();
        self.writer.write(Some(tenant), move |tx| Box::pin(async move { cut(tx, tenant).await })).await
    }

    /// Adds what no other transaction counts.
    pub async fn add_metered(&self, scope: &Scope, metered: Vec<Metered>) -> Result<(), StoreError> {
        let Some(rows) = metered_rows(metered) else { return Ok(()) };
        let tenant = scope.tenant();
        self.writer.write(Some(tenant), move |tx| Box::pin(async move { put_metered(tx, tenant, &rows).await })).await
    }
}

/// See [`Store::cut_usage`]. Whoever counts meanwhile is waited for.
pub(crate) async fn cut(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(i64, i64), StoreError> {
    let cut = fetch_optional!(
        tx.conn(),
        (i64, i64),
        "UPDATE tenants SET cut = cut + 1 WHERE id = $1 RETURNING cut - 1, \
         (SELECT head FROM partitions WHERE tenant_id = $1 AND bucket = 0)",
        tenant.0,
    )?;
    cut.ok_or(StoreError::NotFound)
}

/// In the order in which any two transactions write them; what is zero is left out. No two may be alike but for their quantity.
pub(crate) fn metered_rows(mut metered: Vec<Metered>) -> Option<Bulk> {
    metered.sort();
    Rows::of(metered.iter().filter(|metered| metered.quantity != 0), |row, metered| {
        row.int(metered.quarter.number()).text(&metered.meter.to_string()).text(&metered.of);
        row.text(&metered.subscription).int(metered.quantity);
    })
}

/// The two forms of a statement that counts: where others write at the same time, it holds the tenant's cut.
macro_rules! counting {
    ($conn:expr, $head:literal, $tail:literal) => {
        match $conn {
            Conn::Sqlite(_) => concat!($head, "(SELECT cut FROM tenants WHERE id = $1)", $tail),
            Conn::Postgres(_) => concat!($head, "(SELECT cut FROM tenants WHERE id = $1 FOR SHARE)", $tail),
        }
    };
}

/// Adds quantities to their rows. What a subscription made uses, it uses for that subscription.
pub(crate) async fn put_metered(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    let add = counting!(
        tx.conn(),
        "INSERT INTO metered (tenant_id, quarter, meter, divided_by, subscription, cut, quantity) \
         SELECT $1, CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), \
         COALESCE((SELECT origins.subscription FROM origins WHERE origins.tenant_id = $1 AND CAST(value ->> 3 AS TEXT) = '' \
         AND origins.kind = CASE CAST(value ->> 1 AS TEXT) WHEN 'plugin-calls' THEN 'plugin' WHEN 'plugin-fuel' THEN 'plugin' \
         WHEN 'object-rows' THEN 'object-type' END AND origins.name = CAST(value ->> 2 AS TEXT)), CAST(value ->> 3 AS TEXT)), ",
        ", CAST(value ->> 4 AS BIGINT) FROM jsonb_each($2) WHERE true \
         ON CONFLICT (tenant_id, quarter, meter, divided_by, subscription, cut) \
         DO UPDATE SET quantity = metered.quantity + excluded.quantity"
    );
    execute!(tx.conn(), add, tenant.0, &rows.json).map(drop)
}

/// Counts the events behind `passed.0` up to `passed.1` that arrived, without the hub's own, in the quarters in which they did.
pub(crate) async fn count_events(tx: &mut Tx<'_>, tenant: TenantId, passed: (i64, i64)) -> Result<(), StoreError> {
    let count = counting!(
        tx.conn(),
        "INSERT INTO metered (tenant_id, quarter, meter, divided_by, subscription, cut, quantity) \
         SELECT $1, received_at / 900000000, 'events', '', '', ",
        ", COUNT(*) FROM events WHERE tenant_id = $1 AND position > $2 AND position <= $3 AND origin = 0 AND kind <> $4 \
         GROUP BY received_at / 900000000 ORDER BY received_at / 900000000 \
         ON CONFLICT (tenant_id, quarter, meter, divided_by, subscription, cut) \
         DO UPDATE SET quantity = metered.quantity + excluded.quantity"
    );
    execute!(tx.conn(), count, tenant.0, passed.0, passed.1, EventKind::Control.code()).map(drop)
}
