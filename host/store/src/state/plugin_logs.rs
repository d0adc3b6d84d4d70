//! What plugins log: the last lines of each, for its author and the admin.

use openhub_model::{Id, Timestamp};

use crate::database::bulk::Rows;
use crate::database::connection::{execute, select};
use crate::database::decode::{id, limit, time};
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// Lines of a plugin that are kept.
pub const LOG_LINES: i64 = 2_000;
/// How long a line is kept, in microseconds: seven days.
const KEPT: i64 = 7 * 86_400_000_000;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginLog {
    pub at: Timestamp,
    /// Tells lines of one time apart.
    pub id: Id,
    pub plugin: String,
    pub digest: String,
    pub version: String,
    /// 0 (debug) to 3 (error).
    pub level: i64,
    pub message: String,
    /// As the plugin gave them: JSON, unless it did not keep to that.
    pub fields: String,
}

/// Which lines of a plugin are asked for.
#[derive(Clone, Debug)]
pub struct LogFilter {
    pub plugin: String,
    /// The lowest level.
    pub level: i64,
    /// Those behind this line; none: the newest.
    pub after: Option<(Timestamp, Id)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    at: i64,
    id: String,
    plugin: String,
    digest: String,
    version: String,
    level: i64,
    message: String,
    fields: String,
}

impl Row {
    fn read(self) -> Result<PluginLog, StoreError> {
        let Row { at, id: text, plugin, digest, version, level, message, fields } = self;
        Ok(PluginLog { at: time(at), id: id(&text)?, plugin, digest, version, level, message, fields })
    }
}

impl Store {
    /// Lines of a plugin in the order of their time: those behind a line, or the newest.
    pub async fn plugin_logs(
        &self,
        scope: &Scope,
        filter: &LogFilter,
        rows: usize,
    ) -> Result<Vec<PluginLog>, StoreError> {
        let (tenant, plugin, level) = (scope.tenant().0, &*filter.plugin, filter.level);
        let rows = match filter.after {
            Some((at, id)) => select!(
                self,
                scope,
                Row,
                "SELECT at, id, plugin, digest, version, level, message, fields FROM plugin_logs WHERE tenant_id = $1 \
                 AND plugin = $2 AND level >= $3 AND (at, id) > ($4, $5) ORDER BY at, id LIMIT $6",
                tenant,
                plugin,
                level,
                at.micros(),
                id.to_string(),
                limit(rows),
            ),
            None => select!(
                self,
                scope,
                Row,
                "SELECT at, id, plugin, digest, version, level, message, fields FROM (SELECT * FROM plugin_logs \
                 WHERE tenant_id = $1 AND plugin = $2 AND level >= $3 ORDER BY at DESC, id DESC LIMIT $4) newest ORDER BY at, id",
                tenant,
                plugin,
                level,
                limit(rows),
            ),
        };
        rows.into_iter().map(|row| Ok(scope.log(row.read()?))).collect()
    }

    /// Adds lines; the oldest go.
    pub async fn add_plugin_logs(&self, scope: &Scope, now: Timestamp, lines: &[PluginLog]) -> Result<(), StoreError> {
        let rows = Rows::of(lines, |row, line| {
            row.text(&line.plugin).time(line.at).id(line.id).text(&line.digest).text(&line.version).int(line.level);
            row.text(&line.message).text(&line.fields);
        });
        let Some(rows) = rows else { return Ok(()) };
        let tenant = scope.tenant();
        let write = self.writer.write(Some(tenant), move |tx| {
            Box::pin(async move {
                execute!(
                    tx.conn(),
                    "INSERT INTO plugin_logs (tenant_id, plugin, at, id, digest, version, level, message, fields) SELECT $1, \
                     CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS TEXT), \
                     CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS TEXT), CAST(value ->> 5 AS BIGINT), \
                     CAST(value ->> 6 AS TEXT), CAST(value ->> 7 AS TEXT) FROM jsonb_each($2) WHERE true \
                     ON CONFLICT (tenant_id, plugin, at, id) DO NOTHING",
                    tenant.0,
                    &rows.json,
                )?;
                execute!(
                    tx.conn(),
                    "WITH bounds AS MATERIALIZED (SELECT named.plugin AS plugin, (SELECT at FROM plugin_logs \
                     WHERE tenant_id = $1 AND plugin = named.plugin ORDER BY at DESC, id DESC LIMIT 1 OFFSET $3) AS bound \
                     FROM (SELECT DISTINCT CAST(value ->> 0 AS TEXT) AS plugin FROM jsonb_each($2)) named) \
                     DELETE FROM plugin_logs WHERE tenant_id = $1 AND (plugin, at, id) IN (SELECT old.plugin, old.at, old.id \
                     FROM bounds JOIN plugin_logs old ON old.tenant_id = $1 AND old.plugin = bounds.plugin \
                     AND old.at <= bounds.bound)",
                    tenant.0,
                    &rows.json,
                    LOG_LINES,
                )?;
                execute!(
                    tx.conn(),
                    "DELETE FROM plugin_logs WHERE tenant_id = $1 AND at < $2",
                    tenant.0,
                    now.micros() - KEPT,
                )
                .map(drop)
            })
        });
        write.await
    }
}
