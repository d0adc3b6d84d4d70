//! What plugins used.

use openhub_model::Day;
use openhub_store::UsageOfDay;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct UsageList {
    /// By day, plugin, digest, and what was called.
    pub usage: Vec<UsageView>,
    /// The `after` of the next page; `null` on the last.
    pub next: Option<String>,
}

/// What calls of one part of a plugin used on one day: the sums of their receipts.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageView {
    /// In UTC, by the hub's clock.
    #[schema(value_type = String, format = Date)]
    day: Day,
    plugin: String,
    version: String,
    /// Of the component.
    digest: String,
    /// What was called: `channel`, `check` (of an object type), `content` (a function of texts), `endpoint`, `job`, `privacy`, `rule`,
    /// `shadow` (a rule that is called and changes nothing), `source` or `step`.
    kind: &'static str,
    /// Its name.
    name: String,
    calls: i64,
    /// Rows of a rule, changes of objects, messages of a channel, runs at a step, calls of a function; one for each call of the others.
    items: i64,
    /// Calls that failed as a whole. They used what they used.
    faults: i64,
    /// CPU, in units of the runtime: the same call with the same input uses the same.
    fuel: i64,
    /// Calls of the host by the plugin.
    host_calls: i64,
    /// HTTP requests.
    fetches: i64,
    /// Bytes of those requests.
    bytes_out: i64,
    /// Bytes of memory in the call that had the most.
    peak_memory: i64,
}

impl From<UsageOfDay> for UsageView {
    fn from(UsageOfDay { day, usage }: UsageOfDay) -> UsageView {
        UsageView {
            day,
            plugin: usage.key.plugin,
            version: usage.version,
            digest: usage.key.digest,
            kind: usage.key.called.as_str(),
            name: usage.key.name,
            calls: usage.calls,
            items: usage.items,
            faults: usage.faults,
            fuel: usage.fuel,
            host_calls: usage.host_calls,
            fetches: usage.fetches,
            bytes_out: usage.bytes_out,
            peak_memory: usage.peak_memory,
        }
    }
}
