//! Functions of plugins that the texts of runs call: one call a wave and function with the arguments of all runs, as columns.

use std::collections::BTreeMap;

use openhub_journey::{Call, Known};
use openhub_model::columns::{ColumnBuilder, Values};
use openhub_model::manifest::FunctionShape;
use openhub_model::tenant::Home;
use openhub_runtime::{CallFault, FunctionCalls, Reason, Recorded, Replayed};
use openhub_store::Called;
use serde_json::Value;

use super::ask::{FunctionsRequest, Waiting};
use super::batch::{Batch, serving};
use super::bisect::bisect;
use super::drawn::{Asked, drawn};
use super::stop::Stop;
use super::values::to_json;
use crate::catalog::Enabled;
use crate::meter::Meter;

/// Rows of one call at most.
const ROWS: usize = 1_000;
/// Bytes that one call takes, about.
const BYTES: usize = 2 * 1024 * 1024;

/// What a run's texts know now.
pub struct Told {
    pub by: Waiting,
    pub known: Known,
    /// Of the first call that failed on one of its rows.
    pub recording: Option<String>,
}

/// A value, or why there is none; and the recording of a call that failed on it.
type Answer = (Result<Value, String>, Option<String>);

/// The place of a call: its request, and its number there.
type Place = (usize, usize);

/// Puts all calls that are open to their functions.
pub fn ask_functions(batch: &mut Batch<'_>) -> Result<Vec<Told>, Stop> {
    let requests = std::mem::take(&mut batch.asks.functions);
    let mut by_function: BTreeMap<(&str, &str), Vec<Place>> = BTreeMap::new();
    for (at, request) in requests.iter().enumerate() {
        for (number, call) in request.calls.open.iter().enumerate() {
            by_function.entry((&call.plugin, &call.function)).or_default().push((at, number));
        }
    }
    let mut answers: Vec<Vec<Answer>> =
        requests.iter().map(|request| vec![(Err(String::new()), None); request.calls.open.len()]).collect();
    for ((plugin, function), places) in by_function {
        let catalog = batch.catalog;
        let owner = catalog.plugins.get(plugin);
        let shape =
            owner.and_then(|owner| owner.installation.manifest.functions.iter().find(|shape| shape.name == function));
        let (Some(owner), Some(shape)) = (owner, shape) else {
            let reason = format!("the plugin `{plugin}` is not enabled");
            places.iter().for_each(|(at, number)| answers[*at][*number].0 = Err(reason.clone()));
            continue;
        };
        let is_tried = |(at, _): &Place| {
            let version = serving(batch, owner, requests[*at].by.actor);
            version.installation.digest != owner.installation.digest
        };
        let (tried, others): (Vec<Place>, Vec<Place>) = places.into_iter().partition(is_tried);
        let canary = owner.canary.as_ref().map(|canary| (&*canary.version, tried));
        for (version, places) in [(&**owner, others)].into_iter().chain(canary) {
            let mut open = places.as_slice();
            while !open.is_empty() {
                batch.go_on()?;
                let (now, later) = open.split_at(fitting(&requests, open));
                let told = call(batch, version, shape, &requests, now)?;
                for ((at, number), answer) in now.iter().zip(told) {
                    answers[*at][*number] = answer;
                }
                open = later;
            }
        }
    }
    let told = requests.into_iter().zip(answers);
    let told = told.map(|(request, mut answers)| {
        let recording = answers.iter_mut().find_map(|(_, recording)| recording.take());
        let known = request.calls.answered(answers.into_iter().map(|(answer, _)| answer));
        Told { by: request.by, known, recording }
    });
    Ok(told.collect())
}

fn of(requests: &[FunctionsRequest], (at, number): Place) -> (&Call, &Home) {
    let request = &requests[at];
    (&request.calls.open[number], &request.home)
}

/// How many of the first go into a call.
fn fitting(requests: &[FunctionsRequest], open: &[Place]) -> usize {
    let mut bytes = 0;
    let fit = open.iter().take(ROWS).take_while(|place| {
        let is_first = bytes == 0;
        let texts = of(requests, **place).0.arguments.iter().filter_map(Value::as_str).map(str::len);
        bytes += 100 + texts.sum::<usize>();
        is_first || bytes <= BYTES
    });
    fit.count()
}

