//! What is told of values that were not written: of another type than their attribute was declared with, by whatever way they
//! come, and on the word of a page, what is not left to pages. The rest of the event is written, the customer keeps the value
//! that they had, and `Attribute Refused` says so.

use serde_json::json;

use super::batch::Batch;
use super::by::By;
use super::effects::events::CausedEvent;
use super::effects::refused::{Refused, Why};
use super::effects::{Effect, apply};
use super::event::Happening;

/// The event that says that a value was not written.
pub const VALUE_REFUSED: &str = "Attribute Refused";

/// Tells what an item of the customer would have written.
pub fn tell_refused(batch: &mut Batch<'_>, actor: usize, item: &Happening) {
    for (ordinal, refused) in (1..).zip(std::mem::take(&mut batch.actors[actor].refused)) {
        batch.tally.values_refused += 1;
        let Refused { attribute, why, cause } = refused;
        let properties = match why {
            Why::Type { declared, found } => json!({
                "attribute": attribute, "type": declared, "found": found, "plugin": cause.plugin, "rule": cause.rule,
            }),
            Why::Authority => json!({ "attribute": attribute, "reason": "authority" }),
            Why::TooMany => json!({ "attribute": attribute, "reason": "too-many" }),
            Why::TooLong => json!({ "attribute": attribute, "reason": "too-long" }),
        };
        let caused = CausedEvent {
            cause: item,
            by: By::of("openhub", "attribute"),
            ordinal,
            name: VALUE_REFUSED.into(),
            properties,
            to: None,
        };
        apply(batch, actor, Effect::Event(caused));
    }
}
