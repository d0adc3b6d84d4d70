//! Webhooks: where events of a tenant are posted to, which of them, how far its log has been looked through, and how the receiver does.
//!
//! Whoever changes one changes its version. What the engine notes of it (how far it is, that it fails) is no change of anybody's.

use openhub_model::{TenantId, Timestamp};

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{json, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// Of a tenant at most.
pub const WEBHOOKS: i64 = 10_000;

/// A webhook as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub name: String,
    pub url: String,
    pub description: String,
    /// Types of events, and patterns of them: see [`openhub_model::webhook`].
    pub events: Vec<String>,
    /// The scopes without which somebody sees nothing of some events, as far as whoever set it up had them.
    pub sees: Vec<String>,
    pub enabled: bool,
    /// Why it is not: `asked`, `gone` or `failing`.
    pub disabled_for: Option<String>,
    /// Sealed.
    pub secret: String,
    /// The one before, sealed, and until when both sign.
    pub old_secret: Option<String>,
    pub old_until: Option<Timestamp>,
    pub version: i64,
    /// In the log: what stands behind it has not been looked at.
    pub position: i64,
    /// Attempts that failed in a row.
    pub failures: i64,
    pub failing_since: Option<Timestamp>,
    /// It is left alone until then.
    pub rests_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What the engine notes of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub failures: i64,
    pub failing_since: Option<Timestamp>,
    pub rests_until: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    url: String,
    description: String,
    events: String,
    sees: String,
    enabled: i64,
    disabled_for: Option<String>,
    secret: String,
    old_secret: Option<String>,
    old_until: Option<i64>,
    version: i64,
    position: i64,
    failures: i64,
    failing_since: Option<i64>,
    rests_until: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn read(self) -> Result<Webhook, StoreError> {
        Ok(Webhook {
            name: self.name,
            url: self.url,
            description: self.description,
            events: json(&self.events, "events of a webhook")?,
            sees: json(&self.sees, "scopes of a webhook")?,
            enabled: self.enabled != 0,
            disabled_for: self.disabled_for,
            secret: self.secret,
            old_secret: self.old_secret,
            old_until: maybe_time(self.old_until),
            version: self.version,
            position: self.position,
            failures: self.failures,
            failing_since: maybe_time(self.failing_since),
            rests_until: maybe_time(self.rests_until),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

impl Store {
    /// All of them by name.
    pub async fn webhooks(&self, scope: &Scope) -> Result<Vec<Webhook>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT name, url, description, events, sees, enabled, disabled_for, secret, old_secret, old_until, version, \
             position, failures, failing_since, rests_until, created_at, updated_at FROM webhooks \
             WHERE tenant_id = $1 ORDER BY name",
            scope.tenant().0,
        );
        rows.into_iter().map(Row::read).collect()
    }

    pub async fn webhook(&self, scope: &Scope, name: &str) -> Result<Option<Webhook>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT name, url, description, events, sees, enabled, disabled_for, secret, old_secret, old_until, version, \
             position, failures, failing_since, rests_until, created_at, updated_at FROM webhooks \
             WHERE tenant_id = $1 AND name = $2",
            scope.tenant().0,
            name,
        );
        rows.into_iter().next().map(Row::read).transpose()
    }
}

