//! Statements: rows, and how they stand. What a line says is computed elsewhere. See decision 96.
//!
//! Nothing is made twice, whichever node makes it: a period has one row, and each change of one names how it stood.

use openhub_model::price::PricePlan;
use openhub_model::statement::Line;
use openhub_model::{Id, NewEvent, TenantId, Timestamp};
use serde_json::Value;

use crate::database::bulk::Rows;
use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{corrupt, id, json, limit, maybe_time, time};
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::metered::cut;
use crate::state::subscriptions::tell;
use crate::store::Store;

/// How a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    Draft = 0,
    /// What counts is fixed, and its lines are being computed.
    Closing = 1,
    Frozen = 2,
    /// It cannot be computed.
    Refused = 3,
}

/// A statement without its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementRow {
    pub id: Id,
    pub partner: TenantId,
    pub provider: TenantId,
    pub subscription: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub time_zone: String,
    /// The subscription ended: there is none behind it.
    pub ends: bool,
    pub stands: Stands,
    pub plan: PricePlan,
    /// The last cut of the usage that counts, and where the log stood then; none of a draft.
    pub cut: Option<(i64, i64)>,
    /// The cut of the frozen statement before.
    pub corrects_behind: Option<i64>,
    pub total: Option<String>,
    pub fault: Option<String>,
    pub freezes_at: Timestamp,
}

/// A subscription that is billed, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contracted {
    pub subscription: String,
    pub provider: TenantId,
    pub offering: String,
    pub version: i64,
    pub time_zone: String,
    /// What the partner pays in a period at most: a decimal.
    pub cap: Option<String>,
    /// What its provider lets it come to in a period at most.
    pub credit: Option<String>,
    pub active_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Which statements, the latest first.
#[derive(Clone, Debug, Default)]
pub struct StatementFilter {
    pub subscription: Option<String>,
    /// Behind this one.
    pub after: Option<(Timestamp, Id)>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: i64,
    id: String,
    subscription: String,
    provider_id: i64,
    from_at: i64,
    to_at: i64,
    time_zone: String,
    ends: i64,
    standing: i64,
    plan: String,
    cut: Option<i64>,
    position: Option<i64>,
    corrects_behind: Option<i64>,
    total: Option<String>,
    fault: Option<String>,
    freezes_at: i64,
}

impl Row {
    fn read(self) -> Result<StatementRow, StoreError> {
        let all = [Stands::Draft, Stands::Closing, Stands::Frozen, Stands::Refused];
        let stands = all.into_iter().find(|stands| *stands as i64 == self.standing);
        Ok(StatementRow {
            id: id(&self.id)?,
            partner: TenantId(self.tenant_id),
            provider: TenantId(self.provider_id),
            subscription: self.subscription,
            from: time(self.from_at),
            to: time(self.to_at),
            time_zone: self.time_zone,
            ends: self.ends != 0,
            stands: stands.ok_or_else(|| corrupt("standing of a statement"))?,
            plan: json(&self.plan, "plan of a statement")?,
            cut: self.cut.zip(self.position),
            corrects_behind: self.corrects_behind,
            total: self.total,
            fault: self.fault,
            freezes_at: time(self.freezes_at),
        })
    }
}

