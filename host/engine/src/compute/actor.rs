//! One customer in a batch: stored state, what waits to be handled, and what has changed.

use std::collections::VecDeque;
use std::sync::Arc;

use openhub_model::customer::{Merges, Names};
use openhub_model::identity::{Age, Part};
use openhub_model::run::{Run, RunStatus};
use openhub_model::timer::Timer;
use openhub_model::{Customer, Identity, PartId, Timestamp};
use openhub_store::Entry;

use super::effects::refused::Refused;
use super::event::Happening;
use super::past::{Owed, Past};
use super::place::Place;
use super::plan::Fire;
use super::segment_state::SegmentState;
use crate::catalog::Segments;

/// What a customer meets next.
pub enum Item {
    Event(Box<Happening>),
    /// The run at this index of the actor has come due, then.
    Timer(usize, Timestamp),
    /// Segments may answer otherwise by now.
    Wake(Timestamp),
    /// An event that its customer is beyond: it is set aside.
    Beyond,
}

/// A customer's item of this wave.
pub type Turn = (usize, Item);

/// A run with what the database has of it.
pub struct Tracked {
    pub run: Run,
    pub stored_due: Option<Timestamp>,
    /// Where the stored run waits.
    pub stored_node: Option<String>,
    /// Its journey is paused: it has no timer and does not move.
    pub held: bool,
    pub changed: bool,
}

impl Tracked {
    pub fn stored(run: Run, held: bool) -> Tracked {
        let stored_due = run.due.filter(|_| !held);
        Tracked { stored_due, stored_node: Some(run.node.clone()), run, held, changed: false }
    }

    pub fn started(run: Run) -> Tracked {
        Tracked { run, stored_due: None, stored_node: None, held: false, changed: true }
    }

    pub fn waits(&self) -> bool {
        self.run.status == RunStatus::Waiting
    }

    /// When it moves by time alone.
    pub fn due(&self) -> Option<Timestamp> {
        self.run.due.filter(|_| self.waits() && !self.held)
    }

    pub fn timer(&self, due: Timestamp) -> Timer {
        Timer::run(self.run.id, self.run.part, due)
    }
}

/// One of a customer's parts, and whether its row has changed.
pub struct Member {
    pub part: Part,
    pub changed: bool,
}

/// Everything of one customer that the batch touches.
#[derive(Default)]
pub struct Actor {
    /// By age, the oldest first. Empty for a customer that nobody has met yet.
    pub members: Vec<Member>,
    /// The fold of the members that were seen. While only one was, this is its state, and its row holds none.
    pub customer: Option<Arc<Customer>>,
    pub changed: bool,
    /// The ids of customers that the database has rows of.
    pub stored: Vec<PartId>,
    pub runs: Vec<Tracked>,
    pub entries: Vec<Entry>,
    pub entries_changed: bool,
    pub arrived: VecDeque<Box<Happening>>,
    /// Caused events go before the customer's next event or timer.
    pub caused: VecDeque<Box<Happening>>,
    pub segments: SegmentState,
    /// What conditions ask of the properties of events that arrived, by position.
    pub kept: Vec<(i64, String)>,
    /// Values that the item under way would have written.
    pub refused: Vec<Refused>,
    /// Where the item under way, or the last one, stands.
    pub place: Place,
    /// How many events the item under way has caused, with all that follows from it.
    pub causes: usize,
    /// Whose items are taken one at a time with those of this one: the same number.
    pub cluster: usize,
    /// A part that leads here.
    pub known_by: Option<PartId>,
    /// One of its items lacks what only another attempt has.
    pub stalled: bool,
    /// Whether the batch may join it to others.
    pub linked: bool,
    /// The place in the log that its item has reached: the event's, or that of the last event before a timer.
    pub position: i64,
    /// Where the event stands that the item under way is, or goes back to; none for a timer.
    pub root: Option<i64>,
    /// What it did in this batch that a run may wait for, if it may be joined.
    pub done: Vec<Arc<Past>>,
    /// What its runs missed, until they are moved by it.
    pub owed: Vec<Owed>,
}

impl Actor {
    /// The event or timer that the customer meets next, after one at `after`.
    pub fn take(&mut self, after: Place, fire: &Fire) -> Option<Item> {
        if self.stalled {
            return None;
        }
        if let Some(caused) = self.caused.pop_front() {
            self.place = after.follows();
            return Some(Item::Event(caused));
        }
        let (place, timer) = self.own(fire)?;
        (self.place, self.causes) = (after.then(place), 0);
        timer.or_else(|| self.arrived.pop_front().map(Item::Event))
    }

