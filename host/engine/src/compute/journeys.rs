//! Journeys: an event first moves the runs that wait for it, then starts new ones; a timer moves its run.

use std::sync::Arc;

use openhub_journey::{Ask, Input, Journey, Moment, Next, StepContext};
use openhub_model::condition::Truth;
use openhub_model::identity::Authority;
use openhub_model::run::Update;
use openhub_model::{Cause, Fault, Identity, Span, Timestamp, limits};
use openhub_store::{FaultKind, NewFault};

use super::actor::Tracked;
use super::ask::{self, Answer, Asker, FunctionsRequest, Operation, Request, StepRequest, Waiting};
use super::batch::Batch;
use super::beyond::TOO_MANY;
use super::effects::source::Source;
use super::effects::state::Change;
use super::effects::{Effect, apply};
use super::event::Happening;
use super::functions::Told;
use super::occasion::Occasion;
use super::steps::Went;
use crate::home;

/// By the tenant's clock: when a run whose journey stands out is looked at again.
const AGAIN: Span = Span::from_micros(3_600_000_000);

pub fn meet_event(batch: &mut Batch<'_>, actor: usize, event: &Happening) {
    // History changes state and triggers nothing.
    if event.historical || !event.triggers() {
        return;
    }
    let moment =
        Moment { message_id: &event.message_id, name: &event.name, at: event.at, properties: &event.properties };
    for run in batch.actors[actor].awaiting(&event.name) {
        // What happens while a journey is paused counts once it is resumed.
        let input = match batch.actors[actor].runs[run].held {
            true => Input::Remember(&moment),
            false => Input::Event(&moment),
        };
        drive(batch, actor, run, input, Occasion::of(event));
    }
    let catalog = batch.catalog;
    for journey in catalog.starts.get(&event.name).into_iter().flatten() {
        if let Some(run) = start(batch, actor, journey, &moment, event) {
            drive(batch, actor, run, Input::Enter(&moment), Occasion::of(event));
        }
    }
}

pub fn meet_timer(batch: &mut Batch<'_>, actor: usize, run: usize, due: Timestamp) {
    let tracked = &mut batch.actors[actor].runs[run];
    if !batch.catalog.journeys.contains_key(&(tracked.run.journey.clone(), tracked.run.version)) {
        // Its version stands out of the catalog: the run is held, and looked at again later.
        tracked.run.due = Some(batch.fire.before + AGAIN);
        tracked.changed = true;
        return;
    }
    let cause = tracked.run.id.to_string();
    // Time has passed: what it causes is no chain.
    drive(batch, actor, run, Input::Timer, Occasion::timer(due, &cause));
}

pub fn meet_answer(batch: &mut Batch<'_>, answer: Answer) {
    let Asker::Run(run) = answer.asker else { return };
    let input = match &answer.result {
        Ok((key, fields)) => Input::Answer(openhub_journey::Answer::Object { key, fields }),
        Err(faults) => Input::Answer(openhub_journey::Answer::Refused(faults)),
    };
    let (now, cause, depth) = (answer.now, answer.cause.as_str(), answer.depth);
    drive(batch, answer.actor, run, input, Occasion { now, cause, depth, historical: false });
}

/// The run goes on from its step.
pub fn meet_step(batch: &mut Batch<'_>, went: Went) {
    let tracked = batch.actors[went.by.actor].runs.get_mut(went.by.run);
    if let (Some(tracked), Some(served_by)) = (tracked, went.served_by) {
        tracked.run.served_by = Some(served_by);
    }
    let input = match &went.onward {
        Ok(onward) => Input::Answer(openhub_journey::Answer::Step(onward)),
        Err(fault) => Input::Answer(openhub_journey::Answer::Refused(std::slice::from_ref(fault))),
    };
    resume(batch, &went.by, input, went.recording);
}

