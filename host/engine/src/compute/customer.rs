//! One customer in a batch: stored state, what waits to be handled, and what has changed.

use std::collections::VecDeque;

use openhub_model::run::{Run, RunStatus, Timer};
use openhub_model::{Customer, Identity, PartId, Timestamp};
use openhub_store::Entry;

use super::Fire;
use super::event::Happening;
use super::segments::{Standing, wake_timer};

/// What a customer meets next.
pub enum Item {
    Event(Box<Happening>),
    /// The run at this index of the lane has come due, then.
    Timer(usize, Timestamp),
    /// Segments may answer otherwise by now.
    Wake(Timestamp),
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
    pub standing: Standing,
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
            standing: Standing::default(),
        }
    }

    pub fn next(&mut self, fire: &Fire) -> Option<Item> {
        if let Some(caused) = self.caused.pop_front() {
            return Some(Item::Event(Box::new(caused)));
        }
        let timer = self.first_timer();
        if let Some(event) = self.arrived.front() {
            return match timer {
                Some((timer, item)) if timer.due < event.bound => Some(item),
                _ => self.arrived.pop_front().map(|event| Item::Event(Box::new(event))),
            };
        }
        let (timer, item) = timer?;
        fire.reaches(&timer).then_some(item)
    }

    /// By `(due, id)`, runs and segments alike.
    fn first_timer(&self) -> Option<(Timer, Item)> {
        let runs = self.runs.iter().enumerate();
        let runs = runs.filter_map(|(index, tracked)| {
            let due = tracked.due()?;
            Some((tracked.timer(due), Item::Timer(index, due)))
        });
        let wake = self.wake().map(|wake| (wake, Item::Wake(wake.due)));
        runs.chain(wake).min_by_key(|(timer, _)| *timer)
    }

    fn wake(&self) -> Option<Timer> {
        let due = self.customer.as_ref()?.wake_at?;
        Some(wake_timer(self.part, due))
    }

    /// How the timer of the customer's segments has moved: what is disarmed, what is armed.
    pub fn moved_wake(&self) -> (Option<Timer>, Option<Timer>) {
        let (stored, now) = (self.standing.stored_wake.map(|due| wake_timer(self.part, due)), self.wake());
        if stored == now { (None, None) } else { (stored, now) }
    }
}
