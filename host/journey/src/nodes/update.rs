//! A change of the customer: attributes (a `null` removes one) and tags.
//!
//! The change itself is the engine's: it applies it under the run's cause and advances the run.

use openhub_model::condition::{Paths, Place};
use openhub_model::{Fault, limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use crate::document::escape;
use crate::error::Failure;
use crate::node::{Edge, NodeCheck, NodePlan, NodeType};
use crate::step::{Act, Flow, Input, Next, Walk};
use crate::template::{self, Fields};
use crate::uses::Uses;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// `true` adds a tag, `false` removes it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, bool>,
    pub next: String,
}

impl NodeType for Update {
    fn edges(&self) -> Vec<Edge<'_>> {
        vec![Edge::new("next", &self.next)]
    }

    fn uses(&self, objects: &BTreeSet<String>) -> Uses {
        template::uses(&self.attributes, objects)
    }

    fn check(&self, check: &mut NodeCheck<'_, '_>) {
        if self.attributes.is_empty() && self.tags.is_empty() {
            check.fault("attributes", "empty", "The update changes nothing: set at least one attribute or tag.");
        }
        let paths = check.surroundings().paths();
        let typed = check.surroundings().named.as_ref().map(|named| &named.attributes);
        let attributes = self.attributes.keys().map(|name| ("attributes", Place::Attribute, name));
        for (field, place, name) in attributes.chain(self.tags.keys().map(|name| ("tags", Place::Tag, name))) {
            let is_declared = place == Place::Attribute && typed.is_some_and(|typed| typed.contains_key(name));
            let slip = (paths == Paths::Refused && !is_declared).then(|| place.slip(name)).flatten();
            if let Some(message) = slip {
                check.fault(&format!("{field}/{}", escape(name)), "path-as-name", message);
            } else if name.is_empty() {
                check.fault(&format!("{field}/"), "empty", "The name is empty: set a name.");
            } else if name.len() > limits::NAME {
                let message = format!("The name is too long: at most {} bytes.", limits::NAME);
                check.fault(&format!("{field}/{}", escape(name)), limits::TOO_LONG, message);
            }
        }
        for (name, value) in &self.attributes {
            // What a template becomes is known when a run comes to it.
            let is_known = !value.as_str().is_some_and(template::is_template);
            let declared = typed.and_then(|typed| typed.get(name));
            if let Some(declared) = declared.filter(|declared| is_known && !declared.holds(value)) {
                let message = format!("`{name}` must be of its declared type: {}.", declared.in_words());
                check.fault(&format!("attributes/{}", escape(name)), "wrong-type", message);
            }
        }
        check.templates("attributes", &self.attributes);
    }

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault> {
        let tags = self.tags.iter().map(|(tag, present)| (tag.clone(), *present)).collect();
        let attributes = plan.fields("attributes", &self.attributes, &[])?;
        Ok(Box::new(Apply { attributes, tags, next: plan.node(&self.next)? }))
    }
}

struct Apply {
    attributes: Fields,
    tags: Vec<(String, bool)>,
    next: usize,
}

impl Act for Apply {
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
        let attributes = self.attributes.render(walk)?.into_iter().collect();
        Ok(Flow::Need(Next::Update { attributes, tags: self.tags.clone() }))
    }

    fn resume(&self, _walk: &mut Walk<'_>, input: &Input<'_>) -> Result<Flow, Failure> {
        Ok(if matches!(input, Input::Continue) { Flow::Go(self.next) } else { Flow::Ignore })
    }
}
