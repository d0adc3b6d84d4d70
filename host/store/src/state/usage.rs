//! What plugins used: the receipts of their calls, summed by day, plugin, version and what was called.

use std::collections::BTreeMap;

use openhub_model::price::Meter;
use openhub_model::{Day, Quarter, TenantId, Timestamp};

use crate::database::bulk::{Bulk, Rows};
use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, limit};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::metered::{Metered, metered_rows, put_metered};
use crate::store::Store;

/// What of a plugin is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Called {
    Channel,
    Check,
    Content,
    Endpoint,
    Job,
    Privacy,
    Rule,
    /// A rule as a shadow: what it answered changed nothing.
    Shadow,
    Source,
    Step,
}

impl Called {
    pub const ALL: [Called; 10] = {
        use Called::*;
        [Channel, Check, Content, Endpoint, Job, Privacy, Rule, Shadow, Source, Step]
    };

    pub const fn as_str(self) -> &'static str {
        match self {
            Called::Channel => "channel",
            Called::Check => "check",
            Called::Content => "content",
            Called::Endpoint => "endpoint",
            Called::Job => "job",
            Called::Privacy => "privacy",
            Called::Rule => "rule",
            Called::Shadow => "shadow",
            Called::Source => "source",
            Called::Step => "step",
        }
    }

    fn parse(text: &str) -> Option<Called> {
        Called::ALL.into_iter().find(|called| called.as_str() == text)
    }
}

/// Whose calls are summed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    pub plugin: String,
    /// Of the component that was called.
    pub digest: String,
    pub called: Called,
    /// Of the rule, object type, channel, function, step, source, endpoint or job.
    pub name: String,
}

/// What calls of one plugin's version used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    pub key: UsageKey,
    /// Of the plugin, with that digest.
    pub version: String,
    pub calls: i64,
    /// Rows of a rule, changes of objects, messages of a channel, runs at a step, calls of a function; one a call for the others.
    pub items: i64,
    /// Calls that failed as a whole.
    pub faults: i64,
    pub fuel: i64,
    pub host_calls: i64,
    pub fetches: i64,
    pub bytes_out: i64,
    /// Of the call that had the most.
    pub peak_memory: i64,
}

impl Usage {
    /// Of no call yet.
    pub fn none(key: UsageKey, version: String) -> Usage {
        Usage {
            key,
            version,
            calls: 0,
            items: 0,
            faults: 0,
            fuel: 0,
            host_calls: 0,
            fetches: 0,
            bytes_out: 0,
            peak_memory: 0,
        }
    }

    /// Adds calls of the same key.
    pub fn add(&mut self, more: &Usage) {
        self.calls += more.calls;
        self.items += more.items;
        self.faults += more.faults;
        self.fuel = self.fuel.saturating_add(more.fuel);
        self.host_calls += more.host_calls;
        self.fetches += more.fetches;
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
        self.peak_memory = self.peak_memory.max(more.peak_memory);
    }
}

/// The usage of one day, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageOfDay {
    pub day: Day,
    pub usage: Usage,
}

/// Where a page of usage begins: behind this row.
pub type UsageCursor = (Day, UsageKey);

/// Which usage is asked for.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// The first and the last day, both included.
    pub days: (Day, Day),
    pub plugin: Option<String>,
    pub after: Option<UsageCursor>,
}

#[derive(sqlx::FromRow)]
struct Row {
    day: i64,
    plugin: String,
    digest: String,
    kind: String,
    name: String,
    version: String,
    calls: i64,
    items: i64,
    faults: i64,
    fuel: i64,
    host_calls: i64,
    fetches: i64,
    bytes_out: i64,
    peak_memory: i64,
}

impl Row {
    fn read(self) -> Result<UsageOfDay, StoreError> {
        let called = Called::parse(&self.kind).ok_or_else(|| corrupt("kind of usage"))?;
        let key = UsageKey { plugin: self.plugin, digest: self.digest, called, name: self.name };
        let usage = Usage {
            key,
            version: self.version,
            calls: self.calls,
            items: self.items,
            faults: self.faults,
            fuel: self.fuel,
            host_calls: self.host_calls,
            fetches: self.fetches,
            bytes_out: self.bytes_out,
            peak_memory: self.peak_memory,
        };
        Ok(UsageOfDay { day: Day::new(self.day), usage })
    }
}