/// The run's texts can be made, or ask for more.
pub fn meet_values(batch: &mut Batch<'_>, told: Told) {
    let input = Input::Answer(openhub_journey::Answer::Calls(&told.known));
    resume(batch, &told.by, input, told.recording);
}

/// A run that fails has the recording of the call with its fault.
fn resume(batch: &mut Batch<'_>, by: &Waiting, input: Input<'_>, recording: Option<String>) {
    let occasion = Occasion { now: by.now, cause: &by.cause, depth: by.depth, historical: false };
    let faults = batch.faults.len();
    drive(batch, by.actor, by.run, input, occasion);
    if let Some(fault) = batch.faults.get_mut(faults).filter(|fault| fault.kind == FaultKind::Run) {
        fault.recording = recording;
    }
}

fn start(
    batch: &mut Batch<'_>,
    actor: usize,
    journey: &Arc<Journey>,
    moment: &Moment<'_>,
    event: &Happening,
) -> Option<usize> {
    let (tenant, catalog) = (batch.tenant, batch.catalog);
    let actor = &mut batch.actors[actor];
    let customer = actor.customer.as_ref()?;
    if !journey.trigger().starts(moment) {
        return None;
    }
    if let Some(condition) = journey.trigger().condition() {
        let asked = actor.asked(catalog);
        let facts = asked.facts(&actor.segments.facts, customer, event.now);
        if condition.evaluate(&facts).truth != Truth::True {
            return None;
        }
    }
    if !actor.may_enter(journey) {
        return None;
    }
    let most = if event.arrived() && event.authority == Authority::Browser { limits::PAGE_RUNS } else { limits::RUNS };
    if actor.runs.len() >= most && actor.runs.iter().filter(|tracked| tracked.waits()).count() >= most {
        let text = format!("Its customer already has {most} waiting runs, the most that this sender may start.");
        let fault = NewFault::counted(FaultKind::Run, journey.name(), TOO_MANY, "", text);
        batch.faults.push(fault.example(&event.message_id, event.position, event.depth));
        return None;
    }
    let mut run = journey.start(tenant, customer, moment);
    // It stays with the part that it was started for, whoever that belongs to later.
    run.part = event.part.unwrap_or(run.part);
    if actor.runs.iter().any(|tracked| tracked.run.id == run.id) {
        return None;
    }
    actor.entered(journey, run.part, event.now);
    actor.runs.push(Tracked::started(run));
    Some(actor.runs.len() - 1)
}

