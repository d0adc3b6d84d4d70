//! Steps: a test brings a run to one, wakes it, and is told how it goes on.

use serde_json::{Value, json};

use crate::Timestamp;
use crate::hub::Hub;
use crate::told::{CallFault, Reason, text};

/// A run at a step, in the making.
pub struct StepCase<'h> {
    hub: &'h Hub,
    name: String,
    seed: u64,
    waited: Waits,
}

/// How a run goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Went {
    /// By this outlet.
    To(String),
    Waits(Waits),
    /// The run fails.
    Failed(Reason),
}

/// What a run waits for, and what it keeps meanwhile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waits {
    pub until: Option<Timestamp>,
    pub events: Vec<String>,
    pub state: Vec<u8>,
    pub state_version: u32,
}

impl<'h> StepCase<'h> {
    pub(crate) fn new(hub: &'h Hub, name: &str) -> Self {
        StepCase { hub, name: name.to_owned(), seed: 1, waited: Waits::default() }
    }

    /// What it draws from; 1 without.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The run has waited: it comes with the state of that wait.
    #[must_use]
    pub fn after(mut self, waited: &Waits) -> Self {
        self.waited = waited.clone();
        self
    }

    /// The run comes to the step, with what its author set: a JSON object.
    #[track_caller]
    pub fn enter(&self, input: Value) -> Went {
        self.ask(&input, &json!("entered"))
    }

    /// The time has come until which it waited.
    #[track_caller]
    pub fn timer(&self, input: Value) -> Went {
        self.ask(&input, &json!("timer"))
    }

    /// An event happened that it waited for.
    #[track_caller]
    pub fn event(&self, input: Value, name: &str, properties: Value) -> Went {
        self.ask(&input, &json!({"event": {"name": name, "properties": properties}}))
    }

    #[track_caller]
    fn ask(&self, input: &Value, woke: &Value) -> Went {
        self.try_ask(input, woke).unwrap_or_else(|fault| panic!("the step `{}` failed: {fault}", self.name))
    }

    #[track_caller]
    fn try_ask(&self, input: &Value, woke: &Value) -> Result<Went, CallFault> {
        let (settings, at) = (self.hub.settings(), self.hub.now().micros());
        let Waits { state, state_version, .. } = &self.waited;
        let entry = json!({"at": at, "seed": self.seed, "input": input, "state": state,
            "state_version": state_version, "woke": woke});
        let told = self.hub.ask(&json!({"step": {"name": self.name, "settings": settings, "entries": [entry]}}));
        match CallFault::of(&told["fault"]) {
            Some(fault) => Err(fault),
            None => Ok(Went::of(&told["answers"][0])),
        }
    }
}

impl Went {
    fn of(told: &Value) -> Went {
        if told["fail"].is_object() {
            return Went::Failed(Reason::of(&told["fail"]));
        }
        let wait = &told["wait"];
        if !wait.is_object() {
            return Went::To(text(&told["go"]));
        }
        let list = |name: &str| wait[name].as_array().into_iter().flatten();
        Went::Waits(Waits {
            until: wait["until"].as_i64().map(Timestamp::from_micros),
            events: list("events").map(text).collect(),
            state: list("state").filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect(),
            state_version: wait["state_version"].as_u64().and_then(|version| u32::try_from(version).ok()).unwrap_or(0),
        })
    }

    /// The outlet.
    ///
    /// # Panics
    /// If the run waits or fails.
    #[track_caller]
    pub fn outlet(self) -> String {
        match self {
            Went::To(outlet) => outlet,
            other => panic!("the run does not go on: {other:?}"),
        }
    }

    /// What the run waits for.
    ///
    /// # Panics
    /// If it does not wait.
    #[track_caller]
    pub fn waits(self) -> Waits {
        match self {
            Went::Waits(waits) => waits,
            other => panic!("the run does not wait: {other:?}"),
        }
    }
}
