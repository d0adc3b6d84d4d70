//! Steps of plugins that runs have come to, or are woken in: one call a wave and step with the runs of all customers.

use std::sync::Arc;

use openhub_journey::{Onward, StepAsk, Woke};
use openhub_model::Fault;
use openhub_runtime::{CallFault, Entered, Recorded, Replayed, StepNext};
use openhub_store::Called;

use super::ask::{StepRequest, Waiting};
use super::batch::{Batch, serving};
use super::bisect::bisect;
use super::drawn::{Asked, drawn};
use super::stop::Stop;
use crate::catalog::Enabled;
use crate::meter::Meter;

/// Runs of one call at most.
const ROWS: usize = 1_000;
/// Bytes that one call takes, about.
const BYTES: usize = 2 * 1024 * 1024;

/// How a run goes on, or why nobody says.
pub struct Went {
    pub by: Waiting,
    pub onward: Result<Onward, Fault>,
    /// Of the call that failed on it.
    pub recording: Option<String>,
    /// The digest of the version that said so.
    pub served_by: Option<Arc<str>>,
}

/// Puts what is asked of the first step to it, or as much as goes into a call.
pub fn ask_step(batch: &mut Batch<'_>) -> Result<Vec<Went>, Stop> {
    batch.go_on()?;
    let Some((step, mut requests)) = batch.asks.steps.pop_first() else { return Ok(Vec::new()) };
    let rest = requests.split_off(fitting(&requests));
    if !rest.is_empty() {
        batch.asks.steps.insert(step.clone(), rest);
    }
    let (plugin, step) = step;
    let catalog = batch.catalog;
    let Some(owner) = catalog.plugins.get(&plugin) else {
        let fault = Fault::new("", "plugin-not-enabled", format!("the plugin `{plugin}` is not enabled"));
        let went = requests.into_iter();
        let went =
            went.map(|request| Went { by: request.by, onward: Err(fault.clone()), recording: None, served_by: None });
        return Ok(went.collect());
    };
    let of = |request: &StepRequest| {
        serving(batch, owner, request.by.actor).installation.digest == owner.installation.digest
    };
    let (others, tried): (Vec<StepRequest>, Vec<StepRequest>) = requests.into_iter().partition(of);
    let mut went = call(batch, owner, &step, others)?;
    if let Some(canary) = &owner.canary {
        went.extend(call(batch, &canary.version, &step, tried)?);
    }
    Ok(went)
}

/// Asks the version that serves these customers.
fn call(batch: &mut Batch<'_>, owner: &Enabled, step: &str, requests: Vec<StepRequest>) -> Result<Vec<Went>, Stop> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let entries: Vec<Entered> = requests.iter().map(|request| entered(batch, request)).collect();
    let call = owner.context();
    let (mut meter, of) = (Meter::default(), (&owner.installation, Called::Step, step));
    let pieces = bisect(entries.len(), batch.retries.give_up, |range| {
        let answer = owner.plugin.step(&call, step, entries[range.clone()].to_vec());
        meter.answered(of, range.len(), &answer);
        answer
    });
    batch.used(meter);
    let pieces = pieces.map_err(|fault| Stop::fault(&owner.installation.name, step, &fault))?;
    let mut onwards = Vec::with_capacity(requests.len());
    for (range, answered) in pieces {
        batch.tally.calls += 1;
        for at in range.clone().filter(|_| owner.installation.recording.is_some()) {
            let answer = answered.as_ref().map(|stepped| &stepped.answers[at - range.start]);
            record(batch, owner, step, (&requests[at], &entries[at]), answer);
        }
        match answered {
            Ok(stepped) => {
                batch.answered(range.len());
                onwards.extend(stepped.answers.into_iter().map(|next| (Ok(onward(next)), None)));
            }
            Err(fault) => {
                batch.tally.row_faults += 1;
                let recorded = || Recorded::Step { name: step.to_owned(), entries: entries[range].to_vec() };
                let recording = batch.recorder.record(owner, &fault, recorded);
                onwards.push((Err(broke_off(&fault)), recording));
            }
        }
    }
    let went = requests.into_iter().zip(onwards);
    let served_by: Arc<str> = owner.installation.digest.as_str().into();
    let went = went.map(|(request, (onward, recording))| Went {
        by: request.by,
        onward,
        recording,
        served_by: Some(served_by.clone()),
    });
    Ok(went.collect())
}

/// Keeps the call about a run, if it is drawn. `among` is what was answered about it among others.
fn record(
    batch: &mut Batch<'_>,
    owner: &Enabled,
    step: &str,
    (request, entry): (&StepRequest, &Entered),
    among: Result<&StepNext, &CallFault>,
) {
    let by = &request.by;
    let (cause, now) = (by.cause.as_bytes(), by.now.micros().to_le_bytes());
    let of = [request.run.as_bytes(), &request.place.to_le_bytes()[..], cause, &now];
    let asked = Asked { actor: by.actor, part: Some(request.customer), now: by.now, of: &of };
    let Some(drawn) = drawn(batch, owner, ("step", step), &asked) else { return };
    let recorded = Recorded::Step { name: step.to_owned(), entries: vec![entry.clone()] };
    batch.recorder.keep(owner, drawn, recorded, |alone| match (alone, among) {
        (Ok(Replayed::Step(stepped)), Ok(among)) => stepped.answers.first() == Some(among),
        (Err(fault), Err(among)) => fault.kind == among.kind,
        _ => false,
    });
}

/// How many of the first go into a call.
fn fitting(requests: &[StepRequest]) -> usize {
    let mut bytes = 0;
    let fit = requests.iter().take(ROWS).take_while(|request| {
        let is_first = bytes == 0;
        bytes += size(&request.ask);
        is_first || bytes <= BYTES
    });
    fit.count()
}

fn size(ask: &StepAsk) -> usize {
    let woke = match &ask.woke {
        Woke::Event { properties, .. } => properties.len(),
        Woke::Entered | Woke::Timer => 0,
    };
    200 + ask.input.len() + ask.state.len() + woke
}

/// The seed is another one whenever the run is here, and the same at each attempt.
fn entered(batch: &Batch<'_>, request: &StepRequest) -> Entered {
    let StepRequest { by, run, place, customer, ask } = request;
    let (tenant, now) = (batch.tenant.0.to_le_bytes(), by.now.micros().to_le_bytes());
    let seed = batch.marker.seed(&[b"step", &tenant, run.as_bytes(), by.cause.as_bytes(), &now], *place, 0);
    let woke = match &ask.woke {
        Woke::Entered => openhub_runtime::Woke::Entered,
        Woke::Timer => openhub_runtime::Woke::Timer,
        Woke::Event { event, at, properties } => {
            openhub_runtime::Woke::Event { event: *event, at: *at, properties: properties.clone() }
        }
    };
    Entered {
        run: *run,
        customer: *customer,
        at: by.now,
        seed: seed.0,
        input: ask.input.clone(),
        state: ask.state.clone(),
        state_version: ask.state_version,
        woke,
    }
}

fn onward(next: StepNext) -> Onward {
    match next {
        StepNext::Go(outlet) => Onward::Go(outlet),
        StepNext::Wait(wait) => Onward::Wait { until: wait.until, events: wait.events, state: wait.state },
        StepNext::Fail(reason) => Onward::Fail { code: reason.code, message: reason.message },
    }
}

fn broke_off(fault: &CallFault) -> Fault {
    Fault::new("", fault.kind.as_str(), fault.message.as_str())
}