/// One answer a place, in order.
fn call(
    batch: &mut Batch<'_>,
    owner: &Enabled,
    shape: &FunctionShape,
    requests: &[FunctionsRequest],
    places: &[Place],
) -> Result<Vec<Answer>, Stop> {
    let context = owner.context();
    let (mut meter, of) = (Meter::default(), (&owner.installation, Called::Content, &*shape.name));
    let pieces = bisect(places.len(), batch.retries.give_up, |range| {
        let answer = owner.plugin.apply(&context, &shape.name, &columns(shape, requests, &places[range.clone()]));
        meter.answered(of, range.len(), &answer);
        answer
    });
    batch.used(meter);
    let pieces = pieces.map_err(|fault| Stop::fault(&owner.installation.name, &shape.name, &fault))?;
    let mut answers = Vec::with_capacity(places.len());
    for (range, applied) in pieces {
        batch.tally.calls += 1;
        if owner.installation.recording.is_some() {
            let among: Vec<Option<Value>> = match &applied {
                Ok(applied) => values(shape, &applied.values, &applied.faults),
                Err(_) => vec![None; range.len()],
            };
            for (place, among) in places[range.clone()].iter().zip(among) {
                record(batch, owner, shape, (requests, place), among.as_ref());
            }
        }
        match applied {
            Ok(applied) => {
                batch.answered(range.len());
                let values = to_json(&shape.returns, &applied.values).enumerate();
                answers.extend(values.map(|(row, value)| match applied.faults.get(&(row as u32)) {
                    Some(reason) => (Err(format!("{}: {}", reason.code, reason.message)), None),
                    None => (Ok(value), None),
                }));
            }
            Err(fault) => {
                batch.tally.row_faults += 1;
                let calls = || columns(shape, requests, &places[range]);
                let recorded = || Recorded::Function { name: shape.name.clone(), calls: calls() };
                let recording = batch.recorder.record(owner, &fault, recorded);
                answers.push((Err(fault.to_string()), recording));
            }
        }
    }
    Ok(answers)
}

/// What a function gave for each row; none for one that it gave a fault for.
fn values(shape: &FunctionShape, values: &Values, faults: &BTreeMap<u32, Reason>) -> Vec<Option<Value>> {
    let values = to_json(&shape.returns, values).enumerate();
    values.map(|(row, value)| (!faults.contains_key(&(row as u32))).then_some(value)).collect()
}

/// Keeps the call of a run's text, if it is drawn. `among` is the value that it had among others.
fn record(
    batch: &mut Batch<'_>,
    owner: &Enabled,
    shape: &FunctionShape,
    (requests, place): (&[FunctionsRequest], &Place),
    among: Option<&Value>,
) {
    let by = &requests[place.0].by;
    let actor = &batch.actors[by.actor];
    let run = actor.runs.get(by.run).map(|tracked| tracked.run.id.to_string()).unwrap_or_default();
    let part = actor.customer.as_ref().map(|customer| customer.customer);
    let (call, now) = (&of(requests, *place).0, by.now.micros().to_le_bytes());
    let arguments = Value::Array(call.arguments.clone()).to_string();
    let of = [run.as_bytes(), by.cause.as_bytes(), &now, arguments.as_bytes()];
    let asked = Asked { actor: by.actor, part, now: by.now, of: &of };
    let Some(drawn) = drawn(batch, owner, ("function", &shape.name), &asked) else { return };
    let calls = columns(shape, requests, &[*place]);
    let recorded = Recorded::Function { name: shape.name.clone(), calls };
    batch.recorder.keep(owner, drawn, recorded, |alone: &Result<Replayed, CallFault>| match alone {
        Ok(Replayed::Function(applied)) => {
            values(shape, &applied.values, &applied.faults).pop().flatten().as_ref() == among
        }
        _ => among.is_none(),
    });
}

fn columns(shape: &FunctionShape, requests: &[FunctionsRequest], places: &[Place]) -> FunctionCalls {
    let (mut locales, mut time_zones) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
    let declared = shape.arguments.iter();
    let mut arguments: Vec<ColumnBuilder> =
        declared.map(|argument| ColumnBuilder::new(&argument.of, places.len())).collect();
    for place in places {
        let (call, home) = of(requests, *place);
        locales.push(home.locale.clone());
        time_zones.push(home.time_zone.clone());
        for (number, column) in arguments.iter_mut().enumerate() {
            column.push(call.arguments.get(number));
        }
    }
    let arguments = arguments.into_iter().map(ColumnBuilder::build).collect();
    FunctionCalls { rows: places.len() as u32, locales, time_zones, arguments }
}
