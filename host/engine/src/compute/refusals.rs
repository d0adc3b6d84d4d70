//! What is told of values that were not written: of another type than their attribute was declared with, by whatever way they
//! come, and on the word of a page, what is not left to pages. The rest of the event is written, the customer keeps the value
//! that they had, and `Attribute Refused` says so.

use openhub_model::attribute::AttributeType;
use openhub_model::identity::Authority;
use openhub_model::limits;
use serde_json::json;

use super::batch::Batch;
use super::by::By;
use super::effects::events::CausedEvent;
use super::effects::refused::{Refused, Why};
use super::effects::{Effect, apply};
use super::event::Happening;

/// The event that says that a value was not written.
pub const VALUE_REFUSED: &str = "Attribute Refused";

/// Further attributes that are named in one event.
const OTHERS: usize = 20;

/// Tells what an item of the customer would have written.
pub fn tell_refused(batch: &mut Batch<'_>, actor: usize, item: &Happening) {
    let refused = std::mem::take(&mut batch.actors[actor].refused);
    batch.tally.values_refused += refused.len() as u64;
    // Whoever reads a page's key would have each of its events cause hundreds.
    let is_of_a_page = item.arrived() && item.authority == Authority::Browser;
    let said = |refused: &Refused| is_of_a_page && refused.cause.plugin.is_none();
    let others: Vec<String> =
        refused.iter().filter(|refused| said(refused)).skip(1).map(|refused| refused.attribute.clone()).collect();
    let mut is_told = false;
    for (ordinal, refused) in (1..).zip(refused) {
        let is_said = said(&refused);
        if is_said && std::mem::replace(&mut is_told, true) {
            continue;
        }
        let Refused { attribute, why, cause } = refused;
        let mut properties = match &why {
            Why::Type { declared, found } => json!({
                "attribute": attribute, "reason": "type", "type": declared, "found": found, "plugin": cause.plugin,
                "rule": cause.rule,
            }),
            Why::Authority => json!({ "attribute": attribute, "reason": "authority" }),
            Why::TooMany(of, most) => {
                json!({ "attribute": attribute, "reason": "too-many", "of": of, "most": most })
            }
            Why::TooLong => json!({ "attribute": attribute, "reason": "too-long", "most": limits::PAGE_VALUE }),
        };
        properties["message"] = message(&attribute, &why).into();
        if is_said && !others.is_empty() {
            properties["others"] = others.iter().take(OTHERS).cloned().collect();
            properties["count"] = (others.len() + 1).into();
        }
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

/// What was wrong, and what is allowed. Without the value: that stands in the event which brought it.
fn message(attribute: &str, why: &Why) -> String {
    match why {
        Why::Type { declared, found } => {
            let came = found.map_or("null", AttributeType::name);
            format!(
                "`{attribute}` was not written: its declared type is {}, and a value of the type {came} came.",
                declared.in_words()
            )
        }
        Why::Authority => format!(
            "`{attribute}` was not written: a page's key may set attributes that are declared with \"pages\": \"open\", and \
             those that nothing but pages has set. Send it with a server's key, or open the attribute to pages."
        ),
        Why::TooMany(of, most) => format!(
            "`{attribute}` was not written: the customer has no room for more from this sender. Allowed: at most {most} {of}."
        ),
        Why::TooLong => format!(
            "`{attribute}` was not written: its value is too long for a page's key, at most {} bytes.",
            limits::PAGE_VALUE
        ),
    }
}
