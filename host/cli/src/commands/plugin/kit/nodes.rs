//! What a plugin brings into journeys, JSON in and JSON out: steps by entries, functions by the arguments of their calls.

use anyhow::{Context, Result, bail, ensure};
use openhub_model::manifest::{Field, FunctionShape, StepShape};
use openhub_model::{Id, Timestamp};
use openhub_runtime::{Applied, Entered, FunctionCalls, Plugin, StepNext, Stepped, Woke};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::calls::{context, reason, receipt, told, unknown};
use super::columns;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepCall {
    name: String,
    settings: Map<String, Value>,
    entries: Vec<AskedEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedEntry {
    at: i64,
    seed: u64,
    input: Value,
    state: Vec<u8>,
    state_version: u32,
    woke: AskedWoke,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum AskedWoke {
    Entered,
    Timer,
    Event { name: String, properties: Value },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionCall {
    name: String,
    settings: Map<String, Value>,
    locale: String,
    time_zone: String,
    /// The arguments of each call.
    rows: Vec<Vec<Value>>,
}

pub fn step(plugin: &Plugin, call: StepCall) -> Result<Value> {
    let steps = &plugin.manifest().steps;
    let shape = steps.iter().find(|step| step.name == call.name);
    let shape = shape.ok_or_else(|| unknown("step", &call.name, steps.iter().map(|step| step.name.as_str())))?;
    let entries = call.entries.into_iter().map(|entry| entry.entered(shape)).collect::<Result<Vec<_>>>()?;
    let stepped = match plugin.step(&context(&call.settings), &shape.name, entries) {
        Ok(stepped) => stepped,
        Err(fault) => return Ok(json!({"fault": told(&fault)})),
    };
    let answers = onwards(shape, &stepped);
    Ok(json!({"answers": answers, "receipt": receipt(&stepped.receipt)}))
}

/// How each run goes on, by the names of the manifest.
pub fn onwards(shape: &StepShape, stepped: &Stepped) -> Vec<Value> {
    let name = |names: &[String], number: u32| names.get(number as usize).cloned();
    let answers = stepped.answers.iter().map(|answer| match answer {
        StepNext::Go(outlet) => json!({"go": name(&shape.outlets, *outlet)}),
        StepNext::Fail(why) => json!({"fail": reason(why)}),
        StepNext::Wait(wait) => {
            let events: Vec<_> = wait.events.iter().map(|event| name(&shape.events, *event)).collect();
            json!({"wait": {"until": wait.until.map(Timestamp::micros), "events": events, "state": wait.state,
                "state_version": shape.state_version}})
        }
    });
    answers.collect()
}

impl AskedEntry {
    fn entered(self, shape: &StepShape) -> Result<Entered> {
        check(&shape.input, &self.input)?;
        let at = Timestamp::from_micros(self.at);
        let woke = match self.woke {
            AskedWoke::Entered => Woke::Entered,
            AskedWoke::Timer => Woke::Timer,
            AskedWoke::Event { name, properties } => {
                let events = || shape.events.iter().map(String::as_str);
                let event = events().position(|event| event == name);
                let event = event.ok_or_else(|| unknown("event to wait for", &name, events()))?;
                Woke::Event { event: u32::try_from(event)?, at, properties: properties.to_string() }
            }
        };
        Ok(Entered {
            run: Id::named(&[b"run"]),
            customer: Id::named(&[b"customer"]),
            at,
            seed: self.seed,
            input: self.input.to_string(),
            state: self.state,
            state_version: self.state_version,
            woke,
        })
    }
}

/// As a journey that is published is checked.
fn check(fields: &[Field], input: &Value) -> Result<()> {
    let Value::Object(given) = input else { bail!("the input must be a JSON object, not {input}") };
    for name in given.keys() {
        let names = || fields.iter().map(|field| field.name.as_str());
        ensure!(names().any(|known| known == name), unknown("input", name, names()));
    }
    for field in fields {
        match given.get(&field.name).filter(|value| !value.is_null()) {
            None => ensure!(!field.required, "the step needs the input `{}`: set it", field.name),
            Some(value) => {
                if let Some(fault) = field.faults(value, "").first() {
                    bail!("the input `{}`: {}", field.name, fault.message);
                }
            }
        }
    }
    Ok(())
}

pub fn function(plugin: &Plugin, call: &FunctionCall) -> Result<Value> {
    let functions = &plugin.manifest().functions;
    let shape = functions.iter().find(|function| function.name == call.name);
    let shape = shape.ok_or_else(|| unknown("function", &call.name, functions.iter().map(|it| it.name.as_str())))?;
    for row in &call.rows {
        let fits = (shape.required()..=shape.arguments.len()).contains(&row.len());
        ensure!(fits, "the function is {}, so a call cannot have {} arguments", shape.signature(), row.len());
    }
    let mut arguments = Vec::with_capacity(shape.arguments.len());
    for (place, argument) in shape.arguments.iter().enumerate() {
        let values = call.rows.iter().map(|row| row.get(place).filter(|value| !value.is_null()).cloned());
        let column = columns::column(&argument.of, &values.collect::<Vec<_>>());
        arguments.push(column.with_context(|| format!("the argument `{}`", argument.name))?);
    }
    let rows = call.rows.len();
    let texts = |text: &str| vec![text.to_owned(); rows];
    let calls = FunctionCalls {
        rows: u32::try_from(rows)?,
        locales: texts(&call.locale),
        time_zones: texts(&call.time_zone),
        arguments,
    };
    match plugin.apply(&context(&call.settings), &shape.name, &calls) {
        Ok(applied) => {
            let results = results(shape, &applied);
            Ok(json!({"results": results, "receipt": receipt(&applied.receipt)}))
        }
        Err(fault) => Ok(json!({"fault": told(&fault)})),
    }
}

/// What came of each call.
pub fn results(shape: &FunctionShape, applied: &Applied) -> Vec<Value> {
    let values = columns::values(&shape.returns, &applied.values).into_iter().enumerate();
    let results = values.map(|(row, value)| match applied.faults.get(&(row as u32)) {
        Some(why) => json!({"fault": reason(why)}),
        None => json!({"value": value}),
    });
    results.collect()
}