/// Writes version 1 of a new one, or the next version of one that is there; else [`StoreError::VersionConflict`]. A new one, and one
/// that is enabled again, begins at the end of the log and with a receiver that has not failed.
pub(crate) async fn put_webhook(tx: &mut Tx<'_>, tenant: TenantId, webhook: &Webhook) -> Result<(), StoreError> {
    let (events, sees) = (list(&webhook.events), list(&webhook.sees));
    let written = if webhook.version == 1 {
        execute!(
            tx.conn(),
            "INSERT INTO webhooks (tenant_id, name, url, description, events, sees, enabled, disabled_for, secret, old_secret, \
             old_until, version, position, created_at, updated_at) \
             SELECT $1, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT), \
             CAST($7 AS BIGINT), CAST($8 AS TEXT), CAST($9 AS TEXT), CAST($10 AS TEXT), CAST($11 AS BIGINT), 1, head, \
             CAST($12 AS BIGINT), CAST($12 AS BIGINT) FROM partitions WHERE tenant_id = $1 AND bucket = 0 \
             AND (SELECT COUNT(*) FROM webhooks WHERE tenant_id = $1) < $13 ON CONFLICT (tenant_id, name) DO NOTHING",
            tenant.0,
            &webhook.name,
            &webhook.url,
            &webhook.description,
            events,
            sees,
            i64::from(webhook.enabled),
            webhook.disabled_for.as_deref(),
            &webhook.secret,
            webhook.old_secret.as_deref(),
            webhook.old_until.map(Timestamp::micros),
            webhook.updated_at.micros(),
            WEBHOOKS,
        )?
    } else {
        execute!(
            tx.conn(),
            "UPDATE webhooks SET url = $3, description = $4, events = $5, sees = $6, enabled = $7, disabled_for = $8, \
             secret = $9, old_secret = $10, old_until = $11, version = $12, updated_at = $13, \
             position = CASE WHEN enabled < $7 THEN (SELECT head FROM partitions WHERE tenant_id = $1 AND bucket = 0) \
             ELSE position END, \
             failures = CASE WHEN enabled < $7 OR url <> $3 THEN 0 ELSE failures END, \
             failing_since = CASE WHEN enabled < $7 OR url <> $3 THEN NULL ELSE failing_since END, \
             rests_until = CASE WHEN enabled < $7 OR url <> $3 THEN NULL ELSE rests_until END \
             WHERE tenant_id = $1 AND name = $2 AND version = $12 - 1",
            tenant.0,
            &webhook.name,
            &webhook.url,
            &webhook.description,
            events,
            sees,
            i64::from(webhook.enabled),
            webhook.disabled_for.as_deref(),
            &webhook.secret,
            webhook.old_secret.as_deref(),
            webhook.old_until.map(Timestamp::micros),
            webhook.version,
            webhook.updated_at.micros(),
        )?
    };
    if written == 0 {
        return Err(StoreError::VersionConflict(vec![ObjectKey::new("webhook", webhook.name.clone())]));
    }
    Ok(())
}

/// With its deliveries.
pub(crate) async fn drop_webhook(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    version: Option<i64>,
) -> Result<(), StoreError> {
    let known = fetch_optional!(
        tx.conn(),
        (i64,),
        "SELECT version FROM webhooks WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        name,
    )?;
    let (known,) = known.ok_or(StoreError::NotFound)?;
    if version.is_some_and(|version| version != known) {
        return Err(StoreError::VersionConflict(vec![ObjectKey::new("webhook", name.to_owned())]));
    }
    execute!(tx.conn(), "DELETE FROM webhooks WHERE tenant_id = $1 AND name = $2", tenant.0, name).map(drop)
}

/// What the engine notes of a receiver; of one that was changed meanwhile too.
pub(crate) async fn put_health(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    health: &Health,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE webhooks SET failures = $3, failing_since = $4, rests_until = $5 WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        name,
        health.failures,
        health.failing_since.map(Timestamp::micros),
        health.rests_until.map(Timestamp::micros),
    )
    .map(drop)
}

/// The hub gives a receiver up. False if that is done, or somebody has changed the webhook since that version.
pub(crate) async fn give_up(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (name, version): (&str, i64),
    why: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let given_up = execute!(
        tx.conn(),
        "UPDATE webhooks SET enabled = 0, disabled_for = $4, version = version + 1, updated_at = $5 \
         WHERE tenant_id = $1 AND name = $2 AND version = $3 AND enabled = 1",
        tenant.0,
        name,
        version,
        why,
        at.micros(),
    )?;
    Ok(given_up > 0)
}

/// When something is to be sent, or looked through, of the webhooks of a tenant: 0 is at once.
pub(crate) async fn next_webhook(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Option<i64>, StoreError> {
    let due = "SELECT MIN(CASE WHEN w.position < w.head THEN 0 WHEN w.rests_until > w.due THEN w.rests_until ELSE w.due END) \
         FROM (SELECT webhooks.position AS position, partitions.head AS head, webhooks.rests_until AS rests_until, \
         (SELECT d.due_at FROM webhook_deliveries d WHERE d.tenant_id = $1 AND d.webhook = webhooks.name \
         AND d.due_at IS NOT NULL ORDER BY d.due_at LIMIT 1) AS due \
         FROM webhooks JOIN partitions ON partitions.tenant_id = webhooks.tenant_id AND partitions.bucket = 0 \
         WHERE webhooks.tenant_id = $1 AND webhooks.enabled = 1) w";
    Ok(fetch_optional!(tx.conn(), (Option<i64>,), due, tenant.0)?.and_then(|(due,)| due))
}

fn list(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}
