//! One customer in a batch: stored state, what waits to be handled, and what has changed.

use std::collections::VecDeque;

use openhub_model::run::{Run, RunStatus, Timer};
use openhub_model::{Customer, Identity, PartId, Timestamp};
use openhub_store::Entry;

use super::Fire;
use super::event::Happening;

/// What a customer meets next.
pub enum Item {
    Event(Box<Happening>),
    /// The run at this index of the lane has come due.
    Timer(usize),
}

/// A run with what the database has of it.
pub struct Tracked {
    pub run: Run,
    pub stored_due: Option<Timestamp>,
    /// Where the stored run waits.
    pub stored_node: Option<String>,
    pub changed: bool,
}

impl Tracked {
    pub fn stored(run: Run) -> Tracked {
        Tracked { stored_due: run.due, stored_node: Some(run.node.clone()), run, changed: false }
    }

    pub fn started(run: Run) -> Tracked {
        Tracked { run, stored_due: None, stored_node: None, changed: true }
    }

    pub fn waits(&self) -> bool {
        self.run.status == RunStatus::Waiting
    }

    /// When it moves by time alone.
    pub fn due(&self) -> Option<Timestamp> {
        self.run.due.filter(|_| self.waits())
    }

    pub fn timer(&self, due: Timestamp) -> Timer {
        Timer { due, id: self.run.id, part: self.run.part }
    }
}

/// Everything of one customer that the batch touches.
pub struct Lane {
    pub part: PartId,
    pub customer: Option<Customer>,
    pub changed: bool,
    pub runs: Vec<Tracked>,
    pub entries: Vec<Entry>,
    pub entries_changed: bool,
    pub arrived: VecDeque<Happening>,
    /// Caused events go before the customer's next event or timer.
    pub caused: VecDeque<Happening>,
    pub claims: Vec<(Identity, String, i64)>,
}

impl Lane {
    pub fn new(part: PartId) -> Lane {
        Lane {
            part,
            customer: None,
            changed: false,
            runs: Vec::new(),
            entries: Vec::new(),
            entries_changed: false,
            arrived: VecDeque::new(),
            caused: VecDeque::new(),
            claims: Vec::new(),
        }
    }

    pub fn next(&mut self, fire: &Fire) -> Option<Item> {
        if let Some(caused) = self.caused.pop_front() {
            return Some(Item::Event(Box::new(caused)));
        }
        let timer = self.first_timer();
        if let Some(event) = self.arrived.front() {
            return match timer {
                Some((due, index)) if due < event.bound => Some(Item::Timer(index)),
                _ => self.arrived.pop_front().map(|event| Item::Event(Box::new(event))),
            };
        }
        let (due, index) = timer?;
        fire.reaches(&self.runs[index].timer(due)).then_some(Item::Timer(index))
    }

    fn first_timer(&self) -> Option<(Timestamp, usize)> {
        let timers = self.runs.iter().enumerate();
        let timers = timers.filter_map(|(index, tracked)| Some((tracked.due()?, tracked.run.id, index)));
        timers.min().map(|(due, _, index)| (due, index))
    }
}
