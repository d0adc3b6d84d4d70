//! A compiled journey version, and how a run moves through it. Pure: the same run, input and facts give the
//! same step, on every machine and replay.

use openhub_model::condition::Needs;
use openhub_model::run::{Run, RunStatus, Told};
use openhub_model::{Customer, Fault, Id, TenantId};
use std::collections::BTreeSet;
use std::fmt;

use crate::ask::{Answer, Ask};
use crate::calls::{Calls, Known};
use crate::check::check;
use crate::context::{Moment, StepContext};
use crate::definition::{Definition, Reentry};
use crate::document::node_pointer;
use crate::error::{Failure, StepError};
use crate::nodes::registry::Node;
use crate::plan::{Graph, plan};
use crate::state::{EMPTY, Kept};
use crate::step::{Act, Flow, Input, Next, Step, Walk};
use crate::surroundings::Surroundings;
use crate::triggers::registry::Trigger;

/// One version of a journey, ready to run. Never changes.
pub struct Journey {
    name: String,
    version: i64,
    trigger: Trigger,
    reentry: Reentry,
    start: String,
    graph: Graph,
    needs: Needs,
    awaited: BTreeSet<String>,
    /// Exits whose reason is `converted`.
    converting: BTreeSet<String>,
}

impl fmt::Debug for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journey").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Journey {
    /// Checks a definition and compiles it: templates once, names to indexes, the channels' address kinds baked in.
    pub fn compile(
        name: &str,
        version: i64,
        definition: &Definition,
        surroundings: &Surroundings,
    ) -> Result<Journey, Vec<Fault>> {
        let faults = check(definition, surroundings);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Journey {
            name: name.to_owned(),
            version,
            trigger: definition.trigger.clone(),
            reentry: definition.reentry,
            start: definition.start.clone(),
            graph: plan(definition, surroundings).map_err(|fault| vec![fault])?,
            needs: needs(definition),
            awaited: awaited(definition, surroundings),
            converting: converting(definition),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> i64 {
        self.version
    }

    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// What the conditions of its trigger and branches ask about customers.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Whether a run that ends at this node has reached what the journey is for.
    pub fn converts_at(&self, node: &str) -> bool {
        self.converting.contains(node)
    }

    /// Names of events that its runs may wait for.
    pub fn awaited(&self) -> impl Iterator<Item = &str> {
        self.awaited.iter().map(String::as_str)
    }

    pub fn reentry(&self) -> Reentry {
        self.reentry
    }

    /// A new run before its first node: advance it with [`Input::Enter`]. Its id comes from its cause.
    pub fn start(&self, tenant: TenantId, customer: &Customer, trigger: &Moment<'_>) -> Run {
        let cause = [
            &tenant.0.to_le_bytes()[..],
            self.name.as_bytes(),
            &self.version.to_le_bytes(),
            customer.part.as_bytes(),
            trigger.message_id.as_bytes(),
        ];
        let state = if self.graph.uses.keeps_trigger() {
            // A map of JSON values under text keys always has a text.
            Kept::of(trigger, &self.graph.uses).write().unwrap_or_else(|_| EMPTY.to_owned())
        } else {
            EMPTY.to_owned()
        };
        Run {
            id: Id::at(trigger.at, &cause),
            part: customer.part,
            journey: self.name.clone(),
            version: self.version,
            node: self.start.clone(),
            step: 0,
            status: RunStatus::Waiting,
            awaits: Vec::new(),
            since: 0,
            due: None,
            state,
            started_at: trigger.at,
            ended_at: None,
            fault: None,
            served_by: None,
            told: Told::default(),
        }
    }

    /// Moves a run by one input, through as many nodes as it can pass at once. `run.step` counts the nodes that it
    /// entered, so that (run, step) names a transition. A run that has ended ignores everything.
    pub fn advance(&self, run: &mut Run, input: Input<'_>, facts: &StepContext<'_>) -> Step {
        let mut entered = Vec::new();
        if run.status != RunStatus::Waiting {
            return Step { entered, messages: Vec::new(), next: Next::Ignored, fault: None };
        }
        let templates = &self.graph.templates;
        let mut walk = Walk { run, facts, templates, known: Known::default(), messages: Vec::new() };
        let mut fault = None;
        let next = self.walk(&mut walk, &input, &mut entered).unwrap_or_else(|failure| {
            end(walk.run, RunStatus::Failed, facts);
            walk.run.fault = Some(failure.to_string());
            fault = Some(failure.fault());
            Next::Rest
        });
        Step { entered, messages: walk.messages, next, fault }
    }

    fn walk(&self, walk: &mut Walk<'_>, input: &Input<'_>, entered: &mut Vec<String>) -> Result<Next, Failure> {
        let Some(&here) = self.graph.index.get(&walk.run.node) else {
            return Err(StepError::NoSuchNode { version: self.version }.at(node_pointer(&walk.run.node)));
        };
        let mut flow = match (input, walk.run.step) {
            (Input::Enter(_), 0) => Flow::Go(here),
            (Input::Enter(_), _) | (_, 0) => Flow::Ignore,
            (Input::Answer(Answer::Calls(known)), _) => {
                walk.known = Known::clone(known);
                arrive(&*self.graph.nodes[here].1, walk)?
            }
            _ => self.graph.nodes[here].1.resume(walk, input)?,
        };
        loop {
            match flow {
                Flow::Go(next) => {
                    if entered.len() > self.graph.nodes.len() {
                        return Err(StepError::Endless.at(node_pointer(&walk.run.node)));
                    }
                    let (id, node) = &self.graph.nodes[next];
                    entered.push(id.clone());
                    walk.run.node.clone_from(id);
                    walk.run.step += 1;
                    walk.run.awaits.clear();
                    walk.run.due = None;
                    walk.known = Known::default();
                    flow = arrive(&**node, walk)?;
                }
                Flow::Rest => return Ok(Next::Rest),
                Flow::Need(request) => return Ok(request),
                Flow::End => {
                    end(walk.run, RunStatus::Done, walk.facts);
                    return Ok(Next::Rest);
                }
                Flow::Ignore => return Ok(Next::Ignored),
            }
        }
    }
}

/// Enters a node, or asks what its texts need to know before.
fn arrive(node: &dyn Act, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
    match node.enter(walk) {
        Err(failure) => {
            let open = failure.open()?;
            Ok(Flow::Need(Next::Ask(Ask::Calls(Calls::new(open, walk.known.clone())))))
        }
        flow => flow,
    }
}

/// What a run kept is of no use once it has ended.
fn end(run: &mut Run, status: RunStatus, facts: &StepContext<'_>) {
    run.status = status;
    run.awaits.clear();
    run.due = None;
    run.state = EMPTY.to_owned();
    run.ended_at = Some(facts.now);
}
fn needs(definition: &Definition) -> Needs {
    let mut needs = Needs::default();
    definition.trigger.needs(&mut needs);
    for node in definition.nodes.values() {
        if let Node::Branch(branch) = node {
            branch.branches.iter().for_each(|arm| needs.add(&arm.condition));
        }
    }
    needs
}

fn awaited(definition: &Definition, surroundings: &Surroundings) -> BTreeSet<String> {
    let awaited = definition.nodes.values().flat_map(|node| node.as_type().awaits(surroundings));
    awaited.map(str::to_owned).collect()
}

fn converting(definition: &Definition) -> BTreeSet<String> {
    let exits = definition.nodes.iter().filter_map(|(id, node)| match node {
        Node::Exit(exit) if exit.reason.as_deref() == Some("converted") => Some(id.clone()),
        _ => None,
    });
    exits.collect()
}
