//! What a run asks for and cannot do itself, and what it is answered: the same for every node, so that who answers knows no node.

use openhub_model::{Fault, Timestamp};
use serde_json::Value;

use crate::calls::{Calls, Known};

#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// An object, made once the plugin of its type has checked it.
    Object { kind: String, fields: Value },
    /// How the run goes on from a plugin's step.
    Step(StepAsk),
    /// Values of plugins' functions, for the texts of the node where the run is.
    Calls(Calls),
}

/// A run at a plugin's step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepAsk {
    pub plugin: String,
    pub step: String,
    /// A JSON object as text.
    pub input: String,
    /// What the last wait left, and the version that the step had then.
    pub state: Vec<u8>,
    pub state_version: u32,
    pub woke: Woke,
}

/// What woke the run.
#[derive(Clone, Debug, PartialEq)]
pub enum Woke {
    Entered,
    Timer,
    /// `event` is its number among those that the step declares.
    Event {
        event: u32,
        at: Timestamp,
        properties: String,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The object is made, with these fields.
    Object { key: &'a str, fields: &'a Value },
    /// How the run goes on from the step.
    Step(&'a Onward),
    /// What functions answered, with all that was known before.
    Calls(&'a Known),
    /// It was refused, whatever it was.
    Refused(&'a [Fault]),
}

/// How a run goes on from a step: outlets and events by their numbers, which are declared ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Onward {
    Go(u32),
    Wait {
        until: Option<Timestamp>,
        events: Vec<u32>,
        state: Vec<u8>,
    },
    /// The plugin says that the run fails.
    Fail {
        code: String,
        message: String,
    },
}
