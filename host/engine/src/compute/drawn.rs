//! Which rows of calls are recorded, as an admin asked for it.

use openhub_model::{Id, PartId, Timestamp};

use super::batch::Batch;
use super::record::Drawn;
use crate::catalog::Enabled;

/// A row of a call.
pub struct Asked<'a> {
    pub actor: usize,
    /// The part that it is about.
    pub part: Option<PartId>,
    pub now: Timestamp,
    /// What tells it apart from all others that the plugin is asked about.
    pub of: &'a [&'a [u8]],
}

/// The row, if its call is to be recorded: by a keyed hash, so that the same row is drawn at each attempt.
pub fn drawn(batch: &Batch<'_>, of: &Enabled, (kind, name): (&str, &str), row: &Asked<'_>) -> Option<Drawn> {
    let order = of.installation.recording.as_ref().filter(|order| row.now < order.until)?;
    if order.customer.is_some_and(|customer| batch.homes.get(&customer) != Some(&row.actor)) {
        return None;
    }
    let (tenant, plugin) = (batch.tenant.0.to_le_bytes(), of.installation.name.as_bytes());
    let named = [b"recording", &tenant[..], plugin, kind.as_bytes(), name.as_bytes()];
    let named = [named.as_slice(), row.of].concat();
    let is_drawn = batch.marker.seed(&named, 0, 0).0 % 1_000_000 < u64::from(order.per_million);
    let id = || Id::named(&[named.as_slice(), &[of.installation.digest.as_bytes()]].concat());
    is_drawn.then(|| Drawn { id: id(), part: row.part })
}
