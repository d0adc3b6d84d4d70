//! Journeys: an event first moves the runs that wait for it, then starts new ones; a timer moves its run.

use std::sync::Arc;

use hashbrown::HashMap;
use openhub_journey::{Facts, Input, Journey, Moment, Next, Reentry};
use openhub_model::condition::Truth;
use openhub_model::message::NewMessage;
use openhub_model::run::RunStatus;
use openhub_model::{Cause, Fault, Identity, PartId, Span, Timestamp};
use openhub_store::{Entry, FaultKind, NewFault, NodeCount};

use super::customer::{Lane, Tracked};
use super::effects::{Effect, Word};
use super::event::Happening;
use super::objects::{Answer, Asker, Operation, Request};
use super::wave::Batch;

/// By the tenant's clock: when a run whose journey stands out is looked at again.
const AGAIN: Span = Span::from_micros(3_600_000_000);

/// Why a run ended whose customer has another one.
const MERGED: &str = "Its customer and another became one, and have another run.";

/// What journeys leave behind besides the runs themselves.
#[derive(Default)]
pub struct Traces {
    pub messages: Vec<NewMessage>,
    counts: HashMap<(String, i64), HashMap<String, (i64, i64)>>,
}

impl Traces {
    fn entered(&mut self, journey: &Journey, nodes: Vec<String>) {
        if nodes.is_empty() {
            return;
        }
        let counts = self.counts.entry((journey.name().to_owned(), journey.version())).or_default();
        for node in nodes {
            counts.entry(node).or_default().0 += 1;
        }
    }

    /// A changed run at the end of the batch: it waits elsewhere than it did, or nowhere.
    pub fn moved(&mut self, tracked: &Tracked) {
        let waits = tracked.waits().then_some(&tracked.run.node);
        if waits == tracked.stored_node.as_ref() {
            return;
        }
        let run = &tracked.run;
        let counts = self.counts.entry((run.journey.clone(), run.version)).or_default();
        for (node, change) in [(tracked.stored_node.as_ref(), -1), (waits, 1)] {
            if let Some(node) = node {
                counts.entry(node.clone()).or_default().1 += change;
            }
        }
    }

    pub fn counts(self) -> (Vec<NewMessage>, Vec<NodeCount>) {
        let counts = self.counts.into_iter().flat_map(|((journey, version), nodes)| {
            nodes.into_iter().map(move |(node, (entered, waiting))| NodeCount {
                journey: journey.clone(),
                version,
                node,
                entered,
                waiting,
            })
        });
        let mut counts: Vec<NodeCount> = counts.collect();
        counts.sort_by(|a, b| (&a.journey, a.version, &a.node).cmp(&(&b.journey, b.version, &b.node)));
        (self.messages, counts)
    }
}