impl Store {
    /// What plugins used, by day, plugin, digest, and what was called.
    pub async fn usage(&self, scope: &Scope, filter: &UsageFilter, rows: usize) -> Result<Vec<UsageOfDay>, StoreError> {
        let (from, to) = filter.days;
        let (day, plugin, digest, kind, name) = match &filter.after {
            Some((day, key)) => (day.number(), &*key.plugin, &*key.digest, key.called.as_str(), &*key.name),
            None => (i64::MIN, "", "", "", ""),
        };
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT day, plugin, digest, kind, name, version, calls, items, faults, fuel, host_calls, fetches, bytes_out, \
             peak_memory FROM plugin_usage WHERE tenant_id = $1 AND day >= $2 AND day <= $3 \
             AND (CAST($4 AS TEXT) IS NULL OR plugin = $4) AND (day, plugin, digest, kind, name) > ($5, $6, $7, $8, $9) \
             ORDER BY day, plugin, digest, kind, name LIMIT $10",
            scope.tenant().0,
            from.number(),
            to.number(),
            filter.plugin.as_deref(),
            day,
            plugin,
            digest,
            kind,
            name,
            limit(rows),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// Adds what calls used that have no transaction of their own.
    pub async fn add_usage(&self, scope: &Scope, at: Timestamp, used: &[Usage]) -> Result<(), StoreError> {
        let Some(rows) = usage_rows(used) else { return Ok(()) };
        let tenant = scope.tenant();
        let metered = metered_rows(of_usage(used, at));
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    put_usage(tx, tenant, at, &rows).await?;
                    match metered {
                        Some(metered) => put_metered(tx, tenant, &metered).await,
                        None => Ok(()),
                    }
                })
            })
            .await
    }
}

/// What calls used, as meters count it.
pub(crate) fn of_usage(used: &[Usage], at: Timestamp) -> Vec<Metered> {
    let mut plugins: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for used in used {
        let (calls, fuel) = plugins.entry(&used.key.plugin).or_default();
        *calls += used.calls;
        *fuel = fuel.saturating_add(used.fuel);
    }
    let quarter = Quarter::of(at);
    let of = |(plugin, (calls, fuel)): (&str, (i64, i64))| {
        let calls = Metered::new(quarter, Meter::PluginCalls, plugin, calls);
        [calls, Metered::new(quarter, Meter::PluginFuel, plugin, fuel)]
    };
    plugins.into_iter().flat_map(of).collect()
}

pub(crate) fn usage_rows(used: &[Usage]) -> Option<Bulk> {
    Rows::of(used, |row, used| {
        let key = &used.key;
        row.text(&key.plugin).text(&key.digest).text(key.called.as_str()).text(&key.name).text(&used.version);
        row.int(used.calls).int(used.items).int(used.faults).int(used.fuel).int(used.host_calls).int(used.fetches);
        row.int(used.bytes_out).int(used.peak_memory);
    })
}

/// Adds to the sums of the day. No key occurs twice in the rows.
pub(crate) async fn put_usage(tx: &mut Tx<'_>, tenant: TenantId, at: Timestamp, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugin_usage (tenant_id, day, plugin, digest, kind, name, version, calls, items, faults, fuel, \
         host_calls, fetches, bytes_out, peak_memory) SELECT $1, CAST($2 AS BIGINT), CAST(value ->> 0 AS TEXT), \
         CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS TEXT), \
         CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT), \
         CAST(value ->> 8 AS BIGINT), CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT), \
         CAST(value ->> 11 AS BIGINT), CAST(value ->> 12 AS BIGINT) FROM jsonb_each($3) WHERE true \
         ON CONFLICT (tenant_id, day, plugin, digest, kind, name) DO UPDATE SET calls = plugin_usage.calls + excluded.calls, \
         items = plugin_usage.items + excluded.items, faults = plugin_usage.faults + excluded.faults, \
         fuel = plugin_usage.fuel + excluded.fuel, host_calls = plugin_usage.host_calls + excluded.host_calls, \
         fetches = plugin_usage.fetches + excluded.fetches, bytes_out = plugin_usage.bytes_out + excluded.bytes_out, \
         peak_memory = CASE WHEN excluded.peak_memory > plugin_usage.peak_memory THEN excluded.peak_memory \
         ELSE plugin_usage.peak_memory END",
        tenant.0,
        Day::of(at).number(),
        &rows.json,
    )
    .map(drop)
}
