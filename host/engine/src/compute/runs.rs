//! The runs of one customer, and how often they have entered which journey.

use openhub_journey::{Journey, Reentry};
use openhub_model::run::RunStatus;
use openhub_model::{PartId, Timestamp};
use openhub_store::Entry;

use super::actor::Actor;
use super::batch::Batch;

/// Why a run ended whose customer has another one.
const MERGED: &str = "Two customers became one, and only one of their runs in this journey goes on.";

/// Two customers have become one: where a journey allows one run at a time, the oldest goes on, and none if one of them
/// has been through a journey that is entered once.
pub fn keep_one_run(batch: &mut Batch<'_>, actor: usize, now: Timestamp) {
    let catalog = batch.catalog;
    let state = &mut batch.actors[actor];
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
        tracked.run.awaits.clear();
        tracked.run.due = None;
        tracked.run.state = "{}".to_owned();
        tracked.run.ended_at = Some(now);
        tracked.run.fault = Some(MERGED.to_owned());
        let part = tracked.run.part;
        batch.taken_back.push((part, tracked.run.id));
        // As if it had not been entered.
        if let Some(entry) = state.entry(journey, part) {
            entry.active -= 1;
            entry.runs -= 1;
            state.entries_changed = true;
        }
    }
}

impl Actor {
    /// The runs that wait for an event, by id.
    pub fn awaiting(&self, name: &str) -> Vec<usize> {
        let runs = self.runs.iter().enumerate();
        let waiting =
            runs.filter(|(_, tracked)| tracked.waits() && tracked.run.awaits.iter().any(|awaited| awaited == name));
        let mut waiting: Vec<usize> = waiting.map(|(index, _)| index).collect();
        waiting.sort_by_key(|index| self.runs[*index].run.id);
        waiting
    }

    pub fn entry(&mut self, journey: &Journey, part: PartId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.journey == journey.name() && entry.part == part)
    }

    pub fn may_enter(&self, journey: &Journey) -> bool {
        let mut entries = self.entries.iter().filter(|entry| entry.journey == journey.name());
        match journey.reentry() {
            Reentry::Always => true,
            Reentry::Never => entries.all(|entry| entry.runs == 0),
            Reentry::AfterExit => entries.all(|entry| entry.active == 0),
        }
    }

    /// Entries are kept only where re-entry asks for them.
    pub fn entered(&mut self, journey: &Journey, part: PartId, now: Timestamp) {
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

    pub fn ended(&mut self, run: usize, journey: &Journey, now: Timestamp) {
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
