//! Values that are not written: of another type than their attribute was declared with, by whatever way they come, and on
//! the word of a page, what is not left to pages. The rest of the event is written, the customer keeps the value that they
//! had, and `Attribute Refused` says so.

use openhub_model::Cause;
use openhub_model::attribute::{AttributeType, Types};
use serde_json::{Value, json};

use super::actor::Actor;
use super::batch::Batch;
use super::by::By;
use super::caused::cause_event;
use super::event::Happening;
use super::refused::{Refused, Why};
use crate::catalog::Pages;

/// The event that says that a value was not written.
pub const VALUE_REFUSED: &str = "Attribute Refused";

impl Actor {
    /// Whether an attribute may have this value. If not, that is told once the item is done.
    pub fn admits(&mut self, types: &Types, attribute: &str, value: &Value, cause: &Cause) -> bool {
        let Some(declared) = types.get(attribute).filter(|declared| !declared.holds(value)) else { return true };
        self.refused.push(Refused {
            attribute: attribute.to_owned(),
            why: Why::Type { declared: *declared, found: AttributeType::of(value) },
            cause: cause.clone(),
        });
        false
    }

    /// The cause under which a page sets an attribute; none if it may not. What others have set of the customer stands
    /// before it by its cause, so that a part's own state does not depend on whom it is joined with. Saying what is so
    /// already is no offence.
    pub fn admits_page(&mut self, pages: &Pages, attribute: &str, value: &Value, cause: &Cause) -> Option<Cause> {
        let may = pages.may_set(attribute);
        if may == Some(true) {
            return Some(cause.clone());
        }
        let held = self.customer.as_ref().and_then(|customer| customer.attributes.get(attribute));
        let stands = may.is_none() && held.is_none_or(|held| held.cause.is_page());
        if !stands && held.is_none_or(|held| held.value != *value) {
            self.refused.push(Refused { attribute: attribute.to_owned(), why: Why::Authority, cause: cause.clone() });
        }
        may.is_none().then(|| cause.clone().by_page())
    }
}

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
        };
        cause_event(
            batch,
            actor,
            item,
            By::of("openhub", "attribute"),
            ordinal,
            VALUE_REFUSED.into(),
            properties,
            None,
        );
    }
}
