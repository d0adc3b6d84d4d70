//! The audit log as it is read: newest first for people, in order for who checks the chain.

use openhub_model::Timestamp;
use openhub_model::audit::{AuditEntry, AuditHead, Doer, Tampering, Walk};

use crate::database::connection::{execute, select};
use crate::database::decode::limit;
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// Entries that are read at once on a walk.
const PAGE: usize = 1_000;

/// Which entries are asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// The principal's id, or the plugin's name.
    pub who: Option<String>,
    /// Of this kind: `key`, `person`, `plugin`, `partner` or `operator`.
    pub kind: Option<String>,
    pub act: Option<String>,
    pub subject: Option<String>,
    pub request: Option<String>,
    /// At or after this instant.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Behind this entry: older ones.
    pub before: Option<i64>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    at: i64,
    kind: String,
    who: String,
    more: String,
    act: String,
    subject: String,
    origin: String,
    request: String,
    before: String,
    after: String,
    previous: String,
    hash: String,
}

impl Row {
    /// Whatever stands there is an entry: one that somebody has spoilt hides no other.
    fn read(self) -> AuditEntry {
        AuditEntry {
            number: self.number,
            at: Timestamp::from_micros(self.at),
            doer: Doer { kind: self.kind, who: self.who, more: self.more },
            act: self.act,
            subject: self.subject,
            origin: self.origin,
            request: self.request,
            before: self.before,
            after: self.after,
            previous: self.previous,
            hash: self.hash,
        }
    }
}

const COLUMNS: &str = "SELECT number, at, kind, who, more, act, subject, origin, request, before, after, previous, hash \
    FROM audit WHERE tenant_id = ";

impl Store {
    /// What was done, newest first.
    pub async fn audit(&self, scope: &Scope, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), COLUMNS);
        sql.int(scope.tenant().0).push(" AND number > 0");
        for (column, wanted) in [
            (" AND who = ", &filter.who),
            (" AND kind = ", &filter.kind),
            (" AND act = ", &filter.act),
            (" AND subject = ", &filter.subject),
            (" AND request = ", &filter.request),
        ] {
            if let Some(wanted) = wanted {
                sql.push(column).text(wanted);
            }
        }
        if let Some(from) = filter.from {
            sql.push(" AND at >= ").int(from.micros());
        }
        if let Some(to) = filter.to {
            sql.push(" AND at < ").int(to.micros());
        }
        if let Some(before) = filter.before {
            sql.push(" AND number < ").int(before);
        }
        sql.push(" ORDER BY number DESC LIMIT ").int(limit(filter.limit));
        let rows: Vec<Row> = sql.fetch_all(reading.conn()).await?;
        reading.done().await?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// What was done behind an entry, in order.
    pub async fn audit_behind(&self, scope: &Scope, number: i64, rows: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT number, at, kind, who, more, act, subject, origin, request, before, after, previous, hash \
             FROM audit WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
            scope.tenant().0,
            number,
            limit(rows),
        );
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// Where the chain ends; none if nothing was done yet.
    pub async fn audit_head(&self, scope: &Scope) -> Result<Option<AuditHead>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, String, String),
            "SELECT number, hash, signature FROM audit_heads WHERE tenant_id = $1",
            scope.tenant().0
        );
        Ok(rows.into_iter().next().map(|(number, hash, signature)| AuditHead { number, hash, signature }))
    }

    /// Checks the whole chain: how many entries it has, and what is wrong with them. `kept` is an end of it that somebody wrote down
    /// elsewhere. What is added meanwhile is checked, too.
    pub async fn verify_audit(
        &self,
        scope: &Scope,
        kept: Option<AuditHead>,
        is_ours: impl Fn(&[u8], &str) -> bool,
    ) -> Result<(i64, Vec<Tampering>), StoreError> {
        let mut walk = Walk::new(scope.tenant()).since(kept);
        let mut ended_at = None;
        let mut passed = i64::MIN;
        loop {
            loop {
                let page = self.audit_behind(scope, passed, PAGE).await?;
                page.iter().for_each(|entry| walk.pass(entry));
                passed = page.last().map_or(passed, |last| last.number);
                if page.len() < PAGE {
                    break;
                }
            }
            let head = self.audit_head(scope).await?;
            let is_there = head.as_ref().is_none_or(|head| head.number <= walk.last());
            // What was not there at the second look is not there.
            if is_there || ended_at == Some(walk.last()) {
                let last = walk.last();
                let mut found = walk.end(head.as_ref(), is_ours);
                if last == 0 && head.is_none() && self.somebody_works(scope).await? {
                    found.push(Tampering::Empty);
                }
                return Ok((last, found));
            }
            ended_at = Some(walk.last());
        }
    }

    /// Whether a key was made in the tenant, or an event stored: it began with an act.
    async fn somebody_works(&self, scope: &Scope) -> Result<bool, StoreError> {
        let found = select!(
            self,
            scope,
            (i64,),
            "SELECT CAST(1 AS BIGINT) FROM keys WHERE tenant_id = $1 AND scopes NOT LIKE '%tenants:claim%' \
             UNION ALL SELECT CAST(1 AS BIGINT) FROM events WHERE tenant_id = $1 LIMIT 1",
            scope.tenant().0,
        );
        Ok(!found.is_empty())
    }

    /// Signs the end of the chain as it is, which is an act of the operator: the entry says so, and the hub signs what follows.
    pub async fn sign_audit(&self, scope: &Scope) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(tx.conn(), "UPDATE audit_heads SET number = number WHERE tenant_id = $1", tenant.0)
                        .map(drop)
                })
            })
            .await
    }
}
