//! Calls of steps: what woke some runs in, how each goes on out, in a fresh instance each time.

use openhub_model::manifest::StepShape;
use openhub_model::{Id, PartId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::answer::{CallContext, Reason, Receipt};
use crate::bindings::step::exports::openhub::step::step as bound;
use crate::fault::{CallFault, FaultKind};
use crate::plugin::Plugin;
use crate::reason;

/// Bytes of the state that a wait leaves with its run.
pub const STATE: usize = 8 * 1024;

/// A run that has come to a step, or is woken in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    pub run: Id,
    pub customer: PartId,
    pub at: Timestamp,
    pub seed: u64,
    /// A JSON object as text.
    pub input: String,
    pub state: Vec<u8>,
    pub state_version: u32,
    pub woke: Woke,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Woke {
    Entered,
    Timer,
    /// `event` is its number among the declared ones; `properties` is JSON.
    Event {
        event: u32,
        at: Timestamp,
        properties: String,
    },
}

/// How a run goes on. Outlets and events are declared ones, by their numbers; a wait waits for something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    Go(u32),
    Wait(Wait),
    Fail(Reason),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    pub until: Option<Timestamp>,
    pub events: Vec<u32>,
    pub state: Vec<u8>,
}

/// The answers of a step, one an entry, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    pub answers: Vec<Next>,
    pub receipt: Receipt,
}

impl Plugin {
    /// Asks a step how these runs go on. Blocks the thread.
    pub fn step(&self, call: &CallContext, step: &str, entries: Vec<Entered>) -> Result<Stepped, CallFault> {
        let shape = self.manifest().steps.iter().find(|shape| shape.name == step);
        let (Some(shape), Some(extension)) = (shape, &self.steps) else {
            let message = format!("the plugin has no step `{step}`");
            return Err(CallFault::new(FaultKind::Host, message));
        };
        let asked = entries.len();
        let entries: Vec<bound::Entry> = entries.into_iter().map(entry).collect();
        let (answer, receipt) = self.pure(call, asked, |store| {
            let instance = extension.instantiate(&mut *store)?;
            instance.openhub_step_step().call_run(store, step, &entries)
        })?;
        let answers = answer.map_err(reason::refused).map_err(|fault| fault.after(receipt))?;
        if answers.len() != asked {
            let message = format!("the step gave {} answers to {asked} runs", answers.len());
            return Err(CallFault::malformed(message).after(receipt));
        }
        let answers = answers.into_iter().map(|answer| check(shape, answer)).collect::<Result<_, _>>();
        let answers = answers.map_err(|message| CallFault::malformed(message).after(receipt))?;
        Ok(Stepped { answers, receipt })
    }
}

fn entry(entered: Entered) -> bound::Entry {
    let woke = match entered.woke {
        Woke::Entered => bound::Woke::Entered,
        Woke::Timer => bound::Woke::Timer,
        Woke::Event { event, at, properties } => {
            bound::Woke::Event(bound::Happened { event, at: at.micros(), properties })
        }
    };
    bound::Entry {
        run: entered.run.to_string(),
        customer: entered.customer.to_string(),
        at: entered.at.micros(),
        seed: entered.seed,
        input: entered.input,
        state: entered.state,
        state_version: entered.state_version,
        woke,
    }
}

/// The answer, or why it is malformed.
fn check(shape: &StepShape, answer: bound::Next) -> Result<Next, String> {
    let name = &shape.name;
    match answer {
        bound::Next::Go(outlet) if (outlet as usize) < shape.outlets.len() => Ok(Next::Go(outlet)),
        bound::Next::Go(outlet) => {
            Err(format!("the step `{name}` went on by the outlet {outlet}, which it does not declare"))
        }
        bound::Next::Fail(reason) => Ok(Next::Fail(reason.into())),
        bound::Next::Wait(bound::Wait { until, events, state }) => {
            if let Some(event) = events.iter().find(|event| **event as usize >= shape.events.len()) {
                return Err(format!("the step `{name}` waits for the event {event}, which it does not declare"));
            }
            if !events.is_sorted_by(|a, b| a < b) {
                return Err(format!("the step `{name}` waits for events that are not in ascending order"));
            }
            if until.is_none() && events.is_empty() {
                return Err(format!("the step `{name}` waits for nothing: it needs a time or an event"));
            }
            if state.len() > STATE {
                return Err(format!("the step `{name}` leaves a state of {} bytes: at most {STATE}", state.len()));
            }
            let until = until.map(Timestamp::from_micros);
            if until.is_some_and(|until| !until.is_writable()) {
                return Err(format!("the step `{name}` waits until a time outside the years 1 to 9999"));
            }
            Ok(Next::Wait(Wait { until, events, state }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_does_not_declare_is_malformed() {
        let shape = StepShape {
            name: "s".into(),
            outlets: vec!["on".into()],
            events: vec!["A".into(), "B".into()],
            ..StepShape::default()
        };
        let wait = |until, events: &[u32], state: usize| {
            check(&shape, bound::Next::Wait(bound::Wait { until, events: events.to_vec(), state: vec![0; state] }))
        };
        assert_eq!(check(&shape, bound::Next::Go(0)), Ok(Next::Go(0)));
        assert!(wait(Some(5), &[], STATE).is_ok() && wait(None, &[0, 1], 0).is_ok());
        for (wrong, told) in [
            (check(&shape, bound::Next::Go(1)), "the outlet 1"),
            (wait(None, &[2], 0), "the event 2"),
            (wait(None, &[1, 0], 0), "ascending"),
            (wait(None, &[1, 1], 0), "ascending"),
            (wait(None, &[], 0), "waits for nothing"),
            (wait(Some(5), &[], STATE + 1), "at most 8192"),
            (wait(Some(i64::MAX), &[], 0), "years 1 to 9999"),
        ] {
            let found = wrong.expect_err("it is malformed");
            assert!(found.contains(told), "{found}");
        }
    }
}
