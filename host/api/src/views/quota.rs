//! Limits, and how much of them is used.

use openhub_engine::quotas::{Bound, BoundOf};
use openhub_model::Timestamp;
use openhub_model::price::Then;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct QuotaList {
    pub quotas: Vec<QuotaView>,
}

/// A limit on what a subscription uses in a period.
#[derive(Serialize, ToSchema)]
#[schema(as = Quota)]
pub(crate) struct QuotaView {
    subscription: String,
    /// What is limited; `null`: what is paid, by the partner's own cap.
    meter: Option<String>,
    /// The channel, plugin or object type; `null`: all of them together.
    of: Option<String>,
    /// Of a cap.
    currency: Option<String>,
    /// A whole number; of a cap, a decimal.
    limit: String,
    used: String,
    /// At the limit: `refuse`, or `overrun`.
    #[schema(value_type = String)]
    then: Then,
    #[schema(value_type = String, format = DateTime)]
    resets_at: Timestamp,
}

impl From<Bound> for QuotaView {
    fn from(bound: Bound) -> QuotaView {
        let Bound { subscription, of, used, limit, resets_at, .. } = bound;
        match of {
            BoundOf::Quota(quota) => QuotaView {
                subscription,
                meter: Some(quota.meter.to_string()),
                of: quota.of,
                currency: None,
                limit: limit.to_string(),
                used: used.to_string(),
                then: quota.then,
                resets_at,
            },
            BoundOf::Cap { currency, costs, .. } => QuotaView {
                subscription,
                meter: None,
                of: None,
                currency: Some(currency.to_string()),
                limit: currency.format(limit),
                used: currency.format(used),
                then: if costs.is_empty() { Then::Overrun } else { Then::Refuse },
                resets_at,
            },
        }
    }
}
