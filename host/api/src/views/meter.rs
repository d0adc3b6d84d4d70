//! What was counted.

use openhub_model::Timestamp;
use openhub_store::MeteredSum;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct MeterList {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// By meter and what it is divided by.
    pub meters: Vec<MeterView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// The sum of one meter.
#[derive(Serialize, ToSchema)]
#[schema(as = Meter)]
pub(crate) struct MeterView {
    /// `events`, `active-customers`, `messages`, `message-units`, `plugin-calls`, `plugin-fuel`, `object-rows`, `storage-bytes`,
    /// `api-calls`, or `reported:<name>`.
    meter: String,
    /// The channel, plugin or object type; `null`: the meter is not divided.
    of: Option<String>,
    quantity: i64,
}

impl From<MeteredSum> for MeterView {
    fn from(of: MeteredSum) -> MeterView {
        let MeteredSum { meter, of, quantity } = of;
        MeterView { meter: meter.to_string(), of: (!of.is_empty()).then_some(of), quantity }
    }
}

/// What became of a report of usage.
#[derive(Serialize, ToSchema)]
#[schema(as = ReportedUsage)]
pub(crate) struct ReportedView {
    /// Records that are new.
    pub counted: usize,
    /// Records that were known already, and count no second time.
    pub known: usize,
}
