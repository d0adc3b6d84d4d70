//! Customers that are active: each counts once in a month (UTC), in the transaction of its first event there.
//!
//! A customer has one row, with the last month in which it counted. Who is joined to another keeps its own: who is separated again counts no
//! second time.

use openhub_model::price::Meter;
use openhub_model::{Month, PartId, Quarter, TenantId};
use std::collections::BTreeMap;

use crate::database::bulk::{Bulk, Rows};
use crate::database::connection::{execute, fetch_all};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::state::metered::{Metered, metered_rows, put_metered};

/// A customer, and the quarter of an hour in which the first of its events arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Active {
    pub customer: PartId,
    pub quarter: Quarter,
}

/// By month.
pub(crate) type ActiveRows = BTreeMap<Month, (Bulk, Vec<(String, Quarter)>)>;

pub(crate) fn active_rows(active: &[Active]) -> ActiveRows {
    let mut months: BTreeMap<Month, Vec<&Active>> = BTreeMap::new();
    for active in active {
        months.entry(Month::of(active.quarter.begins())).or_default().push(active);
    }
    let rows = |(month, active): (Month, Vec<&Active>)| {
        let rows = Rows::of(&active, |row, active| {
            row.id(active.customer);
        })?;
        let quarters = active.into_iter().map(|active| (active.customer.to_string(), active.quarter));
        Some((month, (rows, quarters.collect())))
    };
    months.into_iter().filter_map(rows).collect()
}

/// Counts those that have not counted in their month.
pub(crate) async fn count_active(tx: &mut Tx<'_>, tenant: TenantId, active: &ActiveRows) -> Result<(), StoreError> {
    for (month, (rows, quarters)) in active {
        let new = fetch_all!(
            tx.conn(),
            (String,),
            "INSERT INTO active_customers (tenant_id, customer_id, month) SELECT $1, CAST(value ->> 0 AS TEXT), \
             CAST($2 AS BIGINT) FROM jsonb_each($3) WHERE true ON CONFLICT (tenant_id, customer_id) \
             DO UPDATE SET month = excluded.month WHERE active_customers.month < excluded.month RETURNING customer_id",
            tenant.0,
            month.number(),
            &rows.json,
        )?;
        let mut counted: BTreeMap<Quarter, i64> = BTreeMap::new();
        let quarters: BTreeMap<&str, Quarter> = quarters.iter().map(|(id, quarter)| (id.as_str(), *quarter)).collect();
        for quarter in new.iter().filter_map(|(id,)| quarters.get(id.as_str())) {
            *counted.entry(*quarter).or_default() += 1;
        }
        let of = |(quarter, customers)| Metered::new(quarter, Meter::ActiveCustomers, "", customers);
        if let Some(rows) = metered_rows(counted.into_iter().map(of).collect()) {
            put_metered(tx, tenant, &rows).await?;
        }
    }
    Ok(())
}

/// Of somebody who is erased.
pub(crate) async fn forget_active(tx: &mut Tx<'_>, tenant: TenantId, ids: &str) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM active_customers WHERE tenant_id = $1 AND customer_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        ids,
    )
}
