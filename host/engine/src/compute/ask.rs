//! What items ask of plugins. Whoever asks goes on with the answer, and may ask again; all that is asked in a wave is put to each
//! plugin together (`answers`). A new kind of question is a variant here, a file that answers it, and a line there.

use std::collections::BTreeMap;

use openhub_model::{Fault, PartId, Timestamp};
use serde_json::Value;

use super::retry::RequestKey;

/// A question.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum Ask {
    /// What a rule says to the event of this turn of the wave.
    Rule { rule: usize, turn: usize },
    /// What becomes of an object.
    Object(Request),
}

/// The kinds of questions, in the order in which they are answered: a rule's answer may ask about objects, and an object's is no
/// question to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Rules,
    Objects,
}

/// What is asked and not answered yet.
#[derive(Default)]
pub struct Asks {
    /// By the rule, in the order of the catalog: each sees what those before it have done.
    pub rules: BTreeMap<usize, Vec<usize>>,
    /// In the order in which they were asked.
    pub objects: Vec<Request>,
}

impl Asks {
    pub fn push(&mut self, ask: Ask) {
        match ask {
            Ask::Rule { rule, turn } => self.rules.entry(rule).or_default().push(turn),
            Ask::Object(request) => self.objects.push(request),
        }
    }

    /// What is to be answered next.
    pub fn next(&self) -> Option<Kind> {
        if !self.rules.is_empty() {
            return Some(Kind::Rules);
        }
        (!self.objects.is_empty()).then_some(Kind::Objects)
    }
}

/// Who asks about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The run at this index of the actor, which waits for the answer.
    Run(usize),
    /// A rule, which goes on without it.
    Rule,
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
}
