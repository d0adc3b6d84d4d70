//! A message to the customer through a channel. The run moves on at once: delivery is the outbox's.

use openhub_model::message::NewMessage;
use openhub_model::{Fault, Id};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

use super::{Edge, NodeType};
use crate::check::NodeCheck;
use crate::error::{Failure, StepError};
use crate::plan::NodePlan;
use crate::step::{Act, Facts, Flow, Walk};
use crate::template::{self, Fields};
use crate::uses::Uses;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    pub channel: String,
    /// The channel's content; its texts are templates.
    #[serde(default)]
    pub content: Map<String, Value>,
    pub next: String,
}

impl NodeType for SendMessage {
    fn edges(&self) -> Vec<Edge<'_>> {
        vec![Edge::new("next", &self.next)]
    }

    fn uses(&self, objects: &BTreeSet<String>) -> Uses {
        template::uses(&self.content, objects)
    }

    fn check(&self, check: &mut NodeCheck<'_, '_>) {
        check.templates("content", &self.content);
        match check.surroundings().channels.get(&self.channel) {
            None => check.fault("channel", "unknown-channel", format!("there is no channel `{}`", self.channel)),
            // A channel without declared content takes any object.
            Some(shape) if shape.content.is_empty() => {}
            Some(shape) => check.fields("content", &self.content, &shape.content, None),
        }
    }

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault> {
        let shape = plan.channel(&self.channel)?;
        Ok(Box::new(Post {
            channel: self.channel.clone(),
            kind: shape.address.clone(),
            purpose: shape.purpose.clone().unwrap_or_default(),
            content: plan.fields("content", &self.content, &shape.content)?,
            next: plan.node(&self.next)?,
        }))
    }
}

struct Post {
    channel: String,
    /// The identity kind that the channel sends to.
    kind: String,
    purpose: String,
    content: Fields,
    next: usize,
}

impl Act for Post {
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
        let address = address(walk.facts, &self.kind)
            .ok_or_else(|| StepError::NoAddress(self.kind.clone()).at(walk.field("channel")))?;
        let content = Value::Object(self.content.render(walk)?).to_string();
        let (run, facts) = (&*walk.run, walk.facts);
        let (tenant, step) = (facts.tenant.0.to_le_bytes(), run.step.to_le_bytes());
        let message = NewMessage {
            // By the transition's time, which a rerun shares: what is sent together lies together in the outbox.
            id: Id::at(facts.now, &[b"message", &tenant, run.id.as_bytes(), &step, run.node.as_bytes()]),
            part: run.part,
            channel: self.channel.clone(),
            address,
            purpose: self.purpose.clone(),
            content,
            journey: run.journey.clone(),
            run: run.id,
            node: run.node.clone(),
            created_at: facts.now,
            expires_at: None,
        };
        walk.messages.push(message);
        Ok(Flow::Go(self.next))
    }
}

/// The identity that the customer is called by if it is of this kind, else the attribute of the kind's name, else
/// another identity of the kind.
fn address(facts: &Facts<'_>, kind: &str) -> Option<String> {
    let customer = facts.customer;
    if customer.identity.kind == kind {
        return Some(customer.identity.value.clone());
    }
    match customer.attribute(kind) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => facts.identities.iter().find(|identity| identity.kind == kind).map(|identity| identity.value.clone()),
    }
}
