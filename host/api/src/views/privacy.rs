//! Receipts of erasures, and the list of who is refused.

use openhub_model::{Id, PartId, Timestamp};
use openhub_store::{Afterwards, Erasure, ErasureRequest, ErasureRequestStatus};
use serde::Serialize;
use utoipa::ToSchema;

/// Every place that an erasure looks into, in the order of the receipt.
const PLACES: [&str; 21] = [
    "customers",
    "parts",
    "claims",
    "claims_of_others",
    "matches",
    "events",
    "event_bodies",
    "customer_events",
    "events_of_others",
    "causes_of_others",
    "control_events",
    "set_aside",
    "faults",
    "memberships",
    "runs",
    "timers",
    "entries",
    "messages",
    "objects",
    "object_uniques",
    "plugin_kv",
];

/// The receipt of an erased customer: what was erased where. It does not say who they were.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct ErasureView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// The customer's id when the erasure was requested.
    #[schema(value_type = String, format = "uuid")]
    customer: PartId,
    /// The id of the key that requested it.
    asked_by: String,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    /// When the hub had erased what it keeps itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    erased_at: Option<Timestamp>,
    /// When all was done, by the plugins, too. Absent until then.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
    /// When the free pages of the database file were overwritten too; always absent with PostgreSQL.
    #[schema(value_type = Option<String>, format = DateTime)]
    scrubbed_at: Option<Timestamp>,
    identities: IdentitiesAfterwards,
    /// Rows erased in each place, also where there were none.
    places: Vec<PlaceView>,
    /// The plugins that are asked to erase what they keep elsewhere, and what they answered.
    plugins: Vec<ErasedByPluginView>,
}

/// What a plugin was asked to erase, and what came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasedByPlugin)]
pub(crate) struct ErasedByPluginView {
    plugin: String,
    /// `open`, `done`, `nothing` (it kept nothing) or `waived`.
    #[schema(value_type = String)]
    status: ErasureRequestStatus,
    /// What the plugin said when it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    /// Why the last attempt failed, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Attempts that failed.
    failures: i64,
    /// When it is asked next, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdentitiesAfterwards {
    Forgotten,
    Suppressed,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ErasedPlace)]
pub(crate) struct PlaceView {
    place: String,
    count: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ErasureList)]
pub(crate) struct ErasureList {
    pub erasures: Vec<ErasureView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// How many identities are refused. The list does not say which.
#[derive(Serialize, ToSchema)]
#[schema(as = Suppressions)]
pub(crate) struct SuppressionsView {
    pub count: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SuppressionCheck)]
pub(crate) struct SuppressionCheckView {
    pub suppressed: bool,
}

impl ErasureView {
    /// `requests` are those of this erasure.
    pub fn of(erasure: Erasure, requests: Vec<ErasureRequest>) -> ErasureView {
        let place =
            |name: &str| PlaceView { place: name.to_owned(), count: erasure.counts.get(name).copied().unwrap_or(0) };
        let is_closed = requests.iter().all(|request| request.status != ErasureRequestStatus::Open);
        let last = requests.iter().filter_map(|request| request.closed_at).chain(erasure.done_at).max();
        ErasureView {
            id: erasure.asked.id,
            customer: erasure.asked.customer,
            asked_at: erasure.asked.asked_at,
            erased_at: erasure.done_at,
            done_at: last.filter(|_| is_closed && erasure.done_at.is_some()),
            scrubbed_at: erasure.scrubbed_at,
            identities: match erasure.asked.afterwards {
                Afterwards::Forgotten => IdentitiesAfterwards::Forgotten,
                Afterwards::Suppressed => IdentitiesAfterwards::Suppressed,
            },
            places: PLACES.iter().map(|name| place(name)).collect(),
            plugins: requests.into_iter().map(Into::into).collect(),
            asked_by: erasure.asked.asked_by,
        }
    }

    /// Whether all is done, or what is left has failed and takes a while.
    pub fn is_settled(&self) -> bool {
        let waits = |plugin: &ErasedByPluginView| plugin.status == ErasureRequestStatus::Open && plugin.failures == 0;
        self.is_done() || !self.plugins.iter().any(waits)
    }

    /// Whether the hub and all plugins are done.
    pub fn is_done(&self) -> bool {
        self.done_at.is_some()
    }
}

impl From<ErasureRequest> for ErasedByPluginView {
    fn from(request: ErasureRequest) -> ErasedByPluginView {
        ErasedByPluginView {
            plugin: request.plugin,
            status: request.status,
            receipt: request.receipt,
            code: request.code,
            failures: request.attempt,
            next_at: request.due_at,
            closed_at: request.closed_at,
        }
    }
}
