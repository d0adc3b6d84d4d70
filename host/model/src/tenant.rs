//! One organisation in a hub.

use serde::{Deserialize, Serialize};

/// The number of a tenant within its hub. First column of every key in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub i64);

/// What a tenant's clock follows, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockKind {
    /// The host's clock.
    Live,
    /// The greatest event time so far, or an explicit advance: for past events run as if they happened now.
    Replay,
}
