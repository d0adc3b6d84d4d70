//! What items ask of plugins. Whoever asks goes on with the answer, and may ask again; all that is asked in a wave is put to each
//! plugin together (`answers`). A new kind of question is a variant here, a file that answers it, and a line there.

use std::collections::BTreeMap;

use openhub_journey::{Calls, StepAsk};
use openhub_model::tenant::Home;
use openhub_model::{Fault, Id, PartId, Timestamp};
use openhub_store::NewFault;
use serde_json::Value;

use super::retry::RequestKey;

/// A question.
#[derive(Clone, Debug)]
pub enum Ask {
    /// What a rule says to the event of this turn of the wave.
    Rule { rule: usize, turn: usize },
    /// How a run goes on from a plugin's step.
    Step(StepRequest),
    /// The values of functions that a run's texts call.
    Functions(FunctionsRequest),
    /// What becomes of an object.
    Object(Request),
}

/// The kinds of questions, in the order in which they are answered: a rule's answer may ask about objects, and what a run asks is no
/// question to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Rules,
    Steps,
    Functions,
    Objects,
}

/// What is asked and not answered yet.
#[derive(Default)]
pub struct Asks {
    /// By the rule, in the order of the catalog: each sees what those before it have done.
    pub rules: BTreeMap<usize, Vec<usize>>,
    /// By plugin and step, in the order in which they were asked.
    pub steps: BTreeMap<(String, String), Vec<StepRequest>>,
    /// In the order in which they were asked.
    pub functions: Vec<FunctionsRequest>,
    pub objects: Vec<Request>,
}

impl Asks {
    pub fn push(&mut self, ask: Ask) {
        match ask {
            Ask::Rule { rule, turn } => self.rules.entry(rule).or_default().push(turn),
            Ask::Step(request) => {
                let step = (request.ask.plugin.clone(), request.ask.step.clone());
                self.steps.entry(step).or_default().push(request);
            }
            Ask::Functions(request) => self.functions.push(request),
            Ask::Object(request) => self.objects.push(request),
        }
    }

    /// What is to be answered next.
    pub fn next(&self) -> Option<Kind> {
        let open = [
            (Kind::Rules, !self.rules.is_empty()),
            (Kind::Steps, !self.steps.is_empty()),
            (Kind::Functions, !self.functions.is_empty()),
            (Kind::Objects, !self.objects.is_empty()),
        ];
        open.into_iter().find(|(_, is_open)| *is_open).map(|(kind, _)| kind)
    }
}

/// A run that waits for an answer, and what it descends from.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub actor: usize,
    /// Its index of the actor.
    pub run: usize,
    pub now: Timestamp,
    pub depth: u8,
    /// `message_id` of the event behind it; of a run that time has moved, the run's id.
    pub cause: String,
}

#[derive(Clone, Debug)]
pub struct StepRequest {
    pub by: Waiting,
    pub run: Id,
    /// How many nodes the run has entered.
    pub place: u32,
    pub customer: PartId,
    pub ask: StepAsk,
}

#[derive(Clone, Debug)]
pub struct FunctionsRequest {
    pub by: Waiting,
    /// Where the receiver lives.
    pub home: Home,
    pub calls: Calls,
}

/// Who asks about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The run at this index of the actor, which waits for the answer.
    Run(usize),
    /// A rule, which goes on without it; its event has this position, if it is an event of the log.
    Rule { position: Option<i64> },
}

#[derive(Clone, Debug)]
pub enum Operation {
    Create { key: Option<String>, fields: Value },
    Merge { key: String, fields: Value },
    Delete { key: String },
}

#[derive(Clone, Debug)]
pub struct Request {
    pub actor: usize,
    /// The customer's part that it is made for.
    pub part: Option<PartId>,
    pub asker: Asker,
    pub key: RequestKey,
    pub kind: String,
    pub operation: Operation,
    pub now: Timestamp,
    /// Of the event behind it.
    pub depth: u8,
    /// `message_id` of the event behind it; of a run that time has moved, the run's id.
    pub cause: String,
    /// The rule that asks, as `<plugin>/<rule>`.
    pub by: Option<String>,
}

/// Key and fields as stored, or why not.
pub type Answered = Result<(String, Value), Vec<Fault>>;

/// What became of a request.
pub struct Answer {
    pub actor: usize,
    pub asker: Asker,
    pub now: Timestamp,
    pub depth: u8,
    /// Of the request.
    pub cause: String,
    /// The object's type, if it was changed.
    pub kind: Option<String>,
    pub result: Answered,
    /// What a rule did not get.
    pub fault: Option<Box<NewFault>>,
}
