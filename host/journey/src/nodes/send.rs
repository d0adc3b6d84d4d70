//! A message to the customer through a channel. The run moves on at once: delivery is the outbox's.

use openhub_model::manifest::ChannelShape;
use openhub_model::message::{NewMessage, TRANSACTIONAL};
use openhub_model::{Fault, Id};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

use crate::context::StepContext;
use crate::error::{Failure, StepError};
use crate::node::{Edge, NodeCheck, NodePlan, NodeType, unknown_channel};
use crate::step::{Act, Flow, Walk};
use crate::template::{self, Fields};
use crate::uses::Uses;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    pub channel: String,
    /// What it is for: a purpose that customers consent to, or `transactional`. Absent: the one that its channel is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The channel's content; its texts are templates.
    #[serde(default)]
    pub content: Map<String, Value>,
    pub next: String,
}

const MISSING: &str = "The send has no purpose: set one that customers consent to, like `marketing`, or `transactional` for \
     messages that they must get.";
/// Characters of a purpose.
const PURPOSE: usize = 64;

fn is_purpose(purpose: &str) -> bool {
    (1..=PURPOSE).contains(&purpose.chars().count()) && purpose.trim() == purpose && !purpose.contains(['/', '\0'])
}

impl SendMessage {
    /// The node's own, else its channel's: but what is transactional is said by who sends, and by no plugin.
    fn purpose<'s>(&'s self, channel: &'s ChannelShape) -> Option<&'s str> {
        let made_for = channel.purpose.as_deref().filter(|purpose| *purpose != TRANSACTIONAL && is_purpose(purpose));
        self.purpose.as_deref().or(made_for)
    }
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
            None => {
                let message = unknown_channel(&self.channel, &check.surroundings().channels);
                return check.fault("channel", "unknown-channel", message);
            }
            Some(shape) if self.purpose(shape).is_none() => check.fault("purpose", "missing", MISSING),
            Some(_) => {}
        }
        if self.purpose.as_deref().is_some_and(|purpose| !is_purpose(purpose)) {
            check.fault(
                "purpose",
                "bad-purpose",
                format!("A purpose must have 1 to {PURPOSE} characters, no `/`, and no space at its ends."),
            );
        }
        match check.surroundings().channels.get(&self.channel) {
            None => {}
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
            // A version that was published before sends had a purpose goes on without one.
            purpose: self.purpose(shape).unwrap_or_default().to_owned(),
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

/// The identity that the customer is called by if it is of this kind, else the attribute of the kind's name, else another
/// identity of the kind, and last what a page says, whose key anybody can read.
fn address(facts: &StepContext<'_>, kind: &str) -> Option<String> {
    let customer = facts.customer;
    if customer.identity.kind == kind {
        return Some(customer.identity.value.clone());
    }
    let held = customer.attributes.get(kind);
    let said = held.and_then(|held| match &held.value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let identity = || facts.identities.iter().find(|identity| identity.kind == kind).map(|found| found.value.clone());
    match held.is_some_and(|held| held.cause.is_page()) {
        true => identity().or(said),
        false => said.or_else(identity),
    }
}
