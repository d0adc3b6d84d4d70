//! Values of another type than their attribute was declared with, at the doors that refuse them: a change of a customer,
//! and an import, whose file can be mended. What a client sends is stored, and the engine leaves such a value out.

use openhub_model::attribute::Declaration;
use openhub_model::{EventKind, Fault, NewEvent};
use openhub_store::Scope;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use crate::app::App;
use crate::problem::Problem;
use crate::text::step;

/// The first value that does not fit, as a fault at its place below `pointer`.
pub(crate) fn fault_of(
    declared: &BTreeMap<String, Declaration>,
    attributes: &Map<String, Value>,
    pointer: &str,
) -> Option<Fault> {
    attributes.iter().find_map(|(name, value)| {
        let of = declared.get(name)?.of.filter(|of| !of.holds(value))?;
        let message = format!("The value must be of the declared type: {}.", of.in_words());
        Some(Fault::new(step(pointer, name), "wrong-type", message))
    })
}

/// What of an event becomes attributes.
#[derive(Deserialize)]
struct Said {
    traits: Option<Map<String, Value>>,
}

/// The faults of those of the events that would set such a value, by their place.
pub(crate) async fn faults_of(app: &App, scope: &Scope, events: &[NewEvent]) -> Result<Vec<(usize, Fault)>, Problem> {
    let declared = app.store.declared_attributes(scope).await?;
    if declared.values().all(|declaration| declaration.of.is_none()) {
        return Ok(Vec::new());
    }
    let fault = |(index, event): (usize, &NewEvent)| {
        let said: Said = serde_json::from_str(&event.body).ok().filter(|_| event.kind == EventKind::Identify)?;
        Some((index, fault_of(&declared, &said.traits?, "/traits")?))
    };
    Ok(events.iter().enumerate().filter_map(fault).collect())
}
