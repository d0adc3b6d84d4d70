//! Steps: nodes of journeys that the plugin brings, called with many runs, written as a function of one.
//!
//! A step reads no clock and draws from nothing but its entry: the same entry has the same answer, alone or among others, now or in
//! a replay.

use serde_json::Value;

use crate::bindings::step::exports::openhub::step::step as raw;
use crate::enumeration::Enum;
use crate::reason::Reason;
use crate::record::{self, Record};
use crate::time::Timestamp;

pub use raw::{Entry as RawEntry, Guest, Next as RawNext};

/// Made by `#[step]` on a function `fn(Entry<Input>) -> Result<Next<Outlet>, Reason>`.
pub trait Step {
    const NAME: &'static str;
    /// Events that a run may wait for.
    const EVENTS: &'static [&'static str];
    type Input: Record;
    type Outlet: Enum;

    fn run(entry: Entry<Self::Input>) -> Result<Next<Self::Outlet>, Reason>;
}

/// A run that has come to the step, or is woken in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<I = ()> {
    pub run: String,
    /// Whose run it is, by id.
    pub customer: String,
    /// The time by the tenant's clock.
    pub at: Timestamp,
    /// The only randomness: another one each time that the run is here.
    pub seed: u64,
    /// What the author of the journey set.
    pub input: I,
    /// What the last wait left; empty before.
    pub state: Vec<u8>,
    /// The `state_version` that the step had then.
    pub state_version: u32,
    pub woke: Woke,
}

/// Why the step is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Woke {
    /// The run has just come here.
    Entered,
    /// The time has come until which it waited.
    Timer,
    /// An event happened that it waited for.
    Event { name: &'static str, at: Timestamp, properties: Value },
}

/// How the run goes on.
#[derive(Clone, Debug)]
pub enum Next<O> {
    Go(O),
    Wait(Wait),
    /// The run fails; an `Err` is the same.
    Fail(Reason),
}

/// What a run waits for: a time, events, or whichever is first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    until: Option<Timestamp>,
    events: Vec<&'static str>,
    state: Vec<u8>,
}

impl Wait {
    /// A wait of less than a second takes a second.
    pub fn until(at: Timestamp) -> Wait {
        Wait { until: Some(at), ..Wait::default() }
    }

    /// One of those that the step declares.
    pub fn event(name: &'static str) -> Wait {
        Wait { events: vec![name], ..Wait::default() }
    }

    #[must_use]
    pub fn or_until(mut self, at: Timestamp) -> Wait {
        self.until = Some(at);
        self
    }

    #[must_use]
    pub fn or_event(mut self, name: &'static str) -> Wait {
        self.events.push(name);
        self
    }

    /// Bytes that come back with the next entry, at most 8 KiB.
    #[must_use]
    pub fn keeping(mut self, state: impl Into<Vec<u8>>) -> Wait {
        self.state = state.into();
        self
    }

    /// A record that comes back with the next entry: see [`Entry::kept`].
    #[must_use]
    pub fn keeping_record(self, record: &impl Record) -> Wait {
        let mut json = String::new();
        record.write(&mut json);
        self.keeping(json)
    }
}

impl<I> Entry<I> {
    /// The record that the last wait left.
    pub fn kept<T: Record>(&self) -> Result<T, Reason> {
        let text =
            std::str::from_utf8(&self.state).map_err(|_| Reason::new("malformed-state", "the state is no text"))?;
        T::parse(text).map_err(|faults| record::reason("state", &faults))
    }
}

/// Runs one step over many runs. One that fails does not concern the others.
pub fn run<S: Step>(entries: Vec<RawEntry>) -> Vec<RawNext> {
    entries.into_iter().map(|entry| typed::<S>(entry).and_then(S::run).map_or_else(RawNext::Fail, told::<S>)).collect()
}

fn typed<S: Step>(entry: RawEntry) -> Result<Entry<S::Input>, Reason> {
    let input = S::Input::parse(&entry.input).map_err(|faults| record::reason("input", &faults))?;
    let woke = match entry.woke {
        raw::Woke::Entered => Woke::Entered,
        raw::Woke::Timer => Woke::Timer,
        raw::Woke::Event(happened) => {
            let unknown = || Reason::new("unknown-event", "the hub told of an event that this step does not declare");
            let properties = serde_json::from_str(&happened.properties);
            Woke::Event {
                name: S::EVENTS.get(happened.event as usize).ok_or_else(unknown)?,
                at: Timestamp::from_micros(happened.at),
                properties: properties.map_err(|error| Reason::new("malformed-properties", error.to_string()))?,
            }
        }
    };
    Ok(Entry {
        run: entry.run,
        customer: entry.customer,
        at: Timestamp::from_micros(entry.at),
        seed: entry.seed,
        input,
        state: entry.state,
        state_version: entry.state_version,
        woke,
    })
}

fn told<S: Step>(next: Next<S::Outlet>) -> RawNext {
    match next {
        Next::Go(outlet) => {
            // A name of an enum is one of its names.
            let number = S::Outlet::NAMES.iter().position(|name| *name == outlet.name()).unwrap_or_default();
            RawNext::Go(number as u32)
        }
        Next::Fail(reason) => RawNext::Fail(reason),
        Next::Wait(Wait { until, events, state }) => {
            let mut numbers = Vec::with_capacity(events.len());
            for event in events {
                match S::EVENTS.iter().position(|name| *name == event) {
                    Some(number) => numbers.push(number as u32),
                    None => {
                        let message = format!("the step waits for `{event}`, which it does not declare in `events`");
                        return RawNext::Fail(Reason::new("undeclared-event", message));
                    }
                }
            }
            numbers.sort_unstable();
            numbers.dedup();
            RawNext::Wait(raw::Wait { until: until.map(Timestamp::micros), events: numbers, state })
        }
    }
}
