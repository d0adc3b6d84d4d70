//! A new object for the customer, checked by its plugin before the run goes on.
//!
//! The relation to the customer is filled in here. What the plugin answers (a coupon's code) can be used by
//! later nodes under the node's `as` name; a refusal fails the run.

use openhub_model::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

use crate::ask::{Answer, Ask};
use crate::error::{Failure, StepError};
use crate::node::{Edge, NodeCheck, NodePlan, NodeType, unknown};
use crate::step::{Act, Flow, Input, Next, Walk};
use crate::template::{self, Fields, ROOTS};
use crate::uses::{Uses, Wanted};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeObject {
    pub action: Action,
    pub kind: String,
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// The name under which later templates find it.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub next: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
}

impl NodeType for MakeObject {
    fn edges(&self) -> Vec<Edge<'_>> {
        vec![Edge::new("next", &self.next)]
    }

    fn uses(&self, objects: &BTreeSet<String>) -> Uses {
        template::uses(&self.fields, objects)
    }

    fn check(&self, check: &mut NodeCheck<'_, '_>) {
        check.templates("fields", &self.fields);
        match check.surroundings().objects.get(&self.kind) {
            None => {
                let message = unknown("object type", &self.kind, &check.surroundings().objects);
                check.fault("kind", "unknown-object", message);
            }
            Some(shape) => check.fields("fields", &self.fields, &shape.fields, shape.owner.as_deref()),
        }
        if let Some(name) = &self.name {
            let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
            if !starts || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                check.fault(
                    "as",
                    "bad-name",
                    "A name must have only letters, digits and `_`, and must not start with a digit.",
                );
            } else if ROOTS.contains(&name.as_str()) {
                check.fault("as", "bad-name", format!("`{name}` is already used in templates: take another name."));
            }
        }
    }

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault> {
        let shape = plan.object(&self.kind)?;
        let keep = self.name.as_ref().map(|name| (name.clone(), plan.later(name)));
        Ok(Box::new(Make {
            kind: self.kind.clone(),
            owner: shape.owner.clone(),
            fields: plan.fields("fields", &self.fields, &shape.fields)?,
            keep: keep.filter(|(_, wanted)| !wanted.is_nothing()),
            next: plan.node(&self.next)?,
        }))
    }
}

struct Make {
    kind: String,
    owner: Option<String>,
    fields: Fields,
    /// Under which name what is kept, if a later node uses it.
    keep: Option<(String, Wanted)>,
    next: usize,
}

impl Act for Make {
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
        let mut fields = self.fields.render(walk)?;
        if let Some(owner) = &self.owner {
            fields.insert(owner.clone(), walk.facts.customer.customer.to_string().into());
        }
        Ok(Flow::Need(Next::Ask(Ask::Object { kind: self.kind.clone(), fields: Value::Object(fields) })))
    }

    fn resume(&self, walk: &mut Walk<'_>, input: &Input<'_>) -> Result<Flow, Failure> {
        match input {
            Input::Answer(Answer::Object { key, fields }) => {
                if let Some((name, wanted)) = &self.keep {
                    let mut kept = walk.kept().map_err(|error| error.at(walk.field("as")))?;
                    kept.object(name, wanted, key, fields);
                    walk.run.state = kept.write().map_err(|error| StepError::from(error).at(walk.field("as")))?;
                }
                Ok(Flow::Go(self.next))
            }
            Input::Answer(Answer::Refused(faults)) => Err(StepError::Refused(faults.to_vec()).at(walk.field("fields"))),
            _ => Ok(Flow::Ignore),
        }
    }
}
