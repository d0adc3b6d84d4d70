//! What plugins log, and how they do.

use openhub_engine::watch::Quantiles;
use openhub_model::Timestamp;
use openhub_runtime::LogLevel;
use openhub_store::{Installation, PluginLog, PluginStatus, UsageOfDay};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct PluginLogList {
    /// The oldest first.
    pub lines: Vec<PluginLogView>,
    /// The `after` with which lines behind these are read, now or later: it is there on every page.
    pub behind: String,
}

/// A line of a plugin's log.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginLog)]
pub(crate) struct PluginLogView {
    /// By the clock of the hub on which the call ran.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `debug`, `info`, `warn` or `error`.
    level: &'static str,
    message: String,
    /// What the plugin gave beside it: an object, or a text if it is no JSON.
    fields: Value,
    version: String,
    /// Of the component.
    digest: String,
}

impl From<PluginLog> for PluginLogView {
    fn from(line: PluginLog) -> Self {
        let rank = usize::try_from(line.level).unwrap_or_default();
        let level = LogLevel::ALL.get(rank).copied().unwrap_or(LogLevel::Error).as_str();
        let fields = serde_json::from_str(&line.fields).unwrap_or_else(|_| Value::String(line.fields));
        let PluginLog { at, message, version, digest, .. } = line;
        PluginLogView { at, level, message, fields, version, digest }
    }
}

/// How a plugin does.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginHealth)]
pub(crate) struct PluginHealthView {
    #[schema(value_type = String)]
    status: PluginStatus,
    /// Why it is not in force though it is enabled.
    not_in_force: Option<String>,
    /// Each version that was called in the last seven days, the active one first.
    versions: Vec<VersionHealthView>,
    /// The last lines that it logged as errors, the oldest first.
    errors: Vec<PluginLogView>,
}

/// What calls of one version used in the last seven days, and how long they take.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginVersionHealth)]
pub(crate) struct VersionHealthView {
    version: String,
    /// Of the component.
    digest: String,
    calls: i64,
    /// Rows, changes, messages, runs: see `/api/v1/usage`.
    items: i64,
    /// Calls that failed as a whole.
    faults: i64,
    fuel: i64,
    /// Bytes of linear memory of the call that had the most.
    peak_memory: i64,
    /// Of this hub's own calls, since it started. Absent: it made none.
    latency: Option<LatencyView>,
}

/// How long calls take: half of them, and 99 of 100, took at most so long, rounded up by a quarter at most.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = PluginLatency)]
pub(crate) struct LatencyView {
    calls: u64,
    p50_ms: f64,
    p99_ms: f64,
}

impl From<Quantiles> for LatencyView {
    fn from(seen: Quantiles) -> Self {
        LatencyView { calls: seen.calls, p50_ms: seen.p50, p99_ms: seen.p99 }
    }
}

impl PluginHealthView {
    pub fn of(plugin: &Installation, used: Vec<UsageOfDay>, latency: impl Fn(&str) -> Option<Quantiles>) -> Self {
        let mut versions: Vec<VersionHealthView> = Vec::new();
        for UsageOfDay { usage, .. } in used {
            let digest = &usage.key.digest;
            let at = versions.iter().position(|version| version.digest == *digest).unwrap_or_else(|| {
                versions.push(VersionHealthView {
                    version: usage.version.clone(),
                    digest: digest.clone(),
                    calls: 0,
                    items: 0,
                    faults: 0,
                    fuel: 0,
                    peak_memory: 0,
                    latency: latency(digest).map(Into::into),
                });
                versions.len() - 1
            });
            let version = &mut versions[at];
            version.calls += usage.calls;
            version.items += usage.items;
            version.faults += usage.faults;
            version.fuel = version.fuel.saturating_add(usage.fuel);
            version.peak_memory = version.peak_memory.max(usage.peak_memory);
        }
        versions.sort_by_key(|version| version.digest != plugin.digest);
        PluginHealthView { status: plugin.status, not_in_force: None, versions, errors: Vec::new() }
    }

    pub fn with(self, not_in_force: Option<String>, errors: Vec<PluginLog>) -> Self {
        PluginHealthView { not_in_force, errors: errors.into_iter().map(Into::into).collect(), ..self }
    }
}