impl Batch<'_> {
    pub(super) fn meet_event(&mut self, lane: usize, event: &Happening) {
        // History changes state and triggers nothing.
        if event.historical || !event.triggers() {
            return;
        }
        let moment =
            Moment { message_id: &event.message_id, name: &event.name, at: event.at, properties: &event.properties };
        for run in self.lanes[lane].awaiting(&event.name) {
            // What happens while a journey is paused counts once it is resumed.
            let input = match self.lanes[lane].runs[run].held {
                true => Input::Remember(&moment),
                false => Input::Event(&moment),
            };
            self.drive(lane, run, input, event.now, &event.message_id, event.depth);
        }
        let catalog = self.catalog;
        for journey in catalog.starts.get(&event.name).into_iter().flatten() {
            if let Some(run) = self.start(lane, journey, &moment, event) {
                self.drive(lane, run, Input::Enter(&moment), event.now, &event.message_id, event.depth);
            }
        }
    }

    pub(super) fn meet_timer(&mut self, lane: usize, run: usize, due: Timestamp) {
        let tracked = &mut self.lanes[lane].runs[run];
        if !self.catalog.journeys.contains_key(&(tracked.run.journey.clone(), tracked.run.version)) {
            // Its version stands out of the catalog: the run is held, and looked at again later.
            tracked.run.due = Some(self.fire.before + AGAIN);
            tracked.changed = true;
            return;
        }
        let cause = tracked.run.id.to_string();
        // Time has passed: what it causes is no chain.
        self.drive(lane, run, Input::Timer, due, &cause, 0);
    }

    pub(super) fn meet_answer(&mut self, answer: Answer) {
        let Asker::Run(run) = answer.asker else { return };
        let cause = answer.cause;
        match &answer.result {
            Ok((key, fields)) => {
                self.drive(answer.lane, run, Input::ObjectAccepted { key, fields }, answer.now, &cause, answer.depth);
            }
            Err(faults) => {
                self.drive(answer.lane, run, Input::ObjectRefused(faults), answer.now, &cause, answer.depth);
            }
        }
    }

    fn start(&mut self, lane: usize, journey: &Arc<Journey>, moment: &Moment<'_>, event: &Happening) -> Option<usize> {
        let (tenant, catalog) = (self.tenant, self.catalog);
        let lane = &mut self.lanes[lane];
        let customer = lane.customer.as_ref()?;
        if !journey.trigger().starts(moment) {
            return None;
        }
        if let Some(condition) = journey.trigger().condition() {
            let asked = lane.asked(catalog);
            let facts = asked.facts(&lane.standing.facts, customer, event.now);
            if condition.evaluate(&facts).truth != Truth::True {
                return None;
            }
        }
        if !lane.may_enter(journey) {
            return None;
        }
        let mut run = journey.start(tenant, customer, moment);
        // It stays with the part that it was started for, whoever that belongs to later.
        run.part = event.part.unwrap_or(run.part);
        if lane.runs.iter().any(|tracked| tracked.run.id == run.id) {
            return None;
        }
        lane.entered(journey, run.part, event.now);
        lane.runs.push(Tracked::started(run));
        Some(lane.runs.len() - 1)
    }

    /// Two customers have become one: where a journey allows one run at a time, the oldest goes on, and none if one of them
    /// has been through a journey that is entered once.
    pub(super) fn keep_one_run(&mut self, lane: usize, now: Timestamp) {
        let catalog = self.catalog;
        let state = &mut self.lanes[lane];
        let mut waiting: Vec<usize> = (0..state.runs.len()).filter(|index| state.runs[*index].waits()).collect();
        waiting.sort_by_key(|index| (state.runs[*index].run.started_at, state.runs[*index].run.id));
        let mut kept: Vec<String> = Vec::new();
        for index in waiting {
            let run = &state.runs[index].run;
            let Some(journey) = catalog.journeys.get(&(run.journey.clone(), run.version)) else { continue };
            let been_through = || {
                let entries = state.entries.iter().filter(|entry| entry.journey == run.journey);
                entries.map(|entry| entry.runs - entry.active).sum::<i64>() > 0
            };
            let goes_on = match journey.reentry() {
                Reentry::Always => true,
                Reentry::AfterExit => !kept.contains(&run.journey),
                Reentry::Never => !kept.contains(&run.journey) && !been_through(),
            };
            if goes_on {
                kept.push(run.journey.clone());
                continue;
            }
            let tracked = &mut state.runs[index];
            tracked.changed = true;
            tracked.run.status = RunStatus::Stopped;
            (tracked.run.awaits, tracked.run.due) = (None, None);
            tracked.run.state = "{}".to_owned();
            tracked.run.ended_at = Some(now);
            tracked.run.fault = Some(MERGED.to_owned());
            let part = tracked.run.part;
            self.taken_back.push((part, tracked.run.id));
            // As if it had not been entered.
            if let Some(entry) = state.entry(journey, part) {
                entry.active -= 1;
                entry.runs -= 1;
                state.entries_changed = true;
            }
        }
    }

    /// Advances a run until it rests, ends, or needs a plugin's answer about an object.
    pub(super) fn drive(&mut self, lane: usize, run: usize, input: Input<'_>, now: Timestamp, cause: &str, depth: u8) {
        let catalog = self.catalog;
        let tracked = &self.lanes[lane].runs[run];
        let Some(journey) = catalog.journeys.get(&(tracked.run.journey.clone(), tracked.run.version)) else { return };
        let mut input = input;
        loop {
            let step = {
                let lane = &mut self.lanes[lane];
                let here = lane.position;
                let asked = lane.asked(catalog);
                let Some(customer) = &lane.customer else { return };
                let identities: Vec<&Identity> = lane.members.iter().map(|member| &member.part.identity).collect();
                let known = asked.facts(&lane.standing.facts, customer, now);
                let facts = Facts::of(self.tenant, &identities, known);
                let tracked = &mut lane.runs[run];
                let step = journey.advance(&mut tracked.run, input, &facts);
                tracked.changed |= step.next != Next::Ignored;
                if !step.entered.is_empty() && tracked.run.awaits.is_some() {
                    tracked.run.since = here;
                }
                step
            };
            if let Some(fault) = step.fault {
                self.run_failed(lane, run, journey, &fault);
            }
            self.traces.entered(journey, step.entered);
            self.spent.bytes += step.messages.iter().map(|message| message.content.len() as u64).sum::<u64>();
            self.traces.messages.extend(step.messages);
            match step.next {
                Next::Update { attributes, tags } => {
                    let part = self.lanes[lane].runs[run].run.part;
                    let rule = Some(format!("journey {} v{}", journey.name(), journey.version()).into());
                    let cause = Cause { at: now, event: cause.into(), plugin: None, rule };
                    let attributes = attributes.into_iter().map(|(name, value)| Effect::Attribute(name.into(), value));
                    let tags = tags.into_iter().map(|(tag, present)| Effect::Tag(tag.into(), present.into()));
                    let effects = attributes.chain(tags);
                    self.lanes[lane].apply(part, None, effects, &cause, Word::default(), catalog);
                    input = Input::Continue;
                }
                Next::Object { kind, fields } => {
                    let asks = &self.lanes[lane].runs[run].run;
                    self.requests.push(Request {
                        lane,
                        part: Some(asks.part),
                        asker: Asker::Run(run),
                        key: (asks.id, asks.step as u32),
                        kind,
                        operation: Operation::Create { key: None, fields },
                        now,
                        depth,
                        cause: cause.to_owned(),
                    });
                    return;
                }
                Next::Rest | Next::Ignored => break,
            }
        }
        self.lanes[lane].standing.touch(catalog.segments.on_journey(journey.name()));
        self.lanes[lane].ended(run, journey, now);
    }
}

