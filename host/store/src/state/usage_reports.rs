//! Usage that is reported from outside: each key once and for good. The same key with the same content is fine, as often as it comes; with another
//! content it is an error, and nothing of the report is taken.

use openhub_model::price::Meter;
use openhub_model::{Quarter, TenantId, Timestamp};
use std::collections::{BTreeMap, HashMap};

use crate::database::bulk::{self, Rows};
use crate::database::connection::{execute, fetch_all, fetch_optional};
use crate::database::decode::time;
use crate::database::dialect::hold_statement;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::metered::{Metered, metered_rows, put_metered};
use crate::store::Store;

/// A quantity that somebody reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUsage {
    pub key: String,
    pub meter: Meter,
    /// Empty: for none.
    pub subscription: String,
    pub quantity: i64,
    /// None: when it is reported first.
    pub at: Option<Timestamp>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    /// So many were new; the others were known, and say the same.
    Counted(usize),
    /// These, by their place, have a key that is known with another content. Nothing was counted.
    Other(Vec<usize>),
}

/// What a key stands for.
#[derive(PartialEq, Eq)]
struct Said {
    meter: String,
    subscription: String,
    quantity: i64,
    at: Timestamp,
}

/// What is to be counted, and for when.
type New<'u> = (&'u NewUsage, Timestamp);

impl Store {
    /// Counts what is new of a report, or nothing of it: of the tenant itself, or of a partner of its own.
    pub async fn report_usage(
        &self,
        scope: &Scope,
        of: TenantId,
        usage: Vec<NewUsage>,
        now: Timestamp,
    ) -> Result<Reported, StoreError> {
        let reporter = scope.tenant();
        self.writer
            .write(Some(reporter), move |tx| {
                Box::pin(async move {
                    let tenant = of;
                    tx.see(&[reporter, tenant]).await?;
                    // Two reports at once come one behind the other.
                    let hold = hold_statement(&tx.conn());
                    fetch_optional!(tx.conn(), (i64,), hold, tenant.0)?.ok_or(StoreError::NotFound)?;
                    let known = fetch_all!(
                        tx.conn(),
                        (String, String, String, i64, i64),
                        "SELECT key, meter, subscription, quantity, at FROM usage_reports WHERE tenant_id = $1 \
                         AND reporter_id = $3 AND key IN (SELECT atom FROM json_each($2))",
                        tenant.0,
                        bulk::list(usage.iter().map(|usage| &usage.key)),
                        reporter.0,
                    )?;
                    let said = |(key, meter, subscription, quantity, at): (String, String, String, i64, i64)| {
                        (key, Said { meter, subscription, quantity, at: time(at) })
                    };
                    let new = match sorted(&usage, known.into_iter().map(said).collect(), now) {
                        Ok(new) => new,
                        Err(others) => return Ok(Reported::Other(others)),
                    };
                    let rows = Rows::of(&new, |row, (usage, at)| {
                        row.text(&usage.key).text(&usage.meter.to_string()).text(&usage.subscription);
                        row.int(usage.quantity).time(*at);
                    });
                    if let Some(rows) = rows {
                        execute!(
                            tx.conn(),
                            "INSERT INTO usage_reports (tenant_id, reporter_id, key, meter, subscription, quantity, at, reported_at) \
                             SELECT $1, CAST($4 AS BIGINT), CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), \
                             CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), \
                             CAST($3 AS BIGINT) FROM jsonb_each($2)",
                            tenant.0,
                            &rows.json,
                            now.micros(),
                            reporter.0,
                        )?;
                    }
                    if let Some(rows) = metered_rows(summed(&new)) {
                        put_metered(tx, tenant, &rows).await?;
                    }
                    Ok(Reported::Counted(new.len()))
                })
            })
            .await
    }
}

/// What of a report is new; or the places of what contradicts its key.
fn sorted(usage: &[NewUsage], mut known: HashMap<String, Said>, now: Timestamp) -> Result<Vec<New<'_>>, Vec<usize>> {
    let (mut new, mut others) = (Vec::new(), Vec::new());
    for (place, usage) in usage.iter().enumerate() {
        let before = known.get(&usage.key);
        // Whoever names no time leaves it as it is.
        let at = usage.at.or(before.map(|before| before.at)).unwrap_or(now);
        let (meter, subscription) = (usage.meter.to_string(), usage.subscription.clone());
        let said = Said { meter, subscription, quantity: usage.quantity, at };
        match before {
            Some(before) if *before != said => others.push(place),
            Some(_) => {}
            None => {
                known.insert(usage.key.clone(), said);
                new.push((usage, at));
            }
        }
    }
    if others.is_empty() { Ok(new) } else { Err(others) }
}

fn summed(usage: &[New<'_>]) -> Vec<Metered> {
    let mut sums: BTreeMap<(Quarter, &Meter, &str), i64> = BTreeMap::new();
    for (usage, at) in usage {
        let sum = sums.entry((Quarter::of(*at), &usage.meter, &usage.subscription)).or_default();
        *sum = sum.saturating_add(usage.quantity);
    }
    let of = |((quarter, meter, subscription), quantity): ((Quarter, &Meter, &str), i64)| Metered {
        subscription: subscription.to_owned(),
        ..Metered::new(quarter, meter.clone(), "", quantity)
    };
    sums.into_iter().map(of).collect()
}
