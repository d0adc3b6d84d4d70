//! Declared types: a value of another type than its attribute was declared with is not written, by whatever way it comes.
//! The rest of its event is, the customer keeps the value that they had, and `Attribute Refused` says so.

use openhub_model::Cause;
use openhub_model::attribute::{AttributeType, Types};
use serde_json::{Value, json};

use super::customer::Lane;
use super::event::Happening;
use super::wave::Batch;

/// The event that says that a value was not written.
pub const VALUE_REFUSED: &str = "Attribute Refused";

/// A value that was not written. The value itself stands in the event, if it came by one.
pub struct Refused {
    attribute: String,
    declared: AttributeType,
    found: Option<AttributeType>,
    cause: Cause,
}

impl Lane {
    /// Whether an attribute may have this value. If not, that is told once the item is done.
    pub fn admits(&mut self, types: &Types, attribute: &str, value: &Value, cause: &Cause) -> bool {
        let Some(declared) = types.get(attribute).filter(|declared| !declared.holds(value)) else { return true };
        self.refused.push(Refused {
            attribute: attribute.to_owned(),
            declared: *declared,
            found: AttributeType::of(value),
            cause: cause.clone(),
        });
        false
    }
}

impl Batch<'_> {
    /// Tells what an item of the customer would have written.
    pub(super) fn tell_refused(&mut self, lane: usize, item: &Happening) {
        for (ordinal, refused) in (1..).zip(std::mem::take(&mut self.lanes[lane].refused)) {
            self.tally.values_refused += 1;
            let Refused { attribute, declared, found, cause } = refused;
            let properties = json!({
                "attribute": attribute, "type": declared, "found": found, "plugin": cause.plugin, "rule": cause.rule,
            });
            self.cause(lane, item, ("openhub", "attribute"), ordinal, VALUE_REFUSED.into(), properties, None);
        }
    }
}
