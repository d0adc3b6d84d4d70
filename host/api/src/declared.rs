//! Values of another type than their attribute was declared with, at the doors that refuse them: a change of a customer,
//! and an import, whose file can be mended. What a client sends is stored, and the engine leaves such a value out.

use openhub_model::attribute::{AttributeType, Declaration};
use openhub_model::{EventKind, Fault, NewEvent};
use openhub_store::Scope;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use crate::app::App;
use crate::problem::Problem;
use crate::text::step;

/// The values that do not fit, as faults at their places below `pointer`.
pub(crate) fn faults(
    declared: &BTreeMap<String, Declaration>,
    attributes: &Map<String, Value>,
    pointer: &str,
) -> Vec<Fault> {
    let fault = |(name, value): (&String, &Value)| {
        let of = declared.get(name)?.of.filter(|of| !of.holds(value))?;
        Some(Fault::new(step(pointer, name), "wrong-type", unlike(name, of, value)))
    };
    attributes.iter().filter_map(fault).collect()
}

/// What is wrong with a value of another type than its attribute was declared with.
fn unlike(name: &str, of: AttributeType, value: &Value) -> String {
    let found = AttributeType::of(value).map_or("null", AttributeType::name);
    format!("The attribute `{name:.64}` was declared as {}, and this value ({found}) is none.", of.in_words())
}

/// What of an event becomes attributes.
#[derive(Deserialize)]
struct Said {
    traits: Option<Map<String, Value>>,
}

/// The faults of those of the events that would set such a value, by their place.
pub(crate) async fn faults_of(
    app: &App,
    scope: &Scope,
    events: &[NewEvent],
) -> Result<Vec<(usize, Vec<Fault>)>, Problem> {
    let declared = app.store.declared_attributes(scope).await?;
    if declared.values().all(|declaration| declaration.of.is_none()) {
        return Ok(Vec::new());
    }
    let of_event = |(index, event): (usize, &NewEvent)| {
        let said: Said = serde_json::from_str(&event.body).ok().filter(|_| event.kind == EventKind::Identify)?;
        Some((index, faults(&declared, &said.traits?, "/traits")))
    };
    Ok(events.iter().enumerate().filter_map(of_event).filter(|(_, faults)| !faults.is_empty()).collect())
}