/// Advances a run until it rests, ends, or needs a plugin's answer.
pub fn drive(batch: &mut Batch<'_>, actor: usize, run: usize, input: Input<'_>, occasion: Occasion<'_>) {
    let catalog = batch.catalog;
    let tracked = &batch.actors[actor].runs[run];
    let Some(journey) = catalog.journeys.get(&(tracked.run.journey.clone(), tracked.run.version)) else { return };
    let mut input = input;
    loop {
        let step = {
            let actor = &mut batch.actors[actor];
            let here = actor.position;
            let asked = actor.asked(catalog);
            let Some(customer) = &actor.customer else { return };
            let identities: Vec<&Identity> = actor.members.iter().map(|member| &member.part.identity).collect();
            let known = asked.facts(&actor.segments.facts, customer, occasion.now);
            let facts = StepContext::of(batch.tenant, &identities, known);
            let tracked = &mut actor.runs[run];
            let step = journey.advance(&mut tracked.run, input, &facts);
            tracked.changed |= step.next != Next::Ignored;
            // It rests where its wait begins.
            if step.next == Next::Rest && !tracked.run.awaits.is_empty() {
                tracked.run.since = here;
            }
            step
        };
        if let Some(fault) = step.fault {
            run_failed(batch, actor, run, journey, &fault);
        }
        batch.traces.entered(journey, step.entered);
        for message in step.messages {
            apply(batch, actor, Effect::Message(message));
        }
        let moved = &batch.actors[actor].runs[run].run;
        match step.next {
            Next::Update { attributes, tags } => {
                let rule = Some(format!("journey {} v{}", journey.name(), journey.version()).into());
                let cause = Cause { at: occasion.now, event: occasion.cause.into(), plugin: None, rule };
                let source = Source::of(Some(moved.part), cause);
                let node = moved.node.clone();
                let told = batch.actors[actor].refused.len();
                let changes =
                    attributes.iter().map(|(name, value)| Change::Attribute(name.as_str().into(), value.clone()));
                let changes =
                    changes.chain(tags.iter().map(|(tag, yes)| Change::Tag(tag.as_str().into(), (*yes).into())));
                apply(batch, actor, Effect::Changes(source, changes.collect()));
                let actor = &mut batch.actors[actor];
                let Some(customer) = &actor.customer else { return };
                // Of many that have no room, one is told.
                let refused = |name: &str| actor.refused[told..].iter().any(|refused| refused.attribute == name);
                let is_there = |name: &str| customer.attributes.contains_key(name) && !refused(name);
                let attributes = attributes.into_iter().filter(|(name, _)| is_there(name));
                let attributes = attributes.map(|(name, value)| (name, Update::kept(value))).collect();
                let tags = tags.into_iter().filter(|(tag, _)| customer.tags.contains_key(tag.as_str())).collect();
                actor.runs[run].run.told.wrote(Update { node, at: occasion.now, attributes, tags });
                input = Input::Continue;
            }
            Next::Ask(Ask::Step(ask)) => {
                let (run_id, place) = (moved.id, moved.step as u32);
                let Some(customer) = batch.actors[actor].customer.as_ref().map(|customer| customer.customer) else {
                    return;
                };
                let by = waiting(actor, run, occasion);
                return batch.asks.push(ask::Ask::Step(StepRequest { by, run: run_id, place, customer, ask }));
            }
            Next::Ask(Ask::Calls(calls)) => {
                let Some(customer) = &batch.actors[actor].customer else { return };
                let home = home::of(&catalog.home, customer);
                let by = waiting(actor, run, occasion);
                return batch.asks.push(ask::Ask::Functions(FunctionsRequest { by, home, calls }));
            }
            Next::Ask(Ask::Object { kind, fields }) => {
                let request = Request {
                    actor,
                    part: Some(moved.part),
                    asker: Asker::Run(run),
                    key: (moved.id, moved.step as u32),
                    kind,
                    operation: Operation::Create { key: None, fields },
                    now: occasion.now,
                    depth: occasion.depth,
                    cause: occasion.cause.to_owned(),
                    by: None,
                };
                return apply(batch, actor, Effect::Object(request));
            }
            Next::Rest | Next::Ignored => break,
        }
    }
    batch.actors[actor].segments.touch(catalog.segments.on_journey(journey.name()));
    batch.actors[actor].ended(run, journey, occasion.now);
}

fn waiting(actor: usize, run: usize, occasion: Occasion<'_>) -> Waiting {
    let Occasion { now, cause, depth, .. } = occasion;
    Waiting { actor, run, now, depth, cause: cause.to_owned() }
}

/// A run that fails is in the list, with its node and why; a log line says as much as says nothing of the customer.
fn run_failed(batch: &mut Batch<'_>, actor: usize, run: usize, journey: &Journey, fault: &Fault) {
    let run = &batch.actors[actor].runs[run].run;
    tracing::warn!(
        tenant.id = batch.tenant.0,
        journey = journey.name(),
        run.id = %run.id,
        node = run.node,
        code = fault.code,
        "A run failed: `openhub faults` says why."
    );
    let subject = format!("{}/{}", journey.name(), run.node);
    let filed = NewFault::one(FaultKind::Run, &run.id.to_string(), subject, &fault.code, fault.message.as_str());
    batch.faults.push(NewFault { place: fault.pointer.clone(), part: Some(run.part), ..filed });
}
