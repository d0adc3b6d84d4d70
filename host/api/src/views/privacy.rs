//! Receipts of erasures, and the list of who is refused.

use openhub_model::{Id, PartId, Timestamp};
use openhub_store::{Afterwards, Erasure};
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
    /// Absent until the engine has done it.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
    /// When the free pages of the database file were overwritten too; always absent with PostgreSQL.
    #[schema(value_type = Option<String>, format = DateTime)]
    scrubbed_at: Option<Timestamp>,
    identities: IdentitiesAfterwards,
    /// Rows erased in each place, also where there were none.
    places: Vec<PlaceView>,
    /// The answers of plugins that were asked to erase their own data. No plugin is asked yet.
    plugins: Vec<PlaceView>,
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

impl From<Erasure> for ErasureView {
    fn from(erasure: Erasure) -> ErasureView {
        let place =
            |name: &str| PlaceView { place: name.to_owned(), count: erasure.counts.get(name).copied().unwrap_or(0) };
        ErasureView {
            id: erasure.asked.id,
            customer: erasure.asked.customer,
            asked_at: erasure.asked.asked_at,
            done_at: erasure.done_at,
            scrubbed_at: erasure.scrubbed_at,
            identities: match erasure.asked.afterwards {
                Afterwards::Forgotten => IdentitiesAfterwards::Forgotten,
                Afterwards::Suppressed => IdentitiesAfterwards::Suppressed,
            },
            places: PLACES.iter().map(|name| place(name)).collect(),
            plugins: Vec::new(),
            asked_by: erasure.asked.asked_by,
        }
    }
}