    /// Where the next item stands, what was caused included.
    pub fn next_place(&self, fire: &Fire) -> Option<Place> {
        match self.caused.is_empty() {
            true => self.own_place(fire).map(|own| self.place.then(own)),
            false => Some(self.place.follows()),
        }
    }

    /// Where the next event that arrived or timer stands by itself.
    pub fn own_place(&self, fire: &Fire) -> Option<Place> {
        self.own(fire).map(|(place, _)| place)
    }

    /// The timer, or nothing for the first event that arrived.
    fn own(&self, fire: &Fire) -> Option<(Place, Option<Item>)> {
        if self.stalled {
            return None;
        }
        let due = self.first_due();
        if let Some(event) = self.arrived.front()
            && due.is_none_or(|due| due >= event.bound)
        {
            return Some((Place::event(event.bound, event.position), None));
        }
        if self.arrived.is_empty() && due? >= fire.before {
            return None;
        }
        let (timer, item) = self.first_timer()?;
        let fires = !self.arrived.is_empty() || fire.reaches(&timer);
        fires.then(|| (Place::timer(&timer), Some(item)))
    }

    /// Its items are not handled further: one of them lacks what only another attempt has.
    pub fn stall(&mut self) {
        self.stalled = true;
        self.caused.clear();
    }

    /// Whether it has caused events that it meets before all else.
    pub fn has_caused(&self) -> bool {
        !self.stalled && !self.caused.is_empty()
    }

    fn first_due(&self) -> Option<Timestamp> {
        let wake = self.customer.as_ref().and_then(|customer| customer.wake_at);
        self.runs.iter().filter_map(Tracked::due).chain(wake).min()
    }

    /// The timer that comes due first, by `(due, id)`, of runs and segments alike, and what it is about.
    pub fn first_timer(&self) -> Option<(Timer, Item)> {
        let runs = self.runs.iter().enumerate();
        let runs = runs.filter_map(|(index, tracked)| {
            let due = tracked.due()?;
            Some((tracked.timer(due), Item::Timer(index, due)))
        });
        let wake = self.wake().map(|(customer, due)| (Timer::wake(customer, due), Item::Wake(due)));
        runs.chain(wake).min_by_key(|(timer, _)| *timer)
    }

    /// Who is woken for their segments, and when.
    pub fn wake(&self) -> Option<(PartId, Timestamp)> {
        let customer = self.customer.as_ref()?;
        Some((customer.part, customer.wake_at?))
    }

    pub fn member(&self, part: PartId) -> Option<&Member> {
        self.members.iter().find(|member| member.part.id() == part)
    }

    /// How many identities of each kind.
    pub fn kinds(&self) -> Vec<(String, u32)> {
        let mut kinds: Vec<(String, u32)> = Vec::new();
        for member in &self.members {
            match kinds.iter_mut().find(|(kind, _)| *kind == member.part.identity.kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((member.part.identity.kind.clone(), 1)),
            }
        }
        kinds
    }

    fn seen(&self) -> usize {
        self.members.iter().filter(|member| member.part.seen).count()
    }

    /// Adds an identity that was never named before.
    pub fn add(&mut self, part: PartId, identity: Identity, position: i64, source: &str, claimed: bool) {
        let age = Age { position, claimed, id: part };
        let part = Part { age, customer: part, identity, source: source.to_owned(), seen: false, state: None };
        self.members.push(Member { part, changed: true });
        self.settle();
    }

    /// Notes that an event has this part as its subject: from now on it has state. False if it had before.
    pub fn see(&mut self, part: PartId, at: Timestamp) -> bool {
        let Some(index) = self.members.iter().position(|member| member.part.id() == part) else { return false };
        if self.members[index].part.seen {
            return false;
        }
        if self.customer.is_some() {
            self.part_states();
        }
        let others = self.seen();
        let member = &mut self.members[index];
        member.part.seen = true;
        member.changed = true;
        let state = Customer::new(part, member.part.identity.clone(), at);
        if others > 0 {
            if let Some(customer) = &mut self.customer {
                Arc::make_mut(customer).saw(at);
            }
            member.part.state = Some(Box::new(state));
        } else {
            self.customer = Some(Arc::new(state));
        }
        self.settle();
        self.changed = true;
        true
    }

    /// A part did something, then, or was seen.
    pub fn did(&mut self, part: PartId, did: impl Fn(&mut Customer)) {
        let Some(customer) = &mut self.customer else { return };
        self.changed = true;
        did(Arc::make_mut(customer));
        if let Some(member) = self.stateful(part)
            && let Some(state) = &mut member.part.state
        {
            member.changed = true;
            did(state);
        }
    }