impl Store {
    /// Tenants for whose statements it is time to look, and since when.
    pub async fn statements_due(&self, now: Timestamp, rows: usize) -> Result<Vec<(TenantId, Timestamp)>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (i64, i64),
            "SELECT id, statements_due_at FROM tenants WHERE statements_due_at <= $1 ORDER BY statements_due_at, id LIMIT $2",
            now.micros(),
            limit(rows),
        );
        Ok(rows.into_iter().map(|(tenant, due)| (TenantId(tenant), time(due))).collect())
    }

    /// Takes a tenant's statements on until a time; false: somebody else has.
    pub async fn move_statements(&self, scope: &Scope, due: Timestamp, to: Timestamp) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let moved = execute!(
                        tx.conn(),
                        "UPDATE tenants SET statements_due_at = $3 WHERE id = $1 AND statements_due_at = $2",
                        tenant.0,
                        due.micros(),
                        to.micros(),
                    )?;
                    Ok(moved > 0)
                })
            })
            .await
    }

    /// The tenant's own subscriptions that have been active.
    pub async fn contracted(&self, scope: &Scope) -> Result<Vec<Contracted>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, i64, String, i64, String, Option<String>, Option<String>, i64, Option<i64>),
            "SELECT id, provider_id, offering, version, time_zone, cap, credit, active_at, ended_at FROM subscriptions \
             WHERE tenant_id = $1 AND active_at IS NOT NULL ORDER BY id",
            scope.tenant().0,
        );
        let of =
            |(subscription, provider, offering, version, time_zone, cap, credit, active_at, ended_at)| Contracted {
                subscription,
                provider: TenantId(provider),
                offering,
                version,
                time_zone,
                cap,
                credit,
                active_at: time(active_at),
                ended_at: maybe_time(ended_at),
            };
        Ok(rows.into_iter().map(of).collect())
    }

    /// What a version of a tenant's offering says.
    pub async fn offered(&self, provider: &Scope, offering: &str, version: i64) -> Result<Option<Value>, StoreError> {
        let rows = select!(
            self,
            provider,
            (String,),
            "SELECT document FROM offering_versions WHERE tenant_id = $1 AND offering = $2 AND version = $3",
            provider.tenant().0,
            offering,
            version,
        );
        rows.into_iter().next().map(|(document,)| json(&document, "version of an offering")).transpose()
    }

    /// The tenant's own statements, and those of subscriptions to its offerings, the latest first.
    pub async fn statements(&self, scope: &Scope, filter: &StatementFilter) -> Result<Vec<StatementRow>, StoreError> {
        let (at, behind) = filter.after.map_or((i64::MAX, String::new()), |(at, id)| (at.micros(), id.to_string()));
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, subscription, provider_id, from_at, to_at, time_zone, ends, standing, plan, cut, position, \
             corrects_behind, total, fault, freezes_at FROM statements WHERE (tenant_id = $1 OR provider_id = $1) \
             AND (CAST($2 AS TEXT) IS NULL OR subscription = $2) AND (to_at < $3 OR (to_at = $3 AND id < $4)) \
             ORDER BY to_at DESC, id DESC LIMIT $5",
            scope.tenant().0,
            filter.subscription.as_deref(),
            at,
            behind,
            limit(filter.limit),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// One of the tenant's own, or of a subscription to an offering of it.
    pub async fn statement(&self, scope: &Scope, id: Id) -> Result<Option<StatementRow>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, subscription, provider_id, from_at, to_at, time_zone, ends, standing, plan, cut, position, \
             corrects_behind, total, fault, freezes_at FROM statements WHERE (tenant_id = $1 OR provider_id = $1) AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// The lines of a frozen statement of the tenant.
    pub async fn statement_lines(&self, scope: &Scope, id: Id) -> Result<Vec<Line>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT said FROM statement_lines WHERE tenant_id = $1 AND statement = $2 ORDER BY line",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().map(|(said,)| json(&said, "line of a statement")).collect()
    }

    /// The present cut of the tenant, and where its log stands.
    pub async fn present_cut(&self, scope: &Scope) -> Result<(i64, i64), StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64),
            "SELECT tenants.cut, partitions.head FROM tenants JOIN partitions ON partitions.tenant_id = tenants.id \
             WHERE tenants.id = $1 AND partitions.bucket = 0",
            scope.tenant().0,
        );
        rows.into_iter().next().ok_or(StoreError::NotFound)
    }

    /// Begins a statement, unless there is one of its subscription for that period.
    pub async fn draft_statement(&self, scope: &Scope, new: StatementRow) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        let plan = serde_json::to_string(&new.plan).map_err(|_| corrupt("plan of a statement"))?;
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "INSERT INTO statements (tenant_id, id, subscription, provider_id, from_at, to_at, time_zone, ends, plan, \
                         freezes_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
                        tenant.0,
                        new.id.to_string(),
                        &new.subscription,
                        new.provider.0,
                        new.from.micros(),
                        new.to.micros(),
                        &new.time_zone,
                        i64::from(new.ends),
                        &plan,
                        new.freezes_at.micros(),
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// Fixes what counts for a draft: the tenant goes on to the next cut.
    pub async fn close_statement(&self, scope: &Scope, id: Id, corrects_behind: Option<i64>) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let (cut, position) = cut(tx, tenant).await?;
                    let closed = execute!(
                        tx.conn(),
                        "UPDATE statements SET standing = 1, cut = $3, position = $4, corrects_behind = $5 \
                         WHERE tenant_id = $1 AND id = $2 AND standing = 0",
                        tenant.0,
                        id.to_string(),
                        cut,
                        position,
                        corrects_behind,
                    )?;
                    // Somebody else closed it: nothing is to be left of this.
                    if closed == 0 { Err(StoreError::Undone) } else { Ok(()) }
                })
            })
            .await
    }

    /// Freezes a statement with its lines, and says so in the logs of both. It never changes again.
    pub async fn freeze_statement(
        &self,
        scope: &Scope,
        id: Id,
        (lines, total): (Vec<Line>, String),
        events: Vec<(TenantId, NewEvent)>,
    ) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        let said = lines.iter().map(|line| Ok((line.line, serde_json::to_string(line)?)));
        let said = said.collect::<Result<Vec<_>, serde_json::Error>>().map_err(|_| corrupt("line of a statement"))?;
        let rows = Rows::of(&said, |row, (line, said)| {
            row.int(i64::from(*line)).text(said);
        });
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let frozen = fetch_optional!(
                        tx.conn(),
                        (String,),
                        "UPDATE statements SET standing = 2, total = $3 WHERE tenant_id = $1 AND id = $2 AND standing = 1 RETURNING id",
                        tenant.0,
                        id.to_string(),
                        &total,
                    )?;
                    if frozen.is_none() {
                        return Ok(());
                    }
                    if let Some(rows) = rows {
                        execute!(
                            tx.conn(),
                            "INSERT INTO statement_lines (tenant_id, statement, line, said) SELECT $1, $2, \
                             CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($3)",
                            tenant.0,
                            id.to_string(),
                            &rows.json,
                        )?;
                    }
                    let tenants: Vec<TenantId> = events.iter().map(|(of, _)| *of).chain([tenant]).collect();
                    tx.see(&tenants).await?;
                    tell(tx, tenant, events).await.map(drop)
                })
            })
            .await
    }

    /// Says why a statement cannot be computed.
    pub async fn refuse_statement(&self, scope: &Scope, id: Id, fault: String) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE statements SET standing = 3, fault = $3 WHERE tenant_id = $1 AND id = $2 AND standing = 1",
                        tenant.0,
                        id.to_string(),
                        &fault,
                    )
                    .map(drop)
                })
            })
            .await
    }
}
