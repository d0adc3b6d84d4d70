//! A node of a plugin's own: the plugin says how a run goes on, by one of its outlets or after a wait.
//!
//! Entering and waking are one question. What a wait leaves is kept with the run, and goes when the run goes on.

use openhub_model::fault::instead_of;
use openhub_model::{Fault, Span, limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use crate::ask::{Answer, Ask, Onward, StepAsk, Woke};
use crate::document::escape;
use crate::error::{Failure, StepError};
use crate::node::{Edge, NodeCheck, NodePlan, NodeType, unknown};
use crate::state::{Kept, KeptStep, Missed};
use crate::step::{Act, Flow, Input, Next, Walk};
use crate::surroundings::Surroundings;
use crate::template::{self, Fields};
use crate::uses::Uses;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStep {
    pub plugin: String,
    pub step: String,
    /// What the step is given, of the fields that it declares; texts are templates.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub with: Map<String, Value>,
    /// The node behind each of its outlets.
    pub outlets: BTreeMap<String, String>,
}

impl NodeType for RunStep {
    fn edges(&self) -> Vec<Edge<'_>> {
        self.outlets.iter().map(|(outlet, next)| Edge::new(format!("outlets/{}", escape(outlet)), next)).collect()
    }

    fn awaits<'s>(&'s self, surroundings: &'s Surroundings) -> Vec<&'s str> {
        let shape = surroundings.steps.get(&self.plugin).and_then(|of| of.get(&self.step));
        shape.map(|shape| shape.events.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    fn uses(&self, objects: &BTreeSet<String>) -> Uses {
        template::uses(&self.with, objects)
    }

    fn check(&self, check: &mut NodeCheck<'_, '_>) {
        check.plain_templates("with", &self.with);
        let steps = &check.surroundings().steps;
        let Some(of) = steps.get(&self.plugin) else {
            let known = instead_of(&self.plugin, steps.keys());
            let message = format!("No enabled plugin `{}` has steps. {known}", self.plugin);
            return check.fault("plugin", "unknown-step", message);
        };
        let Some(shape) = of.get(&self.step) else {
            return check.fault("step", "unknown-step", unknown("step", &self.step, of));
        };
        check.fields("with", &self.with, &shape.input, None);
        for outlet in self.outlets.keys().filter(|outlet| !shape.outlets.contains(outlet)) {
            let message = format!("The step has no outlet `{outlet}`. {}", instead_of(outlet, &shape.outlets));
            check.fault(&format!("outlets/{}", escape(outlet)), "unknown-outlet", message);
        }
        for outlet in shape.outlets.iter().filter(|outlet| !self.outlets.contains_key(*outlet)) {
            let message = format!("The outlet `{outlet}` leads nowhere: set the node behind it.");
            check.fault(&format!("outlets/{}", escape(outlet)), "missing-field", message);
        }
    }

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault> {
        let shape = plan.step(&self.plugin, &self.step)?;
        let outlets = shape.outlets.iter().filter_map(|outlet| self.outlets.get(outlet)).map(|next| plan.node(next));
        Ok(Box::new(Ran {
            outlets: outlets.collect::<Result<_, _>>()?,
            with: plan.fields("with", &self.with, &shape.input)?,
            plugin: self.plugin.clone(),
            step: self.step.clone(),
            events: shape.events.clone(),
            version: shape.state_version,
        }))
    }
}

/// A step that waits for less would have a run woken again and again at the same instant.
const SHORTEST: Span = limits::SHORTEST_WAIT;

struct Ran {
    plugin: String,
    step: String,
    with: Fields,
    /// In the order in which the step declares them, as its events are.
    outlets: Vec<usize>,
    events: Vec<String>,
    version: u32,
}

impl Ran {
    fn ask(&self, walk: &Walk<'_>, kept: Option<KeptStep>, woke: Woke) -> Result<Flow, Failure> {
        let input = Value::Object(self.with.render(walk)?).to_string();
        let (state, state_version) = match kept {
            Some(kept) => (kept.state(), kept.version),
            None => (Vec::new(), self.version),
        };
        let (plugin, step) = (self.plugin.clone(), self.step.clone());
        Ok(Flow::Need(Next::Ask(Ask::Step(StepAsk { plugin, step, input, state, state_version, woke }))))
    }

    fn event(&self, name: &str) -> Option<u32> {
        self.events.iter().position(|event| event == name).map(|number| number as u32)
    }

    fn kept(walk: &Walk<'_>) -> Result<Kept, Failure> {
        walk.kept().map_err(|error| error.at(walk.field("step")))
    }

    fn keep(walk: &mut Walk<'_>, kept: &Kept) -> Result<(), Failure> {
        walk.run.state = kept.write().map_err(|error| StepError::from(error).at(walk.field("step")))?;
        Ok(())
    }

    /// What the step answered.
    fn onward(&self, walk: &mut Walk<'_>, onward: &Onward) -> Result<Flow, Failure> {
        let mut kept = Ran::kept(walk)?;
        match onward {
            Onward::Go(outlet) => {
                let malformed = || StepError::NoAnswer(vec![Fault::new("", "malformed", "it has no such outlet")]);
                let next = self.outlets.get(*outlet as usize);
                let next = *next.ok_or_else(|| malformed().at(walk.field("outlets")))?;
                if kept.step.take().is_some() {
                    Ran::keep(walk, &kept)?;
                }
                Ok(Flow::Go(next))
            }
            Onward::Wait { until, events, state } => {
                kept.step = Some(KeptStep::of(state, self.version));
                Ran::keep(walk, &kept)?;
                let events = events.iter().filter_map(|event| self.events.get(*event as usize).cloned());
                walk.run.awaits = events.collect();
                walk.run.due = until.map(|until| until.max(walk.facts.now + SHORTEST));
                Ok(Flow::Rest)
            }
            Onward::Fail { code, message } => {
                Err(StepError::Step { code: code.clone(), message: message.clone() }.at(walk.field("step")))
            }
        }
    }
}

impl Act for Ran {
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
        self.ask(walk, None, Woke::Entered)
    }

    fn resume(&self, walk: &mut Walk<'_>, input: &Input<'_>) -> Result<Flow, Failure> {
        match input {
            Input::Event(event) | Input::Remember(event) => {
                let awaited = walk.run.awaits.iter().any(|name| name == event.name);
                let Some(number) = self.event(event.name).filter(|_| awaited) else { return Ok(Flow::Ignore) };
                let mut kept = Ran::kept(walk)?;
                if matches!(input, Input::Event(_)) {
                    let properties = event.properties.to_string();
                    return self.ask(walk, kept.step, Woke::Event { event: number, at: event.at, properties });
                }
                let missed = Missed { event: number, at: event.at, properties: event.properties.clone() };
                kept.step.get_or_insert_default().missed = Some(missed);
                Ran::keep(walk, &kept)?;
                walk.run.awaits.clear();
                walk.run.due = Some(walk.facts.now);
                Ok(Flow::Rest)
            }
            // Never early.
            Input::Timer if walk.run.due.is_some_and(|due| due <= walk.facts.now) => {
                let mut kept = Ran::kept(walk)?.step;
                let woke = match kept.as_mut().and_then(|kept| kept.missed.take()) {
                    Some(Missed { event, at, properties }) => {
                        Woke::Event { event, at, properties: properties.to_string() }
                    }
                    None => Woke::Timer,
                };
                self.ask(walk, kept, woke)
            }
            Input::Answer(Answer::Step(onward)) => self.onward(walk, onward),
            Input::Answer(Answer::Refused(faults)) => Err(StepError::NoAnswer(faults.to_vec()).at(walk.field("step"))),
            _ => Ok(Flow::Ignore),
        }
    }
}