    /// Changes values of a part, and with it the customer's of these names. `write` is also given the customer as it was joined.
    pub fn write(
        &mut self,
        part: PartId,
        merges: &Merges,
        names: &Names,
        write: impl FnOnce(&mut Customer, Option<&Customer>),
    ) {
        let Some(mut customer) = self.customer.take() else { return };
        self.changed = true;
        match self.stateful(part) {
            None => write(Arc::make_mut(&mut customer), None),
            Some(member) => {
                member.changed = true;
                if let Some(state) = &mut member.part.state {
                    write(state, Some(&customer));
                }
                Arc::make_mut(&mut customer).refold(names, self.states(), merges);
            }
        }
        self.customer = Some(customer);
    }

    /// The member whose state a part's is, if parts have states of their own: else the customer has it.
    fn stateful(&mut self, part: PartId) -> Option<&mut Member> {
        let has_state = |member: &Member| member.part.state.is_some();
        let own = self.members.iter().position(|member| member.part.id() == part && has_state(member));
        let index = own.or_else(|| self.members.iter().position(has_state))?;
        self.members.get_mut(index)
    }

    /// Whether parts have states of their own.
    pub fn is_joined(&self) -> bool {
        self.members.iter().any(|member| member.part.state.is_some())
    }

    /// The states that parts have as their own.
    fn states(&self) -> impl Iterator<Item = &Customer> + Clone {
        self.members.iter().filter_map(|member| member.part.state.as_deref())
    }

    /// Takes another customer in: parts, runs, entries and what waits. The older part gives its name.
    pub fn join(&mut self, other: Actor, merges: &Merges, segments: &Segments, now: Timestamp) {
        let mut other = other;
        if self.customer.is_some() && other.customer.is_some() {
            self.part_states();
            other.part_states();
        } else if self.customer.is_none() {
            self.customer = other.customer.take();
        }
        let age = |actor: &Actor| actor.members.first().map(|oldest| oldest.part.age);
        if age(&other).is_some_and(|theirs| age(self).is_none_or(|mine| theirs < mine)) {
            std::mem::swap(&mut self.segments, &mut other.segments);
        }
        self.members.append(&mut other.members);
        self.stored.append(&mut other.stored);
        self.runs.append(&mut other.runs);
        self.entries.append(&mut other.entries);
        self.entries_changed |= other.entries_changed;
        self.arrived.append(&mut other.arrived);
        self.arrived.make_contiguous().sort_by_key(|event| event.position);
        self.caused.append(&mut other.caused);
        self.kept.append(&mut other.kept);
        self.done.append(&mut other.done);
        self.done.sort_by_key(|past| past.root);
        self.owed.append(&mut other.owed);
        self.linked |= other.linked;
        self.segments.join(other.segments, segments, now);
        self.changed = true;
        if let Some(mut customer) = self.customer.take() {
            let joined = Arc::make_mut(&mut customer);
            if let Some(theirs) = &other.customer {
                joined.join(theirs, self.states(), merges);
            }
            // All segments are asked anew.
            joined.wake_at = None;
            self.customer = Some(customer);
        }
        self.settle();
    }

    /// Gives the only part that was seen its state as its own, before another one is.
    fn part_states(&mut self) {
        let Some(customer) = &self.customer else { return };
        if self.seen() != 1 {
            return;
        }
        for member in self.members.iter_mut().filter(|member| member.part.seen && member.part.state.is_none()) {
            let mut state = Customer::clone(customer);
            (state.part, state.identity) = (member.part.id(), member.part.identity.clone());
            member.part.state = Some(Box::new(state));
            member.changed = true;
        }
    }

    /// Brings the names in order: the oldest part is the customer.
    fn settle(&mut self) {
        self.members.sort_by_key(|member| member.part.age);
        let Some((id, identity)) = self.members.first().map(|first| (first.part.id(), first.part.identity.clone()))
        else {
            return;
        };
        for member in &mut self.members {
            if member.part.customer != id {
                member.part.customer = id;
                member.changed = true;
            }
            if let Some(state) = &mut member.part.state {
                state.customer = id;
            }
        }
        if let Some(customer) = &mut self.customer
            && (customer.part, customer.customer, &customer.identity) != (id, id, &identity)
        {
            let customer = Arc::make_mut(customer);
            (customer.part, customer.customer, customer.identity) = (id, id, identity);
        }
    }
}
