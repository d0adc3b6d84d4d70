//! Rest for some time, or until an event happens, if need be with a time-out.
//!
//! An event at the very instant of the time-out goes first; that order is the engine's, which hands in one
//! input after the other.

use openhub_model::condition::{Paths, Place, same};
use openhub_model::{Fault, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

use crate::context::Moment;
use crate::document::read;
use crate::error::Failure;
use crate::node::{Edge, NodeCheck, NodePlan, NodeType};
use crate::step::{Act, Flow, Input, Walk};
use crate::surroundings::Surroundings;
use crate::uses::Uses;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wait {
    Pause(Pause),
    Until(Until),
}

/// `{"duration": "1h", "next": …}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    pub duration: Span,
    pub next: String,
}

/// `{"for": {"event": …}, "timeout": "60d", "on_event": …, "on_timeout": …}`; without `timeout` it waits for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    #[serde(rename = "for")]
    pub awaited: Awaited,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    pub on_event: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awaited {
    pub event: String,
    /// All must hold.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
}

/// The event's `property` equals the trigger's property `equals`; two absent ones are not equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    pub property: String,
    pub equals: String,
}

impl NodeType for Wait {
    fn read(pointer: &str, value: &Value) -> Result<Wait, Vec<Fault>> {
        if value.get("for").is_some() {
            read(pointer, value).map(Wait::Until)
        } else {
            read(pointer, value).map(Wait::Pause)
        }
    }

    fn edges(&self) -> Vec<Edge<'_>> {
        match self {
            Wait::Pause(pause) => vec![Edge::new("next", &pause.next)],
            Wait::Until(until) => {
                let timeout = until.on_timeout.as_deref().map(|next| Edge::new("on_timeout", next));
                [Edge::new("on_event", &until.on_event)].into_iter().chain(timeout).collect()
            }
        }
    }

    fn rests(&self) -> Option<Span> {
        match self {
            Wait::Pause(pause) => Some(pause.duration),
            // Whoever waits for good rests until something happens.
            Wait::Until(until) => Some(until.timeout.unwrap_or(Span::from_micros(i64::MAX))),
        }
    }

    fn awaits<'s>(&'s self, _: &'s Surroundings) -> Vec<&'s str> {
        match self {
            Wait::Pause(_) => Vec::new(),
            Wait::Until(until) => vec![&until.awaited.event],
        }
    }

    fn uses(&self, _objects: &BTreeSet<String>) -> Uses {
        let mut uses = Uses::default();
        if let Wait::Until(until) = self {
            until.awaited.matches.iter().for_each(|pair| uses.property(&pair.equals));
        }
        uses
    }

    fn check(&self, check: &mut NodeCheck<'_, '_>) {
        match self {
            Wait::Pause(pause) => check.span("duration", pause.duration),
            Wait::Until(until) => {
                if until.awaited.event.is_empty() {
                    check.fault("for/event", "empty", "The event has no name: set `event`.");
                }
                for (index, pair) in until.awaited.matches.iter().enumerate() {
                    for (field, name) in [("property", &pair.property), ("equals", &pair.equals)] {
                        if name.is_empty() {
                            check.fault(
                                &format!("for/match/{index}/{field}"),
                                "empty",
                                "The property has no name: set it.",
                            );
                        } else if check.surroundings().paths() == Paths::Refused
                            && let Some(message) = Place::Property.slip(name)
                        {
                            check.fault(&format!("for/match/{index}/{field}"), "path-as-name", message);
                        }
                    }
                }
                match (until.timeout, &until.on_timeout) {
                    (Some(timeout), Some(_)) => check.span("timeout", timeout),
                    (Some(_), None) => {
                        check.fault("on_timeout", "missing-field", "`timeout` needs a node to go to: set `on_timeout`.")
                    }
                    (None, Some(_)) => {
                        check.fault("timeout", "missing-field", "`on_timeout` needs a time: set `timeout`, like 60d.")
                    }
                    (None, None) => {}
                }
            }
        }
    }

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault> {
        Ok(match self {
            Wait::Pause(pause) => {
                Box::new(Rest { awaited: None, timeout: Some((pause.duration, plan.node(&pause.next)?)) })
            }
            Wait::Until(until) => {
                let timeout = match (until.timeout, &until.on_timeout) {
                    (Some(span), Some(next)) => Some((span, plan.node(next)?)),
                    _ => None,
                };
                Box::new(Rest { awaited: Some((until.awaited.clone(), plan.node(&until.on_event)?)), timeout })
            }
        })
    }
}

struct Rest {
    awaited: Option<(Awaited, usize)>,
    timeout: Option<(Span, usize)>,
}

impl Act for Rest {
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
        walk.run.awaits = self.awaited.iter().map(|(awaited, _)| awaited.event.clone()).collect();
        walk.run.due = self.timeout.map(|(span, _)| walk.facts.now + span);
        Ok(Flow::Rest)
    }

    fn resume(&self, walk: &mut Walk<'_>, input: &Input<'_>) -> Result<Flow, Failure> {
        match (input, &self.awaited, self.timeout) {
            (Input::Event(event), Some((awaited, next)), _) => {
                Ok(if matches(awaited, event, walk)? { Flow::Go(*next) } else { Flow::Ignore })
            }
            (Input::Remember(event), Some((awaited, _)), _) => {
                if !matches(awaited, event, walk)? {
                    return Ok(Flow::Ignore);
                }
                walk.run.awaits.clear();
                walk.run.due = Some(walk.facts.now);
                Ok(Flow::Rest)
            }
            // It was remembered.
            (Input::Timer, Some((_, next)), _) if walk.run.awaits.is_empty() => Ok(Flow::Go(*next)),
            // Never early.
            (Input::Timer, _, Some((_, next))) if walk.run.due.is_some_and(|due| due <= walk.facts.now) => {
                Ok(Flow::Go(next))
            }
            _ => Ok(Flow::Ignore),
        }
    }
}

fn matches(awaited: &Awaited, event: &Moment<'_>, walk: &Walk<'_>) -> Result<bool, Failure> {
    if awaited.event != event.name {
        return Ok(false);
    }
    if awaited.matches.is_empty() {
        return Ok(true);
    }
    let kept = walk.kept().map_err(|error| error.at(walk.field("for/match")))?;
    Ok(awaited.matches.iter().all(|pair| {
        let found = event.properties.get(&pair.property);
        found.zip(kept.trigger.properties.get(&pair.equals)).is_some_and(|(left, right)| same(left, right))
    }))
}