impl Batch<'_> {
    /// A run that fails is in the list, with its node and why; a log line says as much as says nothing of the customer.
    fn run_failed(&mut self, lane: usize, run: usize, journey: &Journey, fault: &Fault) {
        let run = &self.lanes[lane].runs[run].run;
        tracing::warn!(
            tenant.id = self.tenant.0,
            journey = journey.name(),
            run.id = %run.id,
            node = run.node,
            code = fault.code,
            "A run failed: `openhub faults` says why."
        );
        let subject = format!("{}/{}", journey.name(), run.node);
        let filed = NewFault::one(FaultKind::Run, &run.id.to_string(), subject, &fault.code, fault.message.as_str());
        self.faults.push(NewFault { place: fault.pointer.clone(), part: Some(run.part), ..filed });
    }
}

impl Lane {
    /// The runs that wait for an event, by id.
    fn awaiting(&self, name: &str) -> Vec<usize> {
        let runs = self.runs.iter().enumerate();
        let waiting = runs.filter(|(_, tracked)| tracked.waits() && tracked.run.awaits.as_deref() == Some(name));
        let mut waiting: Vec<usize> = waiting.map(|(index, _)| index).collect();
        waiting.sort_by_key(|index| self.runs[*index].run.id);
        waiting
    }

    fn entry(&mut self, journey: &Journey, part: PartId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.journey == journey.name() && entry.part == part)
    }

    fn may_enter(&self, journey: &Journey) -> bool {
        let mut entries = self.entries.iter().filter(|entry| entry.journey == journey.name());
        match journey.reentry() {
            Reentry::Always => true,
            Reentry::Never => entries.all(|entry| entry.runs == 0),
            Reentry::AfterExit => entries.all(|entry| entry.active == 0),
        }
    }

    /// Entries are kept only where re-entry asks for them.
    fn entered(&mut self, journey: &Journey, part: PartId, now: Timestamp) {
        if journey.reentry() == Reentry::Always {
            return;
        }
        if self.entry(journey, part).is_none() {
            let journey = journey.name().to_owned();
            self.entries.push(Entry { journey, part, runs: 0, active: 0, last_entered_at: now });
        }
        if let Some(entry) = self.entry(journey, part) {
            entry.runs += 1;
            entry.active += 1;
            entry.last_entered_at = now;
        }
        self.entries_changed = true;
    }

    fn ended(&mut self, run: usize, journey: &Journey, now: Timestamp) {
        let tracked = &mut self.runs[run];
        if tracked.waits() || !tracked.changed {
            return;
        }
        tracked.run.ended_at.get_or_insert(now);
        let part = tracked.run.part;
        if let Some(entry) = self.entry(journey, part) {
            entry.active -= 1;
            self.entries_changed = true;
        }
    }
}
